"""Records: one per cell, from which every number in every table comes."""

from benchmark.records.files import path, read, write
from benchmark.records.folders import loose as at_work
from benchmark.records.record import Cell, Record, Score, Stratum
from benchmark.records.store import brief, load, ordered, pack, suites

__all__ = [
    "Cell",
    "Record",
    "Score",
    "Stratum",
    "at_work",
    "brief",
    "load",
    "ordered",
    "pack",
    "path",
    "read",
    "suites",
    "write",
]
