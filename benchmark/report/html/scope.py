"""Names of rows and networks in sentences, the data behind an answer, and the limitations that follow from it."""

from collections.abc import Sequence

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.entries.entry import is_single
from benchmark.report.sentences import COUNTED
from core.names import MAIN

DRAWN = {
    "drawn by code": "The images and annotations are drawn by code. The order of methods may differ on radiographs.",
    "drawn into radiographs": "The findings are synthetic. The order of methods may differ for real findings.",
}
NETWORK = "A map may hit the box and still not show what the network used (suites `randomised` and `faithfulness`)."
OTHERS = "The results may not hold for other hospitals, findings or annotations. They are not for clinical use."
SPLITS = {
    "kfold": "each patient is tested in one fold",
    "official": "official test split",
    "patient": "test split by patient",
}
CROSS_FITTED = "Score thresholds are cross-fitted: each patient is scored at a threshold chosen on other patients."


def name(row: Record) -> str:
    """Return the name of a row: its method and network.

    >>> from benchmark.records import Cell
    >>> name(Record(cell=Cell(dataset="NIH", backbone="resnet18", global_pool="AVG", method="cam")))
    '`cam` (resnet18, AVG)'
    """
    cell = row.cell
    words = (cell.backbone, cell.global_pool, cell.attention_map)
    return f"`{row.method}` ({', '.join(word for word in words if word not in ('', 'none')) or 'network unknown'})"


def network_name(record: Record) -> str:
    """Return the name of a network, such as ``custom PCAM``, or ``network unknown``."""
    return str(record.data.get("name") or select.network(record) or "network unknown")


def basis_sentences(behind: Sequence[Record], trainings: Sequence[int]) -> tuple[str, ...]:
    """Return sentences on the counts of images, patients, cases and boxes, the training runs, split and thresholds.

    ``behind``: the records of every training run; ``trainings``: number of training runs of each row.
    """
    record = behind[0]
    facts = {COUNTED.get(word, word): count for word, count in record.rests_on.items() if word != "trainings"}
    counts = ", ".join(f"{count:,} {word}" for word, count in facts.items() if isinstance(count, int))
    split = SPLITS.get(record.cell.partition or "", record.cell.split)
    thresholds = [CROSS_FITTED] * any(s.threshold_origin == "cross-fitted" for r in behind for s in r.scores)
    return (
        f"{counts or 'counts not stated'}.",
        f"{_trained(behind, trainings or [1])}. Split: {split or 'not stated'}.",
        *thresholds,
    )


def is_external(records: Sequence[Record]) -> bool:
    """Whether the records include maps or boxes that were supplied, so that their networks are unknown."""
    return any(record.source == "external" for record in records)


def _trained(behind: Sequence[Record], numbers: Sequence[int]) -> str:
    if is_external(behind):
        return "Training runs: not stated"
    few, many = min(numbers), max(numbers)
    if many == 1:
        return "Each network was trained once"
    seeds = ", ".join(map(str, sorted({r.cell.seed for r in behind if r.cell.seed is not None})))
    return f"Each network was trained {many if few == many else f'{few} to {many}'} times (seeds {seeds})"


def limits(entered: Sequence[Record], behind: Sequence[Record]) -> tuple[str, ...]:
    """Return sentences on what the order of the ``entered`` rows does not show.

    They concern synthetic images, a single training run, the ranking by pointing, and other networks. ``behind``: the
    records of every training run.
    """
    seeds = ["Another training run of these networks may give another order."] if is_single(entered[0]) else []
    return (*of_data(behind), *seeds, *_by_pointing(entered), NETWORK, OTHERS)


def of_data(records: Sequence[Record]) -> list[str]:
    """Return a sentence for each kind of synthetic image, by the ``source`` that the data set states."""
    sources = dict.fromkeys(str(record.data.get("source")) for record in records)
    return [DRAWN[source] for source in sources if source in DRAWN]


def _by_pointing(entered: Sequence[Record]) -> list[str]:
    """Say whether pointing ranks another method of the first row's network first."""
    entered = [row for row in entered if select.recipe_key(row) == select.recipe_key(entered[0])]
    values = {row.key: s.value for row in entered if (s := row.find("pointing")) is not None and s.value is not None}
    if not values:
        return []
    best = max((row for row in entered if row.key in values), key=lambda row: values[row.key])
    if best is entered[0]:
        return [f"Rows are ordered by `{MAIN}`. Other overlap thresholds may give another order."]
    return [
        f"Rows are ordered by `{MAIN}`. Other metrics may give another order: by `pointing`, {name(best)} scores "
        f"highest, with {values[best.key]:.3f}."
    ]
