"""Cost of each method of a suite alone: ``costs.parquet`` next to the records, in no key, all rows of one machine."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pyarrow
from pydantic import BaseModel, ConfigDict, ValidationError

from benchmark.records import arrow
from core.errors import DataError, first_problem

FILE = "costs.parquet"
MEND = "restore it from version control, or delete it and measure again with --costs"


class Cost(BaseModel):
    """Time and memory for one image, explained by one method alone for all findings of a network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dataset: str
    model: str
    """The network, whatever its training seed: ``Cell.model_of_any_seed``."""
    method: str
    ms: float
    """Milliseconds including the forward pass: CPU time of one core, or wall-clock time on a GPU."""
    mib: float
    """MiB of tensors at the peak, for a batch of one image, without the network and that image."""
    findings: int
    images: int
    """Images explained at once while timing."""
    calls: int
    """Number of calls; ``ms`` is the smallest of them."""
    weights: Literal["trained", "random"]
    device: str
    """cpu, or the GPU's name."""
    processor: str
    threads: int
    torch: str
    """Its version."""


def write(rows: Sequence[Cost], folder: Path) -> None:
    """Write the ``rows``, in a fixed order. Raises ``WriteError`` when the disk refuses."""
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
        return [Cost.model_validate(row) for row in arrow.read(file, MEND).to_pylist()]
    except ValidationError as error:
        where, message = first_problem(error)
        raise DataError(f"{file} is broken at {where}: {message}; {MEND}") from error
