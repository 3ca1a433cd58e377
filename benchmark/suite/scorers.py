"""How each kind of cell is scored: by protocol, predictions, readers' boxes or validity check; none needs a network.

Where a method has no figure, the status is ``n/a`` or ``failed``, with the reason. Of the classifier, ``auroc`` and
``ap`` are over all held-out images, ``auroc@boxed`` and ``ap@boxed`` over those with any truth box, the images of the
localization cases. The two can differ much when boxed images come from another source.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

import pandas as pd
import torch
from torch import Tensor

from benchmark import protocols
from benchmark.maps.cases import CaseStore
from benchmark.maps.obtain import NoMapsError
from benchmark.protocols.base import Case, Result
from benchmark.records import Cell, Score
from benchmark.statistics import strata
from benchmark.suite import readers
from benchmark.training import metrics
from benchmark.validity.base import Check
from core.errors import LocusError, NotAvailableError, WriteError
from core.names import MAIN_PROTOCOL

METRICS = ("auroc", "ap")
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


def classification(table: pd.DataFrame, findings: Sequence[str], exclusive: bool = False) -> Result:
    """Scores per finding and their mean, from held-out predictions.

    ``table`` has a row per image: ``label_F`` (0, 1 or nan) and ``logit_F`` per finding F, and ``boxed`` (0 or 1). A
    finding of one class only has no figure and is not in the mean. ``exclusive``: an image has one finding (softmax).

    >>> table = pd.DataFrame({"label_mass": [0, 1, 1], "logit_mass": [-1.0, 2.0, -2.0], "boxed": [0, 1, 1]})
    >>> [(score.metric, score.finding, score.value) for score in classification(table, ["mass"]).scores][:2]
    [('auroc', 'mass', 0.5), ('auroc', 'mean', 0.5)]
    """
    populations = {"": table, "@boxed": table[table["boxed"] == 1]}
    scores = []
    for suffix, rows in populations.items():
        logits, labels = (_columns(rows, kind, findings) for kind in ("logit", "label"))
        measured = metrics.scores(logits, labels, tuple(findings), exclusive)
        scores += [score for metric in METRICS for score in _scores(metric, metric + suffix, measured)]
    return Result(scores=scores, rows=[])


def _columns(rows: pd.DataFrame, kind: str, findings: Sequence[str]) -> Tensor:
    return torch.from_numpy(rows[[f"{kind}_{finding}" for finding in findings]].to_numpy(dtype="float64").copy())


def _scores(metric: str, word: str, measured: metrics.Scores) -> list[Score]:
    per_finding = [_score(word, finding, row[metric], row) for finding, row in measured["findings"].items()]
    left_out = [score.finding for score in per_finding if score.value is None]
    reason = f"without {', '.join(left_out)}: one class only" if left_out else ""
    value = _defined(measured[f"mean_{metric}"])
    return [*per_finding, Score(finding="mean", metric=word, value=value, n=measured["n"], reason=reason)]


def _score(word: str, finding: str, value: float, row: dict[str, Any]) -> Score:
    reason = f"{row['positives']} of {row['n']} images are positive: one class only" if math.isnan(value) else ""
    return Score(finding=finding, metric=word, value=_defined(value), n=row["n"], reason=reason)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
