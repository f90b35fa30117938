"""Evidence: what was asked, answered and read of one article, packed so that anybody can check it."""
