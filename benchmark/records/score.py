"""Scores of a packed record, created on access."""

from collections.abc import Callable, Iterable, Sequence
from functools import cached_property, lru_cache
from typing import Annotated, Any, overload

from numpy.typing import NDArray
from pydantic import BaseModel, WrapSerializer, WrapValidator

from core.scores import Origin, Score

PACKED = ("threshold_origin", "finding", "metric", "value", "low", "high", "n", "reason")
FIELDS_SET = {*Score.model_fields}
_set_fields, _set_extra, _set_private = (
    BaseModel.__dict__[f"__pydantic_{name}__"].__set__ for name in ("fields_set", "extra", "private")
)


class PackedScores(Sequence[Score]):
    """Scores of a packed record, each created on access, because tables use about a quarter of them."""

    def __init__(self, columns: Sequence[NDArray[Any]], rows: slice) -> None:
        """Select ``rows`` of a suite's validated ``columns``, in the order of ``PACKED``; missing numbers are nan."""
        self._packed, self._rows = columns, rows
        self._made: list[Score | None] = [None] * (rows.stop - rows.start)

    @cached_property
    def _columns(self) -> list[list[Any]]:
        return [column[self._rows].tolist() for column in self._packed]

    @property
    def names(self) -> Iterable[tuple[str, str, str]]:
        """Metric, finding and origin of each score."""
        origins, findings, metrics, *_ = self._columns
        return zip(metrics, findings, origins, strict=True)

    def __len__(self) -> int:
        """Return the number of scores."""
        return len(self._made)

    @overload
    def __getitem__(self, index: int) -> Score: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Score, ...]: ...
    def __getitem__(self, index: int | slice) -> Score | tuple[Score, ...]:
        """Return one score, or several for a slice."""
        if isinstance(index, slice):
            return tuple(self[n] for n in range(len(self))[index])
        if (score := self._made[index]) is None:
            score = self._made[index] = _unchecked(*[column[index] for column in self._columns])
        return score

    def __eq__(self, other: object) -> bool:
        """Return True if another sequence has the same scores."""
        return isinstance(other, Sequence) and tuple(self) == tuple(other)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle only these scores, not the columns of the suite."""
        return tuple, (tuple(self),)


def rows_by_name(scores: Sequence[Score]) -> dict[tuple[str, str], list[tuple[int, str]]]:
    """Return metric and finding -> the rows of their scores, each with its origin."""
    triples = ((score.metric, score.finding, score.threshold_origin) for score in scores)
    return _rows_by_name(tuple(scores.names if isinstance(scores, PackedScores) else triples))


@lru_cache(maxsize=128)
def _rows_by_name(names: tuple[tuple[str, str, str], ...]) -> dict[tuple[str, str], list[tuple[int, str]]]:
    """Cache the rows, since all records of a protocol and suite have the same scores."""
    rows: dict[tuple[str, str], list[tuple[int, str]]] = {}
    for n, (metric, finding, origin) in enumerate(names):
        rows.setdefault((metric, finding), []).append((n, origin))
    return rows


def _unchecked(
    origin: Origin, finding: str, metric: str, value: float, low: float, high: float, n: int, reason: str
) -> Score:
    """Create a score from validated values without validating them again, which takes half the time."""
    score = object.__new__(Score)
    fields = score.__dict__
    fields["finding"], fields["metric"], fields["n"] = finding, metric, n
    fields["value"], fields["low"], fields["high"] = (None if x != x else x for x in (value, low, high))
    fields["threshold_origin"], fields["reason"] = origin, reason
    _set_fields(score, FIELDS_SET)  # pydantic stores this in addition to the fields
    _set_extra(score, None)
    _set_private(score, None)
    return score


def _validated(scores: Any, validate: Callable[[Any], tuple[Score, ...]]) -> Sequence[Score]:
    return scores if isinstance(scores, PackedScores) else validate(scores)


Scores = Annotated[
    tuple[Score, ...], WrapValidator(_validated), WrapSerializer(lambda scores, write: write(tuple(scores)))
]
"""Scores of a record."""
