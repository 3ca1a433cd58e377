"""How each kind of cell is scored: by protocol, predictions, readers' boxes or validity check; none needs a network.

Where a method has no figure, the status is ``n/a`` or ``failed``, with the reason.
"""

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from benchmark import protocols
from benchmark.maps.cases import CaseStore
from benchmark.maps.obtain import NoMapsError
from benchmark.protocols.base import Case, Result
from benchmark.records import Cell
from benchmark.statistics import strata
from benchmark.suite import readers
from benchmark.suite.classification import classification
from benchmark.validity.base import Check
from core.errors import LocusError, NotAvailableError, WriteError
from core.names import MAIN_PROTOCOL

Scored = tuple[dict[str, Any], list[dict[str, Any]]]
"""The fields of a record that scoring its cell decides, and its rows per case."""


class CaseSource(Protocol):
    """What has cases for cells: a model's stored maps, or what others gave."""

    @property
    def findings(self) -> tuple[str, ...]:
        """In the order of the data set."""

    @property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> the group that a case is in."""

    def cases(self, cell: Cell) -> list[Case]:
        """The cases of a cell. Raises the error that says why there are none."""

    def validation(self, cell: Cell) -> list[Case]:
        """The cases on which a cell's thresholds may be chosen."""


def by_classifier(store: CaseStore) -> Scored:
    """AUROC and average precision of the classifier's own predictions of the held-out images."""
    held_out = store.predictions[store.predictions["split"] == "test"]
    return _fields(classification(held_out, store.findings, store.exclusive), "none"), []


def by_readers(store: CaseStore, cell: Cell) -> Scored:
    """Each radiologist's boxes against the others'; n/a where the data set keeps no reader's boxes."""
    asked = store.trained, store.findings, cell.data_seed, cell.images
    return _judged(lambda: readers.evaluate(*asked), "none")


def by_check(check: Check, cell: Cell) -> Scored:
    """What a validity check says of the cell's method."""
    fields, rows = _judged(lambda: check.evaluate(cell.method, cell.data_seed), check.geometry)
    return {"rests_on": dict(check.settings), **fields}, rows


def by_protocol(store: CaseSource, cell: Cell, word: str = "") -> Scored:
    """A method's maps by the cell's protocol, or by that of another ``word``; rows carry the strata of their case."""
    cases = _tried(lambda: store.cases(cell))
    if isinstance(cases, LocusError):
        return _none(cases), []
    protocol, seed = protocols.get(word or cell.protocol)(), cell.data_seed
    result = protocol.evaluate(cases, store.findings, seed, store.validation(cell) if protocol.chooses else [])
    fields, groups = _fields(result, protocol.geometry), store.groups
    if cell.protocol == MAIN_PROTOCOL:
        fields["strata"] = strata.scores(result.rows, groups, store.findings, seed)
    in_strata = ({name: groups[name].get((row["image"], row["finding"]), "") for name in groups} for row in result.rows)
    return fields, [row | of_case for row, of_case in zip(result.rows, in_strata, strict=True)]


T = TypeVar("T")


def _tried(ask: Callable[[], T]) -> T | LocusError:
    """What ``ask`` gives, or the error that says why a method has no figure.

    Maps that are not to be generated and a disk that refuses are no fault of the method: ``NoMapsError``,
    ``WriteError``.
    """
    try:
        return ask()
    except (NoMapsError, WriteError):
        raise
    except LocusError as error:
        return error


def _judged(ask: Callable[[], Result], geometry: str) -> Scored:
    result = _tried(ask)
    return (_none(result), []) if isinstance(result, LocusError) else (_fields(result, geometry), result.rows)


def _none(error: LocusError) -> dict[str, Any]:
    """The fields of a record without a number."""
    return {"status": "n/a" if isinstance(error, NotAvailableError) else "failed", "reason": str(error)}


def _fields(result: Result, geometry: str) -> dict[str, Any]:
    remark = f"{len(result.failed)} failed cases, counted as misses: {result.failed[:3]}" if result.failed else ""
    return {
        "status": "failed" if result.failed else "ok",
        "reason": remark,
        "geometry": geometry,
        "scores": tuple(result.scores),
        "thresholds": result.thresholds,
        "hits_by_threshold": tuple(result.hits_by_threshold),
    }
