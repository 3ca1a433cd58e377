"""Records: one JSON file per cell, from which every number in every table comes."""

from benchmark.records.files import load, path, read, renew, write
from benchmark.records.record import Cell, Record, Score, Stratum

__all__ = ["Cell", "Record", "Score", "Stratum", "load", "path", "read", "renew", "write"]
