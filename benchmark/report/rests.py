"""What a table rests on, in a few lines above it."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmark.records.record import Record
from core.errors import examples


def rests_on(records: Sequence[Record], thresholds: str) -> str:
    """Counts, seeds, thresholds and software behind ``records``, what differs as a range or list; then what papers' rows rest on."""
    run, papers = ([r for r in records if r.source == source] for source in ("run", "paper"))
    lines = [*_run(run, thresholds)] if run else ["Rests on: papers alone, nothing was scored here yet."]
    return "\n".join([*lines, *_papers(papers, run)])


def _run(records: Sequence[Record], thresholds: str) -> list[str]:
    facts = {name: [r.rests_on[name] for r in records if name in r.rests_on] for r in records for name in r.rests_on}
    told = [f"{name} {_merged(values)}" for name, values in facts.items()]
    if epochs := [r.cell.recipe["epochs"] for r in records if "epochs" in r.cell.recipe]:
        told.append(f"epochs at most {_merged(epochs)}")
    told += [f"seeds {_merged(r.cell.seed for r in records)}", f"image size {_merged(r.cell.img_size for r in records)}"]
    told += [f"{name} {_merged(words)}" for name in ("attention_map", "alignment") if (words := _stated(records, name))]
    versions = {name: [r.versions[name] for r in records if name in r.versions] for r in records for name in sorted(r.versions)}
    software = ", ".join(f"{name} {_merged(values)}" for name, values in versions.items()) or "not stated"
    return [f"Rests on: {'; '.join(told).replace('attention_map', 'attention')}.", f"Thresholds: {thresholds}. Software: {software}."]


def _stated(records: Sequence[Record], name: str) -> list[str]:
    return [word for r in records if (word := getattr(r.cell, name)) not in ("", "none")]


def _papers(papers: Sequence[Record], run: Sequence[Record]) -> list[str]:
    """A line per remark: whose numbers, what they rest on, and whether on the images of the rows that were run."""
    ours = {(r.cell.partition, r.cell.split) for r in run}
    remarks = {r.reason: [p.cell.method for p in papers if p.reason == r.reason] for r in papers}
    others = {r.reason for r in papers if run and (r.cell.partition, r.cell.split) not in ours}
    end = " Other images than those of the rows that were run: no comparison."
    return [f"From a paper, not run here: {', '.join(who)}: {why}{end if why in others else ''}" for why, who in remarks.items()]


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
