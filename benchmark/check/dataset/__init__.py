"""Find errors in a data set before training: read all of it and write a page."""
