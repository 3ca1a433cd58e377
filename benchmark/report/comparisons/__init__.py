"""Rows held against each other by their rows per case: intervals, ties, the first of a network, agreement."""
