"""What is wrong with a data set before anything is trained on it: all of it is read, and a page written."""
