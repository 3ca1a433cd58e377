"""One job at a time beside several: a suite is explained and scored."""
