"""The one scorer: cases and protocols in, records and rows per case out.

``score_maps``   score the cases of a cell by its protocol; ``score_result``: anything else that computes a whole result
``scored``       the record and the rows per case of each cell

Cases come from a ``CaseSource`` of ``cases``: of a network in ``network``, of files in ``external``. ``arrays`` scores
plain arrays by the same step, without a record.
"""

import datetime
import platform
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from typing import Any, Protocol

from tqdm import tqdm

from locus.benchmark.evaluation.cases import CaseSource, Pair, evaluate
from locus.benchmark.maps import strata
from locus.benchmark.records import Cell, Record
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import Result
from locus.benchmark.scoring.statistics.resample import ONE_BLAS_THREAD
from locus.benchmark.training import provenance
from locus.core.errors import LocusError, NotAvailableError, WriteError
from locus.core.names import MAIN_PROTOCOL
from locus.datasets.base import Dataset

LIBRARIES = ("torch", "timm", "numpy", "numba")
Rows = list[dict[str, Any]]
"""Rows per case."""
Scored = tuple[dict[str, Any], Rows]
"""Fields of a record (scores, or status ``n/a`` or ``failed`` with a reason), and its per-case rows."""


class RecordedSource(CaseSource, Protocol):
    """Source of cases that are also scored in groups."""

    @property
    def groups(self) -> dict[str, dict[Pair, str]]:
        """Variable -> (image, finding) -> group of the case."""


@ONE_BLAS_THREAD
def score_maps(source: RecordedSource, cell: Cell) -> Scored:
    """Score the maps of a cell's method by its protocol; per-case rows include their strata."""
    fields, rows = score_result(lambda: evaluate(source, cell), protocols.get(cell.protocol).geometry)
    if "scores" not in fields:
        return fields, rows
    if cell.protocol == MAIN_PROTOCOL:
        fields["strata"] = strata.scores(rows, source.groups, source.findings, cell.data_seed)
    groups = source.groups.items()
    return fields, [
        {**row, **{variable: group.get((row["image"], row["finding"]), "") for variable, group in groups}}
        for row in rows
    ]


def score_result(compute: Callable[[], Result], geometry: str) -> Scored:
    """Score with a function that computes the whole result; if it fails, return the reason without scores.

    Raises ``WriteError``, which is not an error of the method.
    """
    try:
        result = compute()
    except WriteError:
        raise
    except LocusError as error:
        return {"status": "n/a" if isinstance(error, NotAvailableError) else "failed", "reason": str(error)}, []
    return result_fields(result, geometry), result.rows


def result_fields(result: Result, geometry: str) -> dict[str, Any]:
    """Return the fields of the record that come from ``result``."""
    failed = f"{len(result.failed)} failed cases, counted as misses: {result.failed[:3]}" if result.failed else ""
    return {
        "status": "failed" if failed else "ok",
        "reason": failed or result.remark,
        "geometry": geometry,
        "scores": tuple(result.scores),
        "thresholds": result.thresholds,
        "hits_by_threshold": tuple(result.hits_by_threshold),
    }


def scored(
    cells: Sequence[Cell],
    score_cell: Callable[[Cell], Scored],
    shared: dict[str, Any],
    title: str,
    bar: bool | None = None,
) -> Iterator[tuple[Record, Rows]]:
    """Yield the record of each of ``cells``, with the ``shared`` fields, and its rows per case.

    ``title`` names the progress bar. ``bar``: show it; None: only on a terminal.
    """
    hidden = None if bar is None else not bar
    for cell in tqdm(cells, desc=f"score {title}", unit="cell", leave=False, disable=hidden):
        start = time.perf_counter()
        fields, rows = score_cell(cell)
        yield Record(cell=cell, seconds=round(time.perf_counter() - start, 3), **shared, **fields), rows


def shared_fields(data: Sequence[Dataset]) -> dict[str, Any]:
    """Return the fields that all records of one scoring share: versions, machine, images and time."""
    return {
        "versions": {"python": platform.python_version(), **{name: version(name) for name in LIBRARIES}},
        "scoring": provenance.of_scoring(),
        "fingerprint": provenance.fingerprint(sample for images in data for sample in images),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": data[0].describe,
    }
