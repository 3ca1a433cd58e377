"""Select the records of a table, group them by network and row, and describe them in sentences.

A network (backbone, pooling, attention) with its size, data set and training seed is a model; each of its training runs
is for one fold. Boxed images have a truth box. Sentences are about the data, training and software of a table
(``basis_lines``), names of networks, lists and counts.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from locus.benchmark.records.record import NOT_RECORDED, Record, describe
from locus.benchmark.report.row import Row, network_words
from locus.core import names
from locus.core.errors import examples
from locus.core.names import MAIN, MAIN_PROTOCOL, UNRANKED_METHODS, UPPER_BOUND_AND_PEOPLE
from locus.core.scores import Score

Item = TypeVar("Item")
Key = TypeVar("Key")


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """Return key -> the items that have it, all in their order.

    >>> grouped([3, 1, 4], lambda n: n % 2)
    {1: [3, 1], 0: [4]}
    """
    groups: dict[Key, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return groups


def row_key(record: Record) -> tuple[object, ...]:
    """Return model and method, which the records of a table row share if they have one seed."""
    return record.cell.model_key, record.cell.method


def datasets(records: Iterable[Record]) -> list[str]:
    """Return the data sets of the records, sorted."""
    return sorted({record.cell.dataset for record in records})


def scored(records: Iterable[Record], protocol: str) -> list[Record]:
    """Return the records of a protocol that were run and have scores, in a fixed order."""
    return sorted(
        (r for r in records if r.scores and r.source != "paper" and r.cell.protocol == protocol),
        key=lambda record: record.cell.sort_key,
    )


def of_protocol(records: Iterable[Record], dataset: str, protocol: str) -> list[Record]:
    """Return the scored records of a protocol or validity check on one data set, in a fixed order."""
    return [r for r in scored(records, protocol) if r.cell.dataset == dataset]


def one_alignment(records: Sequence[Record]) -> list[Record]:
    """Return one record per model and method: the conventional alignment only if there is no other.

    Submitted maps may have the conventional alignment only.
    """
    others = {row_key(r) for r in records if r.cell.alignment != "conventional"}
    return [r for r in records if r.cell.alignment != "conventional" or row_key(r) not in others]


def main_records(records: Iterable[Record], dataset: str) -> list[Record]:
    """Return the records of the main table (``single_box``), one per model and method, without papers' numbers."""
    return one_alignment(of_protocol(records, dataset, MAIN_PROTOCOL))


def is_method(record: Record) -> bool:
    """Whether a record is ranked: not from a paper, not a baseline and not an upper bound.

    >>> from locus.benchmark.records import Cell
    >>> [is_method(Record(cell=Cell(dataset="phantom", method=word))) for word in ("cam", "prior", "truth")]
    [True, False, False]
    """
    return record.source != "paper" and record.cell.method not in UNRANKED_METHODS


def main_methods(records: Iterable[Record]) -> list[Record]:
    """Return the records of methods, without baselines, that the main protocol scored."""
    return [record for record in records if record.cell.protocol == MAIN_PROTOCOL and is_method(record)]


def main_score(record: Record, finding: str = "mean") -> Score | None:
    """Return hits at IoU .3 at the cross-fitted threshold, of one finding or the unweighted mean; None if not scored.

    A hit is a case (image x finding) whose scored box has IoU above .3 with a truth box.
    """
    return record.find(MAIN, finding, "cross-fitted")


def main_value(record: Record, finding: str = "mean") -> float | None:
    """Return the value of ``main_score``, or None."""
    score = main_score(record, finding)
    return None if score is None else score.value


def ranked(records: Iterable[Record]) -> list[Record]:
    """Return records by the main column, best first: equal values by network and method, upper bounds last."""

    def place(record: Record) -> tuple[bool, float, str, str]:
        score, method = main_value(record), record.cell.method
        return method in UPPER_BOUND_AND_PEOPLE, 1.0 if score is None else -score, network_words(record.cell), method

    return sorted(records, key=place)


def trainings(records: Iterable[Record]) -> list[list[Record]]:
    """Group records by method and network, sorted by seed. Cells of a group differ only by their training seed.

    >>> from locus.benchmark.records import Cell
    >>> rows = [Record(cell=Cell(dataset="phantom", method="cam", seed=seed, recipe={"seed": seed})) for seed in (1, 0)]
    >>> [[record.cell.seed for record in group] for group in trainings(rows)]
    [[0, 1]]
    """
    groups = grouped(records, lambda record: (record.source, record.cell.key_of_any_seed))
    return [sorted(group, key=lambda record: record.cell.seed or 0) for group in groups.values()]


