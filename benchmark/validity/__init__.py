"""Validity checks of the maps and the tables, with one package and one suite per check.

``compute.py`` scores a method and needs the networks; ``report.py`` makes tables and an answer from the records alone.
A suite with the field ``check: NAME`` is scored only by that check. It has one record per model and method, with the
name of the check as its protocol. ``core.names.CHECKS`` lists the names without importing the checks.
"""
