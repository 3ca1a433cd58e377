"""Time ``locus`` on large maps in files, and measure the memory for many."""
