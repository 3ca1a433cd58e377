"""Value of a metric with its confidence interval, sample count and the source of its threshold.

``Score`` is one of them, ``ScoreColumns`` the scores of a file in columns. ``Estimate`` is any number with an interval,
``Difference`` one between two rows.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, NamedTuple, Self, overload

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict

from locus.core.errors import require_name

ThresholdSource = Literal["none", "fixed", "otsu", "validation", "cross-fitted", "fitted", "oracle"]
"""Where a score threshold was chosen."""
CURVE_THRESHOLDS = tuple(n / 20 for n in range(20))
"""Score thresholds of a record's ``hits_by_threshold``: 0, .05 … .95."""
SHARES = re.compile(
    r"(any|)hit@.+|(loc-|)acc@.+|io(u|bb)(_.+|)|mean_io(u|bb)|Io(U|BB)( .+|)|pointing|center_inside|out_of_reach|energy"
    r"|agreement|auroc(@boxed|)|ap(@.+|)|dice(@.+|)|recall"
)
"""Metrics, and columns of rows per case, whose values are in [0, 1]."""
COUNTS = re.compile("n|boxes|truths|anyhits|boxes_per_case")
"""Metrics, and columns of rows per case, whose values are 0 or more."""
Name = Annotated[str, AfterValidator(require_name)]
"""Text shown in tables and messages. Raises ``BadValueError`` for control or invisible characters."""
Mark = Literal["above", "level", "below", ""]
"""Whether a difference is significantly above 0, neither, significantly below 0, or has no interval."""
VALUE_AND_ENDS = slice(2, 5)
"""The fields of a score that may be missing numbers."""


class FrozenModel(BaseModel):
    """Immutable pydantic model."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=()
    )

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with updated fields; cached properties are computed again."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields:
            del copied.__dict__[name]
        return copied


class Estimate(NamedTuple):
    """A number with its 95% interval, and the number of cases behind it."""

    value: float | None
    """None if it is unknown; ``reason`` may say why."""
    low: float | None = None
    high: float | None = None
    n: int = 0
    reason: str = ""

    @property
    def mark(self) -> Mark:
        """Where a difference lies: above, level with or below 0.

        >>> Estimate(0.2, 0.1, 0.3).mark, Estimate(0.2, -0.1, 0.5).mark, Estimate(0.2).mark
        ('above', 'level', '')
        """
        if self.low is None or self.high is None:
            return ""
        if self.low > 0:
            return "above"
        return "below" if self.high < 0 else "level"


class Difference(NamedTuple):
    """How much better a row is than another one on the same cases."""

    other: str
    """Name of the row that it is compared with, or of the better row."""
    estimate: Estimate
    p: float | None = None
    """Two-sided p-value, after Holm's correction."""
    single_p: float | None = None
    """Two-sided p-value of this difference alone, without a correction; None if it is unknown."""


class _Fields(NamedTuple):
    finding: str
    """A finding, or ``mean`` for the unweighted mean over the findings that have a value."""
    metric: str
    """Column name in the tables: ``hit@iou.3``, ``auroc`` …"""
    value: float | None = None
    """None if the metric is undefined (0/0)."""
    low: float | None = None
    """Lower end of the 95% confidence interval; None for fewer than 10 patients and for metrics without an interval,
    such as ``optimism``."""
    high: float | None = None
    """Upper end of the 95% confidence interval."""
    n: int = 0
    """Number of cases, truth boxes or images, depending on the protocol."""
    threshold_source: ThresholdSource = "none"
    """Where the score threshold was chosen; ``none`` for a metric without a threshold."""
    reason: str = ""
    """Why the value is missing."""


