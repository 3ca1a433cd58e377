"""Entries that others send in: one file of maps or boxes, their maker and records, packed and checked."""
