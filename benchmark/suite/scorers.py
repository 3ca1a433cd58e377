"""Scorers of cells without a network: by protocol, predictions, readers' boxes or validity check."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from benchmark.maps import strata
from benchmark.maps.cases import CaseStore
from benchmark.maps.obtain import NoMapsError
from benchmark.records import Cell
from benchmark.scoring import protocols
from benchmark.scoring.protocols.base import Case, Result
from benchmark.suite.classification import classification
from benchmark.validity.base import Check
from core.errors import LocusError, NotAvailableError, WriteError
from core.names import MAIN_PROTOCOL

Scored = tuple[dict[str, Any], list[dict[str, Any]]]
"""The fields of a record that scoring determines, and the rows per case."""


class Scorer(Protocol):
    """Interface of an object that scores one kind of cell."""

    def score(self, cell: Cell) -> Scored:
        """Return the fields and rows of ``cell``; status ``n/a`` or ``failed`` with the reason if it has no score."""


@dataclass(frozen=True)
class ByClassifier:
    """Scores the classifier's own predictions."""

    store: CaseStore

    def score(self, cell: Cell) -> Scored:
        """AUROC and average precision on the held-out images."""
        held_out = self.store.predictions[self.store.predictions["split"] == "test"]
        return _fields(classification(held_out, self.store.findings, self.store.exclusive), "none"), []


@dataclass(frozen=True)
class ByReaders:
    """Scores people's boxes: ``readers.evaluate`` or ``second_readers.evaluate``."""

    store: CaseStore
    evaluate: Callable[..., Result]

    def score(self, cell: Cell) -> Scored:
        """The readers' agreement; n/a if there are no boxes of readers."""
        arguments = self.store.trained, self.store.findings, cell.data_seed, cell.images
        return _judged(_tried(lambda: self.evaluate(*arguments)), "none")


@dataclass(frozen=True)
class ByCheck:
    """Scores a method by a validity check."""

    check: Check

    def score(self, cell: Cell) -> Scored:
        """The result of the check for the cell's method."""
        judged = _judged(_tried(lambda: self.check.evaluate(cell.method, cell.data_seed)), self.check.geometry)
        return {"rests_on": dict(self.check.settings), **judged[0]}, judged[1]


class CaseSource(Protocol):
    """Source of cases for cells: a model's stored maps, or an external entry."""

    @property
    def findings(self) -> tuple[str, ...]:
        """Findings in the order of the data set."""

    @property
    def groups(self) -> dict[str, dict[tuple[str, str], str]]:
        """Variable -> (image, finding) -> group of the case."""

    def cases(self, cell: Cell) -> list[Case]:
        """The cases of a cell. Raises an error with the reason if there are none."""

    def validation(self, cell: Cell) -> list[Case]:
        """The cases on which a cell's thresholds may be chosen."""


@dataclass(frozen=True)
class ByProtocol:
    """Scores a method's maps by the cell's protocol."""

    store: CaseSource
    protocol: str = ""
    """Protocol that replaces the cell's; empty: the cell's."""

    def score(self, cell: Cell) -> Scored:
        """The protocol's scores; rows per case include their strata."""
        cases = _tried(lambda: self.store.cases(cell))
        if isinstance(cases, LocusError):
            return _none(cases), []
        protocol, seed = protocols.get(self.protocol or cell.protocol)(), cell.data_seed
        validation = self.store.validation(cell) if protocol.chooses else []
        result = protocol.evaluate(cases, self.store.findings, seed, validation)
        fields = _fields(result, protocol.geometry)
        if cell.protocol == MAIN_PROTOCOL:
            fields["strata"] = strata.scores(result.rows, self.store.groups, self.store.findings, seed)
        return fields, [self._with_strata(row) for row in result.rows]

    def _with_strata(self, row: dict[str, Any]) -> dict[str, Any]:
        case = row["image"], row["finding"]
        return {**row, **{variable: groups.get(case, "") for variable, groups in self.store.groups.items()}}


T = TypeVar("T")


def _tried(ask: Callable[[], T]) -> T | LocusError:
    """The result of ``ask``, or the error that explains why a method has no score.

    ``NoMapsError`` and ``WriteError`` are raised, because they are not errors of the method.
    """
    try:
        return ask()
    except (NoMapsError, WriteError):
        raise
    except LocusError as error:
        return error


def _judged(result: Result | LocusError, geometry: str) -> Scored:
    return (_none(result), []) if isinstance(result, LocusError) else (_fields(result, geometry), result.rows)


def _none(error: LocusError) -> dict[str, Any]:
    """The fields of a record without a score."""
    return {"status": "n/a" if isinstance(error, NotAvailableError) else "failed", "reason": str(error)}


def _fields(result: Result, geometry: str) -> dict[str, Any]:
    remark = (
        f"{len(result.failed)} failed cases, counted as misses: {result.failed[:3]}" if result.failed else result.remark
    )
    return {
        "status": "failed" if result.failed else "ok",
        "reason": remark,
        "geometry": geometry,
        "scores": tuple(result.scores),
        "thresholds": result.thresholds,
        "hits_by_threshold": tuple(result.hits_by_threshold),
    }
