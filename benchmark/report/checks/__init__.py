"""What the report says of the validity checks: a file each with its tables, its question and its answer."""
