"""Measure how suites scale: the scheduler in simulated time, tables of many cells, and the cost of whole data sets."""
