"""Checks a method or a data set and says what is wrong with it."""
