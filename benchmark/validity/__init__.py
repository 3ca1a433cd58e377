"""Validity checks: test whether the maps and the tables can be trusted. One package and one suite per check.

``compute.py`` scores a method and needs the networks; ``report.py`` makes tables and an answer from the records alone.
A suite with the field ``check: NAME`` is scored only by that check: one record per model and method, with the check's
name as its protocol, the same command and the same schema. ``core.names.CHECKS`` lists the names without
importing them.
"""
