"""What an answer is based on: counts, training runs, split and thresholds."""

from collections.abc import Sequence

from benchmark.records import Record


def rests(behind: Sequence[Record], trainings: Sequence[int]) -> tuple[str, ...]:
    """Return sentences on the counts of images, patients, cases and boxes, the training runs, split and thresholds.

    ``behind``: the records of every training run; ``trainings``: number of training runs of each row.
    """
    record = behind[0]
    facts = record.rests_on.items()
    counts = "; ".join(f"{word} {count}" for word, count in facts if word != "trainings" and isinstance(count, int))
    split = " ".join(word for word in (record.cell.partition, record.cell.split) if word)
    thresholds = [_CROSS_FITTED] * any(s.threshold_origin == "cross-fitted" for r in behind for s in r.scores)
    return (
        f"{counts or 'counts not stated'}.",
        f"{_trained(behind, trainings or [1])}; split: {split or 'not stated'}.",
        *thresholds,
    )


_CROSS_FITTED = "Score thresholds are cross-fitted: each patient is scored at a threshold chosen on other patients."


def _trained(behind: Sequence[Record], numbers: Sequence[int]) -> str:
    few, many = min(numbers), max(numbers)
    if many == 1:
        return "One training run of each network"
    seeds = ", ".join(map(str, sorted({r.cell.seed for r in behind if r.cell.seed is not None})))
    return f"{many if few == many else f'{few} to {many}'} training runs of each network (seeds {seeds})"
