"""Records: one per cell, the source of all numbers in tables."""

from benchmark.records.files import path, read, unpacked, unpacked_folder, write
from benchmark.records.lock import only_writer
from benchmark.records.packed import load, load_metric, ordered, pack, suites
from benchmark.records.record import Cell, Record, Stratum
from core.scores import Score

__all__ = [
    "Cell",
    "Record",
    "Score",
    "Stratum",
    "load",
    "load_metric",
    "only_writer",
    "ordered",
    "pack",
    "path",
    "read",
    "suites",
    "unpacked",
    "unpacked_folder",
    "write",
]
