"""Compare a run with the published results of its suite: both scores of each row, and the expected interval."""

from collections.abc import Sequence

import numpy as np

from benchmark.records.provenance import why_other
from benchmark.records.record import Cell, Record
from benchmark.report import select
from benchmark.report.entries.entry import trainings
from benchmark.report.table import NOTHING, Table, as_text, difference, number, with_interval
from benchmark.scoring.statistics.entries import BAND_RUNS, one_more
from core.errors import examples
from core.names import MAIN

HEADER = ("backbone", "pooling", "seed", "method", f"{MAIN} published [95%]", "yours [95%]", "difference")
HEADER_OF_PREDICTED = (
    *("backbone", "pooling", "seed", "method", f"{MAIN}, yours", "expected [95%]"),
    *("training runs", "inside?"),
)
PINNED = ("threads", "precision")
"""Flags that change rounding, and so the weights, but do not define a different entry."""
INSIDE, OUTSIDE, UNKNOWN = "yes", "no", "no interval"


def side_by_side(records: Sequence[Record], published: Sequence[Record]) -> str:
    """Return the table for a terminal and one sentence; empty if no cell of ``records`` is published."""
    published_by_key = {record.key: record for record in published}
    rows = [r for name in select.datasets(records) for r in select.main_records(records, name) if r.source == "run"]
    pairs = [(published_by_key[row.key], row) for row in rows if row.key in published_by_key]
    if not pairs:
        return ""
    table = Table("Published scores and yours", "", HEADER, tuple(_row(*pair) for pair in pairs))
    return "\n".join([as_text(table), *dict.fromkeys(why_other(*pair) for pair in pairs)])


def _row(published: Record, here: Record) -> tuple[str, ...]:
    values = (with_interval(select.main_score(record)) for record in (published, here))
    return (*_names(here), *values, difference(select.main_value(here), select.main_value(published)))


def _names(record: Record) -> tuple[str, ...]:
    return record.cell.backbone, record.cell.global_pool, str(record.cell.seed), record.method


def predicted(records: Sequence[Record], published: Sequence[Record], suite: str) -> str:
    """Return the table for a terminal and a summary; empty if no entry of ``records`` is ``published``.

    ``published``: the records of the ``suite`` that has trained the same entries.
    """
    groups = sorted(_groups(published), key=len)  # if recipes differ only in PINNED, that with most runs is used
    values = {_entry(group[0].cell): select.defined_values(map(select.main_score, group)) for group in groups}
    rows = [_predicted_row(record, values[key]) for group in _groups(records) for record in group
            if (key := _entry(record.cell)) in values]  # fmt: skip
    if not rows:
        return ""
    table = Table(f"Your scores, and the interval expected from {suite}", "", HEADER_OF_PREDICTED, tuple(rows))
    return f"{as_text(table)}{_summary(rows, suite)}"


def _groups(records: Sequence[Record]) -> list[list[Record]]:
    """Return the training runs of each row of the main tables."""
    runs = [record for record in records if record.source == "run"]
    return [group for name in select.datasets(runs) for group in trainings(select.main_records(runs, name))]


def _entry(cell: Cell) -> str:
    """Return a key that all training runs of an entry share, whatever their seed, threads and precision."""
    shared = cell.without_seed
    recipe = {name: value for name, value in shared.recipe.items() if name not in PINNED}
    return shared.model_copy(update={"recipe": recipe}).key


def _predicted_row(here: Record, published: Sequence[float]) -> tuple[str, ...]:
    """Return the row that compares one score with the interval predicted from the published training runs."""
    value, band = select.main_value(here), one_more(np.array(published))
    ends, verdict = NOTHING, UNKNOWN
    if band is not None and value is not None:
        low, high = (round(end, 6) for end in band)
        ends, verdict = f"[{number(low)}, {number(high)}]", INSIDE if low <= value <= high else OUTSIDE
    return (*_names(here), number(value), ends, str(len(published)), verdict)


def _summary(rows: Sequence[tuple[str, ...]], suite: str) -> str:
    """Say how many scores are inside their interval, and which are not."""
    by_verdict = {word: [row for row in rows if row[-1] == word] for word in (INSIDE, OUTSIDE, UNKNOWN)}
    judged = len(rows) - len(by_verdict[UNKNOWN])
    lines = []
    if judged:
        lines.append(
            f"{len(by_verdict[INSIDE])} of {judged} scores are inside the interval expected for another training run "
            f"of {suite} (95%). Threads and precision may differ from those of {suite}."
        )
    if outside := by_verdict[OUTSIDE]:
        names = examples([" ".join((*row[:2], row[3])) for row in outside], len(outside))
        lines.append(
            f"Outside: {names}. One score in twenty may be outside by chance; the methods of a network vary together."
        )
    if by_verdict[UNKNOWN]:
        count = len(by_verdict[UNKNOWN])
        lines.append(f"{count} scores have no interval, which requires {BAND_RUNS} or more training runs in {suite}.")
    return "\n".join(lines)
