"""Wireroom's domain: feeds in, searchable news out. Read `flow.py` first."""
