"""Which cells of two sides stand against each other: what neither selector names must be the same on both sides.

So two suites, or two models, are compared method by method; two methods model by model; a method with a whole suite,
against each other method on the same model. Baselines and ``truth`` take part where a selector names them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from benchmark.compare.selector import Selection
from benchmark.records import Record
from core.errors import BadValueError, examples
from core.names import UNRANKED_METHODS

Name = tuple[str, str]
"""Model and method."""


@dataclass(frozen=True)
class Pair:
    """Two cells."""

    first: Record
    second: Record

    @property
    def names(self) -> tuple[str, str]:
        """Model and method; where the two differ, both."""
        one, other = _name(self.first), _name(self.second)
        return tuple(a if a == b else f"{a} − {b}" for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


@dataclass(frozen=True)
class Pairing:
    """All pairs of two sides."""

    pairs: tuple[Pair, ...]
    unmatched: tuple[int, int]
    """How many cells of the first and of the second side have no partner."""


def pairing(first: Selection, second: Selection) -> Pairing:
    """The pairs of two sides, by model and method. Raises ``BadValueError`` where there is none."""
    one, other = _records_by_name(first), _records_by_name(second)
    free = [first.model is None and second.model is None, first.method is None and second.method is None]
    bound = [n for n, is_free in enumerate(free) if is_free]
    joined = [(a, b) for a in one for b in other if all(a[n] == b[n] for n in bound)]
    pairs = [Pair(*_alike(one[a], other[b])) for a, b in joined]
    kept = tuple(pair for pair in pairs if first.folder != second.folder or pair.first.key != pair.second.key)
    if not kept:
        raise BadValueError(_nothing(first, second, bool(pairs)))
    return Pairing(kept, (len(one) - len({a for a, _ in joined}), len(other) - len({b for _, b in joined})))


def _records_by_name(side: Selection) -> dict[Name, list[Record]]:
    """Model and method -> the records on all images and on parts, the former first."""
    by_name: dict[Name, list[Record]] = {}
    for record in sorted(side.records, key=lambda r: (_name(r), r.cell.images is not None, -(r.cell.images or 0))):
        if side.method is not None or record.cell.method not in UNRANKED_METHODS:
            by_name.setdefault(_name(record), []).append(record)
    return by_name


def _name(record: Record) -> Name:
    return record.cell.model_id, record.cell.method


def _alike(first: Sequence[Record], second: Sequence[Record]) -> tuple[Record, Record]:
    """Of two cells' records those on the same images, all of them before a part; else the largest of each."""
    same = ((a, b) for a in first for b in second if a.cell.images == b.cell.images)
    return next(same, (first[0], second[0]))


def _nothing(first: Selection, second: Selection, themselves: bool) -> str:
    """Why nothing can be compared, and what to write instead."""
    if themselves:
        return (
            f"{first.selector} and {second.selector} are the same cells: name two models, methods or suites that differ"
        )
    shown = "; ".join(f"{side.selector}: {examples(_shown(side), 4)}" for side in (first, second))
    return (
        f"{first.selector} and {second.selector} have no cell of the same model and method ({shown}): "
        "name a model or a method on both sides, as in suite/model or suite/model/method"
    )


def _shown(side: Selection) -> Iterator[str]:
    free = "model_id" if side.model is None else "method"
    yield from sorted({getattr(record.cell, free) for record in side.records})
