"""What a table rests on, in two lines above it."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.records import provenance
from benchmark.records.record import Record
from core.errors import examples


def rests_on(records: Sequence[Record], thresholds: str) -> str:
    """Counts, seeds, thresholds and software behind ``records``, what differs as a range or list."""
    facts = {name: [r.rests_on[name] for r in records if name in r.rests_on] for r in records for name in r.rests_on}
    told = [f"{name} {_merged(values)}" for name, values in facts.items()]
    if epochs := [r.cell.recipe["epochs"] for r in records if "epochs" in r.cell.recipe]:
        told.append(f"epochs at most {_merged(epochs)}")
    told += [
        f"seeds {_merged(r.cell.seed for r in records)}",
        f"image size {_merged(r.cell.img_size for r in records)}",
    ]
    told += [f"{name} {_merged(words)}" for name in ("attention_map", "alignment") if (words := _stated(records, name))]
    versions = {
        name: [r.versions[name] for r in records if name in r.versions] for r in records for name in sorted(r.versions)
    }
    trained = _merged(provenance.told(r.training) for r in records)
    software = ", ".join(f"{name} {_merged(values)}" for name, values in versions.items()) or "not stated"
    about = "; ".join(told).replace("attention_map", "attention")
    return f"Rests on: {about}.\nThresholds: {thresholds}. Trained with: {trained}. Software: {software}."


def _stated(records: Sequence[Record], name: str) -> list[str]:
    return [word for r in records if (word := getattr(r.cell, name)) not in ("", "none")]


def _merged(values: Iterable[Any]) -> str:
    """One value as it is, numbers as a range, the rest as a list.

    >>> _merged([3, 3]), _merged([3, 9]), _merged(["a", "b"])
    ('3', '3 to 9', 'a, b')
    """
    given = [value for value in values if value is not None]
    distinct = sorted({str(value) for value in given})
    if len(distinct) > 1 and all(isinstance(value, (int, float)) for value in given):
        return f"{min(given)} to {max(given)}"
    return examples(distinct, 6) or "not stated"
