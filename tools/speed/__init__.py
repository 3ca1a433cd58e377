"""Time Locus and other packages: ``python -m tools.speed SUBJECT`` prints the tables of docs/speed.md."""
