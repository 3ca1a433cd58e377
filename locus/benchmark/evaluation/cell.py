"""Score one cell: cases and a protocol in, the fields of a record and rows per case out.

``score_maps``    score the cases of a cell by its protocol
``score_result``  the same for anything else that computes a whole result
``record_of``     the record of a cell and its rows per case
``shared_fields``, ``truth_counts``  fields of records that do not depend on the cell
"""

import datetime
import platform
import time
import typing
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any

from locus.arrays import Pair
from locus.benchmark.baselines.fold_draws import has_fold_draws, over_fold_draws
from locus.benchmark.maps import subgroups
from locus.benchmark.records import Cell, Record
from locus.benchmark.training import provenance
from locus.core import names
from locus.core.errors import LocusError, NotAvailableError, WriteError
from locus.core.types import Sample
from locus.datasets.base import Dataset
from locus.scoring import protocols
from locus.scoring.protocols import base
from locus.scoring.protocols.base import Case, Result
from locus.scoring.protocols.single_box import SingleBox
from locus.scoring.statistics.resample import ONE_BLAS_THREAD

LIBRARIES = ("torch", "timm", "numpy", "numba")
Fields = dict[str, Any]
"""Fields of a record."""
Rows = list[dict[str, Any]]
"""Rows per case."""
Scored = tuple[Fields, Rows]
"""Fields of a record (scores, or status ``n/a`` or ``failed`` with a reason), and its per-case rows."""


class CaseSource(typing.Protocol):
    """Source of cases for cells: a model's stored maps, or maps and boxes made elsewhere."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises an error with the reason if there are none."""

    def validation(self, cell: Cell) -> list[Case]:
        """Return the cases on which the thresholds of a cell may be chosen."""

    @property
    def groups(self) -> dict[str, dict[Pair, str]]:
        """Variable -> (image, finding) -> group of the case."""


@ONE_BLAS_THREAD
def score_maps(source: CaseSource, cell: Cell, protocol: base.Protocol | None = None) -> Scored:
    """Score the maps of a cell's method by ``protocol``, by default the cell's; rows per case include subgroups."""
    protocol = protocol or protocols.get(cell.protocol)()
    fields, rows = score_result(lambda: _evaluate(source, cell, protocol), protocol.geometry)
    if "scores" not in fields:
        return fields, rows
    if cell.protocol == names.MAIN_PROTOCOL:
        fields["subgroups"] = subgroups.scores(
            rows, source.groups, source.findings, cell.data_seed, cell.threshold_source
        )
    for variable, group_of_case in source.groups.items():
        rows = [
            {**row, variable: group_of_case.get((row["image"], row["finding"]), "")} for row in rows
        ]
    return fields, rows


def _evaluate(source: CaseSource, cell: Cell, protocol: base.Protocol) -> Result:
    """Return the result of a cell; a baseline of other patients' boxes is averaged over draws of the folds."""
    cases = source.cases(cell)
    validation = source.validation(cell) if protocol.chooses_thresholds else []
    is_drawn = has_fold_draws(cell.method) and cell.fitted_on is None
    if is_drawn and isinstance(protocol, SingleBox):
        draws = over_fold_draws(cell.method, cases)
        return protocol.evaluate_draws(draws, source.findings, cell.data_seed, validation)
    result: Result = protocol.evaluate(cases, source.findings, cell.data_seed, validation)
    return result


def score_result(compute: Callable[[], Result], geometry: str) -> Scored:
    """Score with a function that computes the whole result; if it fails, return the reason without scores.

    Raises ``WriteError``, which is not an error of the method.
    """
    try:
        result = compute()
    except WriteError:
        raise
    except NotAvailableError as error:
        return {"status": "n/a", "reason": str(error)}, []
    except LocusError as error:
        return {"status": "failed", "reason": str(error)}, []
    return result_fields(result, geometry), result.rows


def result_fields(result: Result, geometry: str) -> dict[str, Any]:
    """Return the fields of the record that come from ``result``."""
    reason = result.remark
    if result.failed:
        reason = f"{len(result.failed)} failed cases, counted as misses: {result.failed[:3]}"
    return {
        "status": "failed" if result.failed else "ok",
        "reason": reason,
        "geometry": geometry,
        "scores": tuple(result.scores),
        "thresholds": result.thresholds,
        "hits_by_threshold": tuple(result.hits_by_threshold),
        "resampled": result.resampled,
    }


def record_of(
    cell: Cell, score_cell: Callable[[Cell], Scored], shared: Fields
) -> tuple[Record, Rows]:
    """Score one cell; return its record with the seconds that it took, and its rows per case."""
    start = time.perf_counter()
    fields, rows = score_cell(cell)
    seconds = round(time.perf_counter() - start, 3)
    return Record(cell=cell, seconds=seconds, **shared, **fields), rows


def shared_fields(data: Sequence[Dataset]) -> dict[str, Any]:
    """Return the fields that all records of one scoring share: versions, machine, images and time."""
    versions = {"python": platform.python_version()}
    for name in LIBRARIES:
        versions[name] = version(name)
    return {
        "versions": versions,
        "scoring": provenance.of_scoring(),
        "fingerprint": provenance.fingerprint(sample for images in data for sample in images),
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "data": data[0].describe,
    }


def truth_counts(samples: Sequence[Sample]) -> dict[str, int]:
    """Return the numbers of patients, cases and truth boxes of ``samples``."""
    patients = {sample.patient_id for sample in samples}
    box_counts = [len(boxes) for sample in samples for boxes in sample.boxes.values()]
    return {"patients": len(patients), "cases": len(box_counts), "truth boxes": sum(box_counts)}
