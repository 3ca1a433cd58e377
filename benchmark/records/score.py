"""The scores of a packed record, created when they are asked for."""

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