class Score(_Fields):
    """Value of one metric for a finding, with its sample count; ``Score._make`` takes fields that are rounded."""

    __slots__ = ()

    def __new__(  # noqa: D102
        cls,
        finding: str,
        metric: str,
        value: float | None = None,
        low: float | None = None,
        high: float | None = None,
        n: int = 0,
        threshold_source: ThresholdSource = "none",
        reason: str = "",
    ) -> Self:
        value, low, high = map(_rounded, (value, low, high))
        return super().__new__(cls, finding, metric, value, low, high, n, threshold_source, reason)

    @property
    def estimate(self) -> Estimate:
        """Its value, interval, n and reason."""
        return Estimate(self.value, self.low, self.high, self.n, self.reason)

    def with_interval(self, low: float, high: float) -> "Score":
        """Return a copy with another interval."""
        return Score(**{**self._asdict(), "low": low, "high": high})


def _rounded(value: float | None) -> float | None:
    """Round to six decimals and remove -0, so that values survive writing and reading unchanged."""
    if value is None:
        return None
    if not math.isfinite(value):
        raise ValueError(f"a score is {value}: use None for a missing value")
    return round(float(value), 6) + 0.0


def require_range(name: str, values: NDArray[Any]) -> None:
    """Raise ``ValueError`` for ``values`` of any shape that are out of the range of the metric or column ``name``.

    Shares are in [0, 1], counts are 0 or more; nan is missing. Other names have no range.

    >>> require_range("hit@iou.3", np.array([0.5, np.nan, 1.5]))
    Traceback (most recent call last):
        ...
    ValueError: hit@iou.3 is 1.5: allowed are 0 to 1
    """
    is_share = SHARES.fullmatch(name) is not None
    if not is_share and COUNTS.fullmatch(name) is None:
        return
    highest = 1 if is_share else math.inf
    wrong = values[(values < 0) | (values > highest)]
    if wrong.size:
        allowed = "0 to 1" if is_share else "0 or more"
        raise ValueError(f"{name} is {wrong.flat[0]:g}: allowed are {allowed}")


class ScoreColumns(Sequence[Score]):
    """Scores in columns, as a file has them. Each is made whenever it is read, because most are never read.

    It equals a tuple of the same scores, and becomes one when it is copied or pickled. Make a tuple to read all scores
    several times.
    """

    def __init__(
        self, columns: Sequence[NDArray[Any]], names: NDArray[np.object_], rows: slice
    ) -> None:
        """Select ``rows`` of the ``columns``, one per field of ``Score``, with nan for a missing number.

        ``names``: metric, finding and threshold source of each row.
        """
        self._columns = columns
        self._names = names
        self._rows = rows

    def __len__(self) -> int:
        """Return the number of scores."""
        return self._rows.stop - self._rows.start

    def __iter__(self) -> Iterator[Score]:
        """Yield all scores."""
        columns: list[Any] = [column[self._rows].tolist() for column in self._columns]
        columns[VALUE_AND_ENDS] = (map(_or_none, column) for column in columns[VALUE_AND_ENDS])
        return map(Score._make, zip(*columns, strict=True))

    @overload
    def __getitem__(self, index: int) -> Score: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Score, ...]: ...
    def __getitem__(self, index: int | slice) -> Score | tuple[Score, ...]:
        """Return one score, or a tuple of them."""
        if isinstance(index, slice):
            return tuple(self)[index]
        row = range(self._rows.start, self._rows.stop)[index]
        fields = [column.item(row) for column in self._columns]
        fields[VALUE_AND_ENDS] = map(_or_none, fields[VALUE_AND_ENDS])
        return Score._make(fields)

    def __eq__(self, other: object) -> bool:
        """Compare with other scores, also in a tuple."""
        return (
            tuple(self) == tuple(other)
            if isinstance(other, tuple | ScoreColumns)
            else NotImplemented
        )

    def __hash__(self) -> int:
        """Return the hash of the tuple."""
        return hash(tuple(self))

    def __reduce__(self) -> tuple[Any, ...]:
        """Copy and pickle the scores alone, not the columns of the whole file."""
        return tuple, (tuple(self),)

    def __repr__(self) -> str:
        """Return the scores as a tuple shows them."""
        return repr(tuple(self))

    @property
    def names(self) -> tuple[tuple[str, str, str], ...]:
        """Metric, finding and threshold source of each score."""
        return tuple(self._names[self._rows].tolist())


def _or_none(value: float) -> float | None:
    return None if value != value else value
