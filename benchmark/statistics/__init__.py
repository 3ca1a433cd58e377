"""Statistics: how sure a number is."""
