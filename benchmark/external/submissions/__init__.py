"""Entries that others send in: one file with maps or boxes, metadata and records, packed and checked."""
