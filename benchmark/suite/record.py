"""Write the record of a scored cell and its rows per case."""

import datetime
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import methods
from benchmark import records
from benchmark.maps.trained import TrainingRun
from benchmark.records import Cell, Record
from benchmark.records.cases import write as write_cases
from benchmark.records.provenance import join
from benchmark.suite.scorers import Scored
from benchmark.training import provenance
from core.user_code import runs_code

LIBRARIES = ("torch", "timm", "numpy", "numba")


def write_record(cell: Cell, scored: Scored, shared: dict[str, Any], seconds: float, folder: Path) -> None:
    """Write the record of ``cell``, and its rows per case, below the suite's ``folder``. Raises ``WriteError``.

    ``shared``: see ``shared_fields``; ``seconds``: duration of scoring.
    """
    fields, rows = scored
    if rows:
        write_cases(rows, cell, folder)
    # a method from a user's file is recorded by its own name
    name = str(methods.get(cell.method).name) if runs_code(cell.method) else ""
    records.write(Record(cell=cell, seconds=round(seconds, 3), method_name=name, **shared, **fields), folder)


def shared_fields(trained: Sequence[TrainingRun]) -> dict[str, Any]:
    """The fields that all records of a model share: weights, versions, provenance, description of the data."""
    return {
        "checkpoints": tuple(run.digest for run in trained),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "training": join([provenance.read(run.folder) for run in trained]),
        "scoring": provenance.of_scoring(),
        "fingerprint": provenance.fingerprint(sample for run in trained for sample in run.data),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": trained[0].data.describe,
    }
