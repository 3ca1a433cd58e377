"""Time Locus and other packages: ``python -m tools.speed SUBJECT``.

Each subject is a package with its flags, contenders and tables. It writes a record; docs/speed.md is generated from the
records.
"""
