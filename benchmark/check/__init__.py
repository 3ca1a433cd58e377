"""What is wrong with a method, or with a data set."""