NOT_RANKED = {
    **dict.fromkeys(names.BASELINES, "baseline"),
    names.FIXED_BOX: "baseline: knows other patients' boxes",
    names.PRIOR: "baseline: knows other patients' boxes",
    **dict.fromkeys((names.FIXED_POINT, names.FIXED_REGION), "baseline: knows the truth of the training part"),
    names.EMPTY_MASK: "baseline: selects nothing",
    names.UNTRAINED: "baseline: the same network with random weights",
    names.UPPER_BOUND: "upper bound: sees the truth",
    names.SUPERVISED[0]: "reference: the network after fine-tuning on the boxes of other patients",
    names.SUPERVISED[1]: "reference: the network after fine-tuning on 5 boxes per finding of other patients",
    names.READERS: "upper bound: each reader's boxes against the others', no threshold",
    names.SECOND_READERS: "another team of radiologists, no threshold",
}
"""Method -> why it is not ranked."""
LABELS = {"seed": "seed", "img_size": "image size", "attention_map": "attention", "alignment": "alignment"}
"""Field of a cell -> its label above a table; left out if no cell has a value."""
COUNTED = {"boxed images": "images with boxes"}
"""Name of a stored count -> its label, if it differs."""


def basis_lines(rows: Sequence[Row], thresholds: str) -> str:
    """Return the counts, settings, thresholds and software of ``rows``; different values as a range or a list."""
    records = [record for row in rows for record in row.runs]
    facts = _by_name([record.rests_on for record in records])
    counts = [
        f"{_summarized(n)} {COUNTED.get(name, name)}"
        for name, n in facts.items()
        if name != "trainings" and isinstance(n[0], int)
    ]
    folds = facts.pop("trainings", [])
    settings = {"folds, with one training run each": folds if max(folds, default=1) > 1 else []}
    settings |= {name: values for name, values in facts.items() if not isinstance(values[0], int)}
    settings["maximum epochs"] = [r.cell.recipe["epochs"] for r in records if "epochs" in r.cell.recipe]
    for name, label in LABELS.items():
        values = [value for r in records if (value := getattr(r.cell, name)) not in (None, "", "none")]
        settings["seeds" if name == "seed" and len({*values}) > 1 else label] = values
    parts = [", ".join(counts), *(f"{name}: {_summarized(values)}" for name, values in settings.items() if values)]
    trained = sorted({describe(r.training) for r in records}, key=lambda text: (text == NOT_RECORDED, text))
    if len(trained) > 1 and trained[-1] == NOT_RECORDED:
        trained[-1] = f"for some runs {NOT_RECORDED}"
    versions = sorted(_by_name([record.versions for record in records]).items())
    software = ", ".join(f"{name} {_summarized(values)}" for name, values in versions) or "not stated"
    basis = f"Based on: {'; '.join(filter(None, parts))}.\nThresholds: {thresholds}."
    return f"{basis} Training: {'; or '.join(trained)}. Software: {software}."


def _by_name(mappings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Return name -> its values in the ``mappings`` that have it."""
    names = dict.fromkeys(name for mapping in mappings for name in mapping)
    return {name: [mapping[name] for mapping in mappings if name in mapping] for name in names}


def _summarized(values: Sequence[Any]) -> str:
    """Return a single value unchanged, numbers as a range, other values as a list.

    >>> _summarized([3, 3]), _summarized([3, 9]), _summarized(["a", "b"])
    ('3', '3 to 9', 'a, b')
    """
    distinct = sorted({str(value) for value in values})
    if len(distinct) > 1 and all(isinstance(value, (int, float)) for value in values):
        return f"{min(values)} to {max(values)}"
    return examples(distinct, 6)


def networks_among(rows: Iterable[Row]) -> Callable[[Row], str]:
    """Return the function that names the network of one of ``rows``, with image size and seed if several differ."""
    sizes: dict[str, set[int | None]] = {}
    seeds: dict[str, set[int | None]] = {}
    for row in rows:
        sizes.setdefault(row.network, set()).add(row.cell.img_size)
        seeds.setdefault(row.network, set()).add(row.cell.seed)

    def named(row: Row) -> str:
        size = [f"{row.cell.img_size} px"] * (len(sizes[row.network]) > 1)
        return " ".join([row.network, *size, *[f"seed {row.cell.seed}"] * (len(seeds[row.network]) > 1)])

    return named


def listed(words: Sequence[str]) -> str:
    """Join words with commas and "and".

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last


MAX_NAMES = 3
"""Largest number of names in a sentence; the others are counted."""


def first_names(words: Sequence[str]) -> str:
    """Join the first words with commas and count the others.

    >>> first_names(["a", "b"]), first_names(["a", "b", "c", "d", "e"])
    ('a, b', 'a, b, c, 2 more')
    """
    rest = len(words) - MAX_NAMES
    return ", ".join([*words[:MAX_NAMES], *([f"{rest} more"] if rest > 0 else [])])


def counted(number: int, word: str) -> str:
    """Format a number with its noun.

    >>> counted(1, "network"), counted(3, "network")
    ('1 network', '3 networks')
    """
    return f"{number} {word}{'s' * (number != 1)}"
