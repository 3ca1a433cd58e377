"""Differences of a record and its per-case rows between stated and measured figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from benchmark.records import Record, Score
from core.errors import LocusError

Value = float | str | None
ABS_TOL = 1e-6
"""Records have six decimals; another machine may round the last one differently."""
INTERVAL_TOL = 1e-3
"""Tolerance of an interval's ends, as a share of its width.

With another order of summation, as with other threads, a resample can cross the value. Another seed moves the ends ten
times as far.
"""


ADDED_LATER = ("center_inside", "out_of_reach", "hits_by_threshold")
"""Figures added after records were published: a record without them is not wrong."""


@dataclass(frozen=True)
class Difference:
    """A figure that differs."""

    what: str
    """Name of the figure: ``mean hit@iou.3 (cross-fitted) low``."""
    stated: Value
    """Value in the record; None also if it has no such figure."""
    measured: Value

    def __str__(self) -> str:
        return f"{self.what}: recorded {self.stated}, measured {self.measured}"


VerificationResult = list[Difference] | LocusError
"""Differences between a record and its sources, or why they are unknown."""


def differences(stated: Record, measured: Record) -> list[Difference]:
    """Return the differing figures of two records of one cell, including those that only one has."""
    one, other = dict(named_values(stated)), dict(named_values(measured))
    counted = (name for name in other if not set(ADDED_LATER).intersection(name.split()))
    names, slack = dict.fromkeys([*one, *counted]), dict(_slack(stated))
    wrong = (name for name in names if not _same(one.get(name), other.get(name), slack.get(name, 0.0)))
    return [Difference(name, one.get(name), other.get(name)) for name in wrong]


def row_differences(stated: pd.DataFrame, measured: pd.DataFrame) -> list[Difference]:
    """Return columns that differ between two tables of per-case rows, with the first differing value; or lengths."""
    if len(stated) != len(measured):
        return [Difference("number of per-case rows", len(stated), len(measured))]
    out = []
    for name in dict.fromkeys([*stated, *(name for name in measured if name not in ADDED_LATER)]):
        one, other = (
            table[name].to_numpy(object) if name in table else np.full(len(measured), None)
            for table in (stated, measured)
        )
        wrong = next((n for n in range(len(measured)) if not _same(_plain(one[n]), _plain(other[n]))), None)
        if wrong is not None:
            out.append(Difference(f"per-case row {wrong + 1} {name}", _plain(one[wrong]), _plain(other[wrong])))
    return out


def _plain(value: Any) -> Value:
    """Convert a table cell to a figure; None for missing values and nan."""
    if isinstance(value, str):
        return value
    return None if value is None or np.isnan(value) else float(value)


def named_values(record: Record) -> Iterator[tuple[str, Value]]:
    """Yield name -> figure: status, geometry, sample counts, each score with its interval and n, and the thresholds."""
    yield "status", record.status
    yield "geometry", record.geometry
    yield from _flat("rests on", record.rests_on)
    for name, score in _scores(record):
        for field in ("value", "low", "high", "n"):
            yield f"{name} {field}", getattr(score, field)
    yield from _flat("threshold", record.thresholds)
    yield from _flat("hits_by_threshold", record.hits_by_threshold)


def _slack(record: Record) -> Iterator[tuple[str, float]]:
    """Yield the name of each interval end -> its tolerance."""
    for name, score in _scores(record):
        if score.low is not None and score.high is not None:
            # an interval of zero width at 0 or 1 was recorded before the exact binomial bound
            degenerate = score.low == score.high == score.value and score.value in (0, 1)
            slack = 1.0 if degenerate else INTERVAL_TOL * (score.high - score.low)
            yield from ((f"{name} {end}", slack) for end in ("low", "high"))


def _scores(record: Record) -> Iterator[tuple[str, Score]]:
    """Yield name -> score, including the strata."""
    strata = ((f"{stratum.variable} {stratum.group}: ", stratum.scores) for stratum in record.strata)
    for where, scores in (("", record.scores), *strata):
        for score in scores:
            origin = "" if score.threshold_origin == "none" else f" ({score.threshold_origin})"
            yield f"{where}{score.finding} {score.metric}{origin}", score


def _flat(name: str, value: Any) -> Iterator[tuple[str, Value]]:
    """Yield the figures in nested mappings and lists, each named by its path."""
    if isinstance(value, dict | list | tuple):
        items = value.items() if isinstance(value, dict) else enumerate(value, 1)
        for word, inner in items:
            yield from _flat(f"{name} {word}", inner)
    else:
        yield name, value


def _same(one: Value, other: Value, slack: float = 0.0) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return abs(one - other) <= 1.5 * ABS_TOL * max(1.0, abs(one)) + slack
    return one == other
