"""External entries: maps or boxes made elsewhere, read from files, checked, and scored with the baselines."""
