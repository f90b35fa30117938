"""What can be measured from outside: names that stay (`contract`), and what the stages count (`meters`)."""
