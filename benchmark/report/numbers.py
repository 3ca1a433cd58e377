"""``leaderboard.csv``: the rows of the main tables as numbers."""

import csv
import io
from collections.abc import Sequence

from benchmark.records.record import Record, Score
from benchmark.report import leaderboard, ranking, select
from benchmark.report.columns import MODEL, TableColumn
from benchmark.report.table import NOTHING

CELL = (
    *("dataset", "partition", "split", "backbone", "global_pool", "attention_map"),
    *("img_size", "seed", "model_id", "alignment"),
)
"""What is said of the cell; beside it ``images`` (of a part that slow methods explain) and ``method``."""
NAMED = {
    "− prior [95 %]": "above_prior",
    "p (Holm)": "p_holm",
    "P(first)": "p_first",
    "auroc, boxed images": "auroc@boxed",
}
"""Heading -> its name here, where the two differ by more than the interval."""
Value = float | int | str | None


def numbers(records: Sequence[Record]) -> str:
    """The text of the file: a line per row of the main tables, in their order; nothing where there is no value.

    Where a column of the Markdown shows an interval, ``<name>_low`` and ``<name>_high`` stand behind its value.
    """
    lines = [
        line
        for dataset in select.datasets(records)
        for images in (None, *select.parts(records, dataset))
        for line in _lines(records, dataset, images)
    ]
    names = list(dict.fromkeys(name for line in lines for name in line)) or [*CELL]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()


def _lines(records: Sequence[Record], dataset: str, images: int | None) -> list[dict[str, Value]]:
    rows = ranking.ranked(select.board(records, dataset, images))
    if not rows and images is None:
        return [_check(record) for word in select.CHECKS.names() for record in select.of_check(records, dataset, word)]
    columns = [column for column in leaderboard.columns(records, rows, images) if column not in MODEL]
    return [_line(record, columns) for record in rows]


def _cell(record: Record) -> dict[str, Value]:
    return {name: getattr(record.cell, name) for name in CELL} | {"images": select.explained_images(record)}


def _check(record: Record) -> dict[str, Value]:
    """The row of a validity check: every mean that its record holds."""
    cell = _cell(record) | {"method": record.method}
    for score in record.scores:
        if score.finding == "mean":
            origin = "" if score.threshold_origin in ("none", "cross-fitted") else f",{score.threshold_origin}"
            cell |= _with_interval(score.metric + origin, score)
    return cell


def _line(record: Record, columns: Sequence[TableColumn]) -> dict[str, Value]:
    cell = _cell(record)
    for column in columns:
        cell |= _values(column, record)
    return cell


def _values(column: TableColumn, record: Record) -> dict[str, Value]:
    name = NAMED.get(column.heading, column.heading.removesuffix(" [95 %]")).replace(" ", "_")
    if column.pick is None:
        return {name: column.cell(record).replace(NOTHING, "")}
    score = column.pick(record)
    if column.counts:
        return {name: None if score is None else score.n}
    return {name: None} if score is None else _with_interval(name, score)


def _with_interval(name: str, score: Score) -> dict[str, Value]:
    ends = {} if score.low is None else {f"{name}_low": score.low, f"{name}_high": score.high}
    return {name: score.value, **ends}
