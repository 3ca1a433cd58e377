"""Find errors in a data set before training: read all images and write a page."""
