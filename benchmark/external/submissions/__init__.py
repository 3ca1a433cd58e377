"""Pack an entry into one file (maps or boxes, metadata and records), and check submitted files."""
