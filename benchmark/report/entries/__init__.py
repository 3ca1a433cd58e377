"""Entries: the rows of all tables, charts and pages, with intervals and comparisons from the rows per case."""
