"""Which cells of two sides stand against each other: what neither selector names must be the same on both sides.

So two suites, or two models, are compared method by method; two methods model by model; a method with a whole suite,
against each other method on the same model. Baselines and ``truth`` take part where a selector names them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.compare.selector import Selection, model_of
from benchmark.records import Record
from core.errors import BadValueError, examples
from core.names import UNRANKED_METHODS

Name = tuple[str, str]
"""Model and method."""


@dataclass(frozen=True)
class Pair:
    """Two cells, or the cells of several trainings against those of others."""

    sides: tuple[tuple[Record, ...], tuple[Record, ...]]
    """The trainings of either, by seed."""

    @property
    def first(self) -> Record:
        """The first training of A."""
        return self.sides[0][0]

    @property
    def second(self) -> Record:
        """The first training of B."""
        return self.sides[1][0]

    @property
    def of_the_same_cells(self) -> bool:
        """Whether A and B are the same records."""
        one, other = ({record.key for record in side} for side in self.sides)
        return one == other

    @property
    def several(self) -> bool:
        """Whether a side has more than one training."""
        return max(map(len, self.sides)) > 1

    @property
    def by_patients_alone(self) -> bool:
        """Whether a side has one training, so that nothing is known of another."""
        return min(map(len, self.sides)) == 1

    @property
    def names(self) -> tuple[str, str]:
        """Model and method; where the two differ, both."""
        one, other = map(model_and_method, self.sides)
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
    pairs = [Pair(_common(*_alike(one[a], other[b]))) for a, b in joined]
    kept = tuple(pair for pair in pairs if first.folder != second.folder or not pair.of_the_same_cells)
    if not kept:
        raise BadValueError(_nothing(first, second, bool(pairs)))
    return Pairing(kept, (len(one) - len({a for a, _ in joined}), len(other) - len({b for _, b in joined})))


def _records_by_name(side: Selection) -> dict[Name, list[tuple[Record, ...]]]:
    """Model and method -> the records on all images and on parts, the former first; those of all trainings together."""
    by_name: dict[Name, dict[int | None, list[Record]]] = {}
    for record in sorted(
        side.records, key=lambda r: (r.cell.images is not None, -(r.cell.images or 0), r.cell.seed or 0)
    ):
        if side.method is not None or record.cell.method not in UNRANKED_METHODS:
            parts = by_name.setdefault((model_of(record, side.model), record.cell.method), {})
            parts.setdefault(record.cell.images, []).append(record)
    return {name: [tuple(group) for group in by_name[name].values()] for name in sorted(by_name)}


def model_and_method(trainings: Sequence[Record]) -> Name:
    """Model and method of one training, or of several without their seed."""
    cell = trainings[0].cell
    return (cell.model_id if len(trainings) == 1 else trainings[0].cell.model_of_any_seed), cell.method


def _alike(first: Sequence[tuple[Record, ...]], second: Sequence[tuple[Record, ...]]) -> tuple[tuple[Record, ...], ...]:
    """Of two cells' records those on the same images, all of them before a part; else the largest of each."""
    same = ((a, b) for a in first for b in second if a[0].cell.images == b[0].cell.images)
    return next(same, (first[0], second[0]))


def _common(first: tuple[Record, ...], second: tuple[Record, ...]) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Where the two share trainings, as two methods of one network do, those alone: the two are then paired."""
    both = {*map(weights_key, first)} & {*map(weights_key, second)}
    if not both:
        return first, second
    return tuple(r for r in first if weights_key(r) in both), tuple(r for r in second if weights_key(r) in both)


def weights_key(record: Record) -> str:
    """What two records of the same weights share; without a checkpoint, of the same model.

    Trainings of two suites pair by it, whatever they are called there.
    """
    return " ".join(record.checkpoints) or record.cell.model_id


def _nothing(first: Selection, second: Selection, themselves: bool) -> str:
    """Why nothing can be compared, and what to write instead."""
    if themselves:
        return (
            f"{first.selector} and {second.selector} are the same cells: name two models, methods or suites that differ"
        )
    free = (("model_id" if side.model is None else "method", side) for side in (first, second))
    named = ((side.selector, sorted({getattr(r.cell, field) for r in side.records})) for field, side in free)
    words = "; ".join(f"{selector}: {examples(each, 4)}" for selector, each in named)
    return (
        f"{first.selector} and {second.selector} have no cell of the same model and method ({words}): "
        "name a model or a method on both sides, as in suite/model or suite/model/method"
    )
