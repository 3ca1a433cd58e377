"""Score one cell: predictions of a classifier, maps of a method, boxes drawn by people, or a validity check."""

from collections.abc import Callable
from typing import Any, Protocol

from benchmark.maps import strata
from benchmark.maps.cases import CaseStore
from benchmark.records import Cell
from benchmark.scoring import protocols
from benchmark.scoring.protocols.base import Case, Result
from benchmark.scoring.statistics.bootstrap import ONE_BLAS_THREAD
from benchmark.suite.classification import classification
from core.errors import LocusError, NotAvailableError, WriteError
from core.names import MAIN_PROTOCOL

Scored = tuple[dict[str, Any], list[dict[str, Any]]]
"""Fields of a record (scores, or status ``n/a`` or ``failed`` with a reason), and its per-case rows."""


class CaseSource(Protocol):
    """Source of cases for cells: a model's stored maps, or an external entry."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""

    @property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> group of the case."""

    def cases(self, cell: Cell) -> list[Case]:
        """Return the cases of a cell. Raises an error with the reason if there are none."""

    def validation(self, cell: Cell) -> list[Case]:
        """Return the cases on which the thresholds of a cell may be chosen."""


def score_classifier(store: CaseStore) -> Scored:
    """Score the predictions of the classifier on the held-out images: AUROC and average precision."""
    held_out = store.predictions[store.predictions["split"] == "test"]
    return _fields(classification(held_out, store.findings, store.exclusive), "none"), []


@ONE_BLAS_THREAD
def score_maps(source: CaseSource, cell: Cell) -> Scored:
    """Score the maps of a cell's method by its protocol; per-case rows include their strata."""
    protocol, seed = protocols.get(cell.protocol)(), cell.data_seed

    def evaluate() -> Result:
        cases = source.cases(cell)
        validation = source.validation(cell) if protocol.chooses_thresholds else []
        return protocol.evaluate(cases, source.findings, seed, validation)

    fields, rows = score_result(evaluate, protocol.geometry)
    if "scores" not in fields:
        return fields, rows
    if cell.protocol == MAIN_PROTOCOL:
        fields["strata"] = strata.scores(rows, source.groups, source.findings, seed)
    groups = source.groups.items()
    return fields, [
        {**row, **{variable: group.get((row["image"], row["finding"]), "") for variable, group in groups}}
        for row in rows
    ]


def score_result(evaluate: Callable[[], Result], geometry: str) -> Scored:
    """Score with a function that computes the whole result; if it fails, return the reason without scores.

    Raises ``WriteError``, which is not an error of the method.
    """
    try:
        result = evaluate()
    except WriteError:
        raise
    except LocusError as error:
        return {"status": "n/a" if isinstance(error, NotAvailableError) else "failed", "reason": str(error)}, []
    return _fields(result, geometry), result.rows


def _fields(result: Result, geometry: str) -> dict[str, Any]:
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
