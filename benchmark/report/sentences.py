"""Sentences about records: the data, training and software of a table, names of networks, lists and counts."""

from collections.abc import Mapping, Sequence
from typing import Any

from benchmark.records.provenance import NOT_RECORDED, describe
from benchmark.records.record import Record
from benchmark.report import select
from core.errors import examples

LABELS = {"seed": "seed", "img_size": "image size", "attention_map": "attention", "alignment": "alignment"}
"""Field of a cell -> its label above a table; left out if no cell has a value."""
COUNTED = {"boxed images": "images with boxes"}
"""Name of a stored count -> its label, if it differs."""


def basis_lines(records: Sequence[Record], thresholds: str) -> str:
    """Return the counts, settings, thresholds and software of ``records``; different values as a range or a list."""
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


def network(record: Record, records: Sequence[Record]) -> str:
    """Return the name of a record's network, with image size and seed if ``records`` have several of them."""
    name = select.network(record)
    cells = [r.cell for r in records if select.network(r) == name]
    words = {"img_size": f"{record.cell.img_size} px", "seed": f"seed {record.cell.seed}"}
    return " ".join([name, *(word for field, word in words.items() if len({getattr(c, field) for c in cells}) > 1)])


def listed(words: Sequence[str]) -> str:
    """Join words with commas and "and".

    >>> listed(["a"]), listed(["a", "b", "c"])
    ('a', 'a, b and c')
    """
    *some, last = words
    return f"{', '.join(some)} and {last}" if some else last


def counted(number: int, word: str) -> str:
    """Format a number with its noun.

    >>> counted(1, "network"), counted(3, "network")
    ('1 network', '3 networks')
    """
    return f"{number} {word}{'s' * (number != 1)}"
