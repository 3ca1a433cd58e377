"""Provenance lines above a table: counts, seeds, thresholds, training and software behind its records."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.records import provenance
from benchmark.records.record import Record
from core.errors import examples

COUNT_LABELS = {"trainings": "training runs per seed"}
"""Count of a record -> its label above a table, where the two differ. Each fold is a training run."""
FIELD_LABELS = {"seed": "seeds", "img_size": "image size"}
OPTIONAL_LABELS = {"attention_map": "attention", "alignment": "alignment"}
"""Field of a cell -> its label above a table."""


def basis_lines(records: Sequence[Record], thresholds: str) -> str:
    """Return the counts, seeds, thresholds and software of ``records``; values that differ as a range or a list."""
    names = dict.fromkeys(name for record in records for name in record.rests_on)
    facts = {name: [r.rests_on[name] for r in records if name in r.rests_on] for name in names}
    parts = [f"{COUNT_LABELS.get(name, name)} {_summarized(values)}" for name, values in facts.items()]
    if epochs := [r.cell.recipe["epochs"] for r in records if "epochs" in r.cell.recipe]:
        parts.append(f"epochs at most {_summarized(epochs)}")
    parts += [f"{what} {_summarized(getattr(r.cell, name) for r in records)}" for name, what in FIELD_LABELS.items()]
    parts += [
        f"{what} {_summarized(words)}" for name, what in OPTIONAL_LABELS.items() if (words := _values_of(records, name))
    ]
    software_names = dict.fromkeys(name for r in records for name in sorted(r.versions))
    versions = {name: [r.versions[name] for r in records if name in r.versions] for name in software_names}
    trained = _summarized(provenance.describe(r.training) for r in records)
    software = ", ".join(f"{name} {_summarized(values)}" for name, values in versions.items()) or "not stated"
    return f"Rests on: {'; '.join(parts)}.\nThresholds: {thresholds}. Trained with: {trained}. Software: {software}."


def _values_of(records: Sequence[Record], name: str) -> list[str]:
    return [word for r in records if (word := getattr(r.cell, name)) not in ("", "none")]


def _summarized(values: Iterable[Any]) -> str:
    """Return a single value unchanged, numbers as a range, other values as a list.

    >>> _summarized([3, 3]), _summarized([3, 9]), _summarized(["a", "b"])
    ('3', '3 to 9', 'a, b')
    """
    present = [value for value in values if value is not None]
    distinct = sorted({str(value) for value in present})
    if len(distinct) > 1 and all(isinstance(value, (int, float)) for value in present):
        return f"{min(present)} to {max(present)}"
    return examples(distinct, 6) or "not stated"
