"""Header lines above a comparison's tables: both sides, patients, seeds, intervals and tests."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.compare.pairs import Pair, Pairing
from benchmark.compare.selector import Selection, is_checkpoint
from benchmark.compare.table import ComparisonRow
from benchmark.records import Record
from benchmark.statistics.bootstrap import RESAMPLES
from benchmark.statistics.signflip import FLIPS

SEED = 0
"""Seed of the resamples and of the coins."""
INTERVALS = (
    f"intervals of this network (1 training): BCa 95 %, {RESAMPLES:,} resamples of patients (seed {SEED}), "
    "thresholds held fixed; none below 10 patients"
)
OVER_TRAININGS = (
    "intervals and p over trainings and patients (Obuchowski and Rockette, Hillis): paired on the same trainings, "
    "nested on others, of patients alone where a side has one training; thresholds held fixed; Holm over all "
    "comparisons of a metric"
)
TESTS = (
    f"p: sign-flip test by patient, {FLIPS:,} throws (seed {SEED}), two-sided; Holm over all comparisons of a metric"
)
BY_PATIENTS_ALONE = "patients alone decide between these networks, and another training may turn it"
IGNORED_FIELDS = ("img_size", "counts", "images", "images_without_file", "boxed_images", "partition")
"""Of a data set's description: how many images there are and how large, not what they show."""


def basis(first: Selection, second: Selection, pairing: Pairing, rows: Sequence[ComparisonRow]) -> str:
    """Both selectors, cells without a partner, data that differ, patients, seeds, intervals and tests.

    Text for a terminal, a line each; what does not apply is left out.
    """
    lines = [f"{word} = {_named(side)}" for word, side in (("A", first), ("B", second))]
    lines += [
        f"cells of {side} without a partner in the other: {count}"
        for side, count in zip("AB", pairing.unmatched, strict=True)
        if count
    ]
    if other := _other_data(pairing.pairs):
        lines.append(f"the data of A and B differ in: {', '.join(other)}")
    patients = _span(row.patients for row in rows)
    lines.append(f"patients {patients}; training seeds {_seeds(pairing.pairs)}; `mean` is over findings")
    several = [pair.several for pair in pairing.pairs]
    alone = sum(pair.by_patients_alone for pair in pairing.pairs)
    lines += [*([OVER_TRAININGS] if any(several) else []), *([INTERVALS, TESTS] if not all(several) else [])]
    if alone:
        where = "" if alone == len(several) else f"in {alone} of {len(several)} pairs "
        lines.append(f"{where}a side has one training: {BY_PATIENTS_ALONE}")
    return "\n".join(lines)


def _named(side: Selection) -> str:
    """The selector; of a checkpoint also the model that it stands for, with all its folds."""
    model = f"{side.folder.name}/{side.model}"
    count = max(len(record.checkpoints) for record in side.records)
    folds = f", of whose {count} trainings it is one" if count > 1 else ""
    return f"{side.selector} ({model}{folds})" if is_checkpoint(side.selector) else side.selector


def _seeds(pairs: Sequence[Pair]) -> str:
    """The seeds of both sides, or of either where they differ."""
    first, second = (sorted({record.cell.seed or 0 for pair in pairs for record in pair.sides[n]}) for n in (0, 1))
    words = [", ".join(map(str, seeds)) for seeds in (first, second)]
    return words[0] if first == second else f"{words[0]} of A, {words[1]} of B"


def _span(values: Iterable[int]) -> str:
    """One number, or the smallest and the largest."""
    distinct = sorted(set(values))
    return str(distinct[0]) if len(distinct) == 1 else f"{distinct[0]} to {distinct[-1]}"


def _other_data(pairs: Iterable[Pair]) -> list[str]:
    """Which of the data sets' own statements differ between the two of a pair, but for counts and sizes."""
    sides = [(_data(pair.first), _data(pair.second)) for pair in pairs]
    return sorted(
        {name for a, b in sides for name in {*a, *b} if name not in IGNORED_FIELDS and a.get(name) != b.get(name)}
    )


def _data(record: Record) -> dict[str, Any]:
    return {"dataset": record.cell.dataset, **record.data}
