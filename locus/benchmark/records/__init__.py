"""Records: one per cell, the source of all numbers in tables."""

from locus.core import startup
from locus.core.errors import NotAvailableError

if problem := startup.arrow_problem():
    raise NotAvailableError(problem)

from locus.benchmark.records.packed import load, ordered, pack, published, suites
from locus.benchmark.records.record import Cell, Record, Subgroup
from locus.benchmark.records.storage import (
    only_writer,
    path,
    read,
    unpacked,
    unpacked_folder,
    write,
)
from locus.benchmark.records.tidy import frame, trainings
from locus.core.scores import Score

__all__ = [
    "Cell", "Record", "Score", "Subgroup", "frame", "load", "only_writer", "ordered", "pack", "path", "published",
    "read", "suites", "trainings", "unpacked", "unpacked_folder", "write",
]  # fmt: skip
