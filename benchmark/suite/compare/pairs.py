"""Match the cells of two sides: a model or method that neither selector names must be equal on both sides.

So two suites or models are compared method by method, and two methods model by model. A method and a suite are compared
on each model, with each other method. Baselines and ``truth`` are included if a selector names them.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.records import Record
from benchmark.report import select
from benchmark.suite.compare.selector import Selection, model_of
from core.errors import BadValueError, examples
from core.names import MAIN_PROTOCOL, UNRANKED_METHODS

Name = tuple[str, str]
"""Model and method."""


@dataclass(frozen=True)
class Pair:
    """Two cells, or the cells of several training runs on each side."""

    sides: tuple[tuple[Record, ...], tuple[Record, ...]]
    """The training runs of each side, by seed."""

    @property
    def several(self) -> bool:
        """Whether a side has more than one training run."""
        return max(map(len, self.sides)) > 1

    @property
    def over_patients_only(self) -> bool:
        """Whether a side has one training run, so that intervals cover only patients."""
        return min(map(len, self.sides)) == 1

    @property
    def names(self) -> tuple[str, str]:
        """Model and method; both names if they differ."""
        one, other = map(model_and_method, self.sides)
        return tuple(a if a == b else f"{a} − {b}" for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def largest_difference(one: Sequence[Record], other: Sequence[Record]) -> tuple[int, int, float]:
    """Return the numbers of equal and of common scores, and the largest difference, of the main score of equal cells.

    Only cells with a score on both sides count; the difference is 0 if there are none.
    """
    first, second = map(_main_scores, (one, other))
    gaps = [abs(first[key] - second[key]) for key in first if key in second]
    return gaps.count(0), len(gaps), max(gaps, default=0.0)


def _main_scores(records: Sequence[Record]) -> dict[str, float]:
    """Return key of the cell -> its main score."""
    scores = ((r.key, select.main_value(r)) for r in records if r.cell.protocol == MAIN_PROTOCOL)
    return {key: value for key, value in scores if value is not None}


def pairs_of(first: Selection, second: Selection) -> tuple[list[Pair], tuple[int, int]]:
    """Return the pairs of two sides, by model and method, and the number of cells without a partner on each side.

    Raises ``BadValueError`` if there are no pairs.
    """
    one, other = _records_by_name(first), _records_by_name(second)
    unnamed = [first.model is None and second.model is None, first.method is None and second.method is None]
    must_match = [n for n, is_unnamed in enumerate(unnamed) if is_unnamed]
    joined = [(a, b) for a in one for b in other if all(a[n] == b[n] for n in must_match)]
    pairs = [Pair(_common(*_on_same_images(one[a], other[b]))) for a, b in joined]
    distinct = [pair for pair in pairs if first.folder != second.folder or pair.sides[0] != pair.sides[1]]
    if not distinct:
        raise BadValueError(_nothing_to_compare(first, second, bool(pairs)))
    return distinct, (len(one) - len({a for a, _ in joined}), len(other) - len({b for _, b in joined}))


def _records_by_name(side: Selection) -> dict[Name, list[tuple[Record, ...]]]:
    """Return model and method -> the records of all training runs, on all images first, then on parts."""
    by_name: dict[Name, dict[int | None, list[Record]]] = {}
    for record in sorted(
        side.records, key=lambda r: (r.cell.images is not None, -(r.cell.images or 0), r.cell.seed or 0)
    ):
        if side.method is not None or record.cell.method not in UNRANKED_METHODS:
            parts = by_name.setdefault((model_of(record, side.model), record.cell.method), {})
            parts.setdefault(record.cell.images, []).append(record)
    return {name: [tuple(group) for group in by_name[name].values()] for name in sorted(by_name)}


def model_and_method(trainings: Sequence[Record]) -> Name:
    """Return model and method of one training run, or of several without their seed."""
    cell = trainings[0].cell
    return (cell.model_id if len(trainings) == 1 else trainings[0].cell.model_of_any_seed), cell.method


def _on_same_images(
    first: Sequence[tuple[Record, ...]], second: Sequence[tuple[Record, ...]]
) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Select the records of two cells on the same images, all images if possible; else the largest part of each."""
    same = ((a, b) for a in first for b in second if a[0].cell.images == b[0].cell.images)
    return next(same, (first[0], second[0]))


def _common(first: tuple[Record, ...], second: tuple[Record, ...]) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """Select the training runs that both sides have, as two methods of one network do; all runs if there are none."""
    both = {*map(weights_key, first)} & {*map(weights_key, second)}
    if not both:
        return first, second
    return tuple(r for r in first if weights_key(r) in both), tuple(r for r in second if weights_key(r) in both)


def weights_key(record: Record) -> str:
    """Return a key of the weights of a record, or of the model if it has no checkpoint.

    It matches training runs of two suites whatever their names.
    """
    return " ".join(record.checkpoints) or record.cell.model_id


def _nothing_to_compare(first: Selection, second: Selection, themselves: bool) -> str:
    """Explain why nothing can be compared, and what to use instead."""
    if themselves:
        return f"{first.selector} and {second.selector} select the same cells: use different suites, models or methods"
    unnamed = (("model_id" if side.model is None else "method", side) for side in (first, second))
    named = ((side.selector, sorted({getattr(r.cell, field) for r in side.records})) for field, side in unnamed)
    words = "; ".join(f"{selector}: {examples(words_of_side, 4)}" for selector, words_of_side in named)
    return (
        f"{first.selector} and {second.selector} have no cells with the same model and method ({words}): "
        "name a model or a method on both sides, as in suite/model or suite/model/method"
    )
