"""Reports of the validity checks, a file each: tables, question and answer."""
