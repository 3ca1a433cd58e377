"""One number of a record, and the numbers of a packed record, made when they are asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Any, Literal, Self, overload

from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, WrapSerializer, WrapValidator, field_validator

from core.errors import BadValueError, is_shown

Origin = Literal["none", "fixed", "otsu", "validation", "cross-fitted", "oracle"]

CURVE_THRESHOLDS = tuple(n / 20 for n in range(20))
"""Score thresholds of a record's ``hits_by_threshold``: 0, .05 … .95."""


class FrozenModel(BaseModel):
    """What nobody changes, in whole or in part."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other fields; what was computed from them is computed again."""
        copied = super().model_copy(update=update, deep=deep)
        for name in copied.__dict__.keys() - type(self).model_fields:
            del copied.__dict__[name]
        return copied


def _printable(word: str) -> str:
    if not is_shown(word):
        raise BadValueError(f"the name {word!r} has control or invisible characters: give another")
    return word


Name = Annotated[str, AfterValidator(_printable)]
"""A word that tables and messages show. Raises ``BadValueError`` for one that a terminal would not show as it is."""


class Score(FrozenModel):
    """One number: a metric of a finding, with how many it rests on."""

    finding: str
    """A finding, or ``mean``: the unweighted mean over the findings that have a value."""
    metric: str
    """The word of the table's column: ``hit@iou.3``, ``auroc`` …"""
    value: float | None = None
    """None where it is undefined (0/0), which is never 0."""
    low: float | None = None
    """Lower end of the 95 % interval; None for fewer than 10 patients and for what has no interval at all (see
    ``statistics.optimism``)."""
    high: float | None = None
    """Upper end of the 95 % interval."""
    n: int = 0
    """What the value is a share or mean of: cases, truth boxes or images, as the protocol says."""
    threshold_origin: Origin = "none"
    """Where the score threshold comes from; ``none`` for a metric without one."""
    reason: str = ""
    """Why there is no value."""

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """A copy with other fields, validated and so rounded as every score is."""
        return type(self).model_validate({**super().model_copy(deep=deep).__dict__, **(update or {})})

    @field_validator("value", "low", "high")
    @classmethod
    def _rounded(cls, value: float | None) -> float | None:
        """Six decimals, more than any share needs: what is written is what is read, without rounding noise or -0."""
        return None if value is None else round(value, 6) + 0.0


PACKED = ("threshold_origin", "finding", "metric", "value", "low", "high", "n", "reason")
FIELDS_SET = {*Score.model_fields}
_set_fields, _set_extra, _set_private = (
    BaseModel.__dict__[f"__pydantic_{name}__"].__set__ for name in ("fields_set", "extra", "private")
)


class PackedScores(Sequence[Score]):
    """Scores of a packed record: a score is made when it is asked for, for tables show a quarter of them."""

    def __init__(self, columns: Sequence[NDArray[Any]], rows: slice) -> None:
        """Some ``rows`` of a suite's ``columns``, in the order of ``PACKED``; they were validated before.

        Words are objects, numbers have nan for None.
        """
        self._packed, self._rows = columns, rows
        self._made: list[Score | None] = [None] * (rows.stop - rows.start)

    @cached_property
    def _columns(self) -> list[list[Any]]:
        return [column[self._rows].tolist() for column in self._packed]

    @property
    def names(self) -> Iterable[tuple[str, str, str]]:
        """Metric, finding and origin of each."""
        origins, findings, metrics, *_ = self._columns
        return zip(metrics, findings, origins, strict=True)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._made)

    @overload
    def __getitem__(self, index: int) -> Score: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Score, ...]: ...
    def __getitem__(self, index: int | slice) -> Score | tuple[Score, ...]:
        """One, or several."""
        if isinstance(index, slice):
            return tuple(self[n] for n in range(len(self))[index])
        if (score := self._made[index]) is None:
            score = self._made[index] = _unchecked(*[column[index] for column in self._columns])
        return score

    def __eq__(self, other: object) -> bool:
        """Whether another sequence has the same scores."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __reduce__(self) -> tuple[Any, ...]:
        """A copy elsewhere has these scores alone, not the columns of the suite."""
        return tuple, (tuple(self),)


def rows_by_name(scores: Sequence[Score]) -> dict[tuple[str, str], list[tuple[int, str]]]:
    """Metric and finding -> the rows of their scores, each with its origin."""
    each = ((score.metric, score.finding, score.threshold_origin) for score in scores)
    return _rows_by_name(tuple(scores.names if isinstance(scores, PackedScores) else each))


@lru_cache(maxsize=128)
def _rows_by_name(names: tuple[tuple[str, str, str], ...]) -> dict[tuple[str, str], list[tuple[int, str]]]:
    """Asked for once per protocol and suite: its records name the same scores."""
    rows: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for n, (metric, finding, origin) in enumerate(names):
        rows.setdefault((metric, finding), []).append((n, origin))
    return rows


def _unchecked(
    origin: Origin, finding: str, metric: str, value: float, low: float, high: float, n: int, reason: str
) -> Score:
    """A score of values that were validated before: twenty times as fast, and there are many."""
    score = object.__new__(Score)
    fields = score.__dict__
    fields["finding"], fields["metric"], fields["n"] = finding, metric, n
    fields["value"], fields["low"], fields["high"] = (None if x != x else x for x in (value, low, high))
    fields["threshold_origin"], fields["reason"] = origin, reason
    _set_fields(score, FIELDS_SET)  # what pydantic keeps beside the fields of an object
    _set_extra(score, None)
    _set_private(score, None)
    return score


def _validated(scores: Any, validate: Callable[[Any], tuple[Score, ...]]) -> Sequence[Score]:
    return scores if isinstance(scores, PackedScores) else validate(scores)


Scores = Annotated[
    tuple[Score, ...], WrapValidator(_validated), WrapSerializer(lambda scores, write: write(tuple(scores)))
]
"""Those of a record."""
