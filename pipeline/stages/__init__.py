"""The four stages: each claims due rows, does its work and ends in one transaction per batch."""
