"""Measured cost of each method of a suite: ``costs.parquet`` next to the records, all rows from one machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pyarrow
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.records import arrow
from core.errors import DataError, first_problem

FILE = "costs.parquet"
ADVICE = "restore it from version control, or delete it and measure again with --costs"


class Cost(BaseModel):
    """Time and memory of one method for one image and all findings of a network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    model: str
    """The model without its training seed: ``Cell.model_of_any_seed``."""
    method: str
    ms: float
    """Milliseconds including the forward pass: CPU time of one core, or wall-clock time on a GPU."""
    mib: float
    """Peak memory of tensors in MiB for a batch of one image, without the network and the image."""
    findings: int
    images: int
    """Batch size while timing."""
    calls: int
    """Number of timed calls; ``ms`` is the shortest."""
    weights: Literal["trained", "random"]
    device: str
    """cpu, or the GPU's name."""
    processor: str
    threads: int
    torch: str
    """Version of torch."""


def write(rows: Sequence[Cost], folder: Path) -> None:
    """Write the ``rows`` in a fixed order. Raises ``WriteError`` if the file cannot be written."""
    ordered = sorted(rows, key=lambda row: (row.dataset, row.model, row.method))
    arrow.save(pyarrow.Table.from_pylist([row.model_dump() for row in ordered]), folder / FILE)


def read(folder: Path) -> list[Cost]:
    """Return the costs in ``folder``, ordered by data set, model and method; empty if none were measured.

    Raises ``DataError`` for a broken file.
    """
    file = folder / FILE
    if not file.is_file():
        return []
    try:
        return [Cost.model_validate(row) for row in arrow.read(file, ADVICE).to_pylist()]
    except ValidationError as error:
        where, message = first_problem(error)
        raise DataError(f"{file} is broken at {where}: {message}; {ADVICE}") from error
