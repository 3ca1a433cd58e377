"""Differences between the recorded and the recomputed values of a record and its per-case rows."""

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

A different order of summation, as with other threads, can move a resample across the value. A different seed moves the
ends ten times as far.
"""


ADDED_LATER = ("center_inside", "out_of_reach", "hits_by_threshold")
"""Values added after records were published: a record without them is not wrong."""


@dataclass(frozen=True)
class Difference:
    """A value that differs."""

    what: str
    """Name of the value: ``mean hit@iou.3 (cross-fitted) low``."""
    recorded: Value
    """Value in the record; None if the record lacks it."""
    measured: Value

    def __str__(self) -> str:
        return f"{self.what}: recorded {self.recorded}, recomputed {self.measured}"


VerificationResult = list[Difference] | LocusError
"""Differences between a record and its sources, or the reason why it cannot be verified."""


def differences(recorded: Record, measured: Record) -> list[Difference]:
    """Return the different values of two records of one cell, including values that only one has."""
    one, other = dict(named_values(recorded)), dict(named_values(measured))
    counted = (name for name in other if not set(ADDED_LATER).intersection(name.split()))
    names, slack = dict.fromkeys([*one, *counted]), dict(_slack(recorded))
    wrong = (name for name in names if not _same(one.get(name), other.get(name), slack.get(name, 0.0)))
    return [Difference(name, one.get(name), other.get(name)) for name in wrong]


def row_differences(recorded: pd.DataFrame, measured: pd.DataFrame) -> list[Difference]:
    """Return the first different value of each column of two tables of per-case rows, or their different lengths."""
    if len(recorded) != len(measured):
        return [Difference("number of per-case rows", len(recorded), len(measured))]
    out = []
    for name in dict.fromkeys([*recorded, *(name for name in measured if name not in ADDED_LATER)]):
        columns = (table[name] if name in table else [None] * len(table) for table in (recorded, measured))
        pairs = [*zip(*(map(_plain, column) for column in columns), strict=True)]
        wrong = next((n for n, pair in enumerate(pairs) if not _same(*pair)), None)
        if wrong is not None:
            out.append(Difference(f"per-case row {wrong + 1} {name}", *pairs[wrong]))
    return out


def _plain(value: Any) -> Value:
    """Convert a table cell to a float or string; None for missing values and nan."""
    if isinstance(value, str):
        return value
    return None if value is None or np.isnan(value) else float(value)


def named_values(record: Record) -> Iterator[tuple[str, Value]]:
    """Yield the names and values of a record: status, geometry, counts, scores with interval and n, thresholds."""
    yield "status", record.status
    yield "geometry", record.geometry
    yield from _flat("count of", record.rests_on)
    for name, score in _scores(record):
        for field in ("value", "low", "high", "n"):
            yield f"{name} {field}", getattr(score, field)
    yield from _flat("threshold", record.thresholds)
    yield from _flat("hits_by_threshold", record.hits_by_threshold)


def _slack(record: Record) -> Iterator[tuple[str, float]]:
    """Yield the name and the tolerance of each interval end."""
    for name, score in _scores(record):
        if score.low is not None and score.high is not None:
            # an interval of zero width at 0 or 1 was recorded before the exact binomial bound
            degenerate = score.low == score.high == score.value and score.value in (0, 1)
            slack = 1.0 if degenerate else INTERVAL_TOL * (score.high - score.low)
            yield from ((f"{name} {end}", slack) for end in ("low", "high"))


def _scores(record: Record) -> Iterator[tuple[str, Score]]:
    """Yield the name and value of each score, including the strata."""
    strata = ((f"{stratum.variable} {stratum.group}: ", stratum.scores) for stratum in record.strata)
    for where, scores in (("", record.scores), *strata):
        for score in scores:
            origin = "" if score.threshold_origin == "none" else f" ({score.threshold_origin})"
            yield f"{where}{score.finding} {score.metric}{origin}", score


def _flat(name: str, value: Any) -> Iterator[tuple[str, Value]]:
    """Yield the values in nested mappings and lists, named by their path."""
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
