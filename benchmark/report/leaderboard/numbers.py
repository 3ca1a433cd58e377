"""``leaderboard.csv``: the rows of the main tables as numbers."""

import csv
import io
from collections.abc import Iterator, Sequence

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.columns import HEADINGS, MODEL, TableColumn
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import is_single, run_count, worse_by
from benchmark.report.leaderboard import main_table
from benchmark.report.table import NOTHING
from core.files import csv_cell
from core.flags.choices import CHECKS
from core.scores import Score

CELL = (
    *("dataset", "partition", "split", "backbone", "global_pool", "attention_map"),
    *("img_size", "seed", "model_id", "alignment"),
)
"""Fields of the cell, followed by ``images`` (size of the part that slow methods explain) and ``method``."""
NAMED = {
    "− prior [95%]": "above_prior",
    "p (Holm)": "p_holm",
    "P(best)": "p_first",
    "auroc, images with boxes": "auroc@boxed",
    "share of upper bound": "share_of_bound",
    "this run only [95%]": "of_this_network",
}
"""Heading -> name of the CSV column, where they differ by more than ``[95%]``."""
MAY_BE_BEST = {"network_may_be_best": "network_may_be_best", "may_be_best": "method_may_be_best"}
"""Verdict of a row -> CSV column."""
Value = float | int | str | None


def leaderboard_csv(leaderboards: Sequence[Leaderboard]) -> str:
    """Return the text of ``leaderboard.csv``: a line per row of the main tables; for a check, a line per record.

    Missing values are empty. A column with an interval is followed by ``<name>_low`` and ``<name>_high``.
    """
    lines = [line for leaderboard in leaderboards for line in _lines(leaderboard)]
    names = list(dict.fromkeys(name for line in lines for name in line)) or [*CELL]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: csv_cell(value) for name, value in line.items()} for line in lines)
    return text.getvalue()


def _lines(leaderboard: Leaderboard) -> Iterator[dict[str, Value]]:
    """Yield the rows of the table of numbers: those of checks, or those of entries."""
    if not leaderboard.entries:
        for word in CHECKS:
            yield from map(_check, select.of_check(leaderboard.records, leaderboard.dataset, word))
    for rows in leaderboard.parts.values():
        columns = [c for c in main_table.method_columns(rows) if c not in MODEL and c.heading not in HEADINGS]
        for row in rows:
            values = {name: value for column in columns for name, value in _values(column, row).items()}
            yield _cell(row) | _entry(row) | values


def _entry(row: Record) -> dict[str, Value]:
    """Return the score, intervals and verdicts of a row."""
    main, (than, gap) = select.main_score(row), worse_by(row)
    single = is_single(row)
    verdicts = {name: row.find(metric) for metric, name in MAY_BE_BEST.items()}
    return {
        "score": _value(main),
        **_ends("", None if single else main),
        **_ends("of_this_network_", main if single else None),
        "seed_sd": _value(row.find("seed_sd")),
        **_ends("one_more_", row.find("one_more")),
        "trainings": run_count(row),
        **{name: None if score is None else bool(score.value) for name, score in verdicts.items()},
        "worse_by": _value(gap),
        **_ends("worse_", gap),
        "worse_than": than,
    }


def _value(score: Score | None) -> float | None:
    return None if score is None else score.value


def _ends(name: str, score: Score | None) -> dict[str, Value]:
    return {f"{name}{end}": None if score is None else getattr(score, end) for end in ("low", "high")}


def _cell(record: Record) -> dict[str, Value]:
    return {name: getattr(record.cell, name) for name in CELL} | {"images": select.explained_images(record)}


def _check(record: Record) -> dict[str, Value]:
    """Return the line of a validity check: all means of its record."""
    cell = _cell(record) | {"method": record.method}
    for one in record.select(finding="mean"):
        origin = "" if one.threshold_origin in ("none", "cross-fitted") else f",{one.threshold_origin}"
        cell |= _with_interval(one.metric + origin, one)
    return cell


def _values(column: TableColumn, record: Record) -> dict[str, Value]:
    """Return the values of one column for ``record``: a text, a count, or a score with its interval."""
    name = NAMED.get(column.heading, column.heading.removesuffix(" [95%]")).replace(" ", "_")
    if column.pick is None:
        return {name: column.cell(record).replace(NOTHING, "")}
    picked = column.pick(record)
    return _with_interval(name, picked) if isinstance(picked, Score) else {name: picked}


def _with_interval(name: str, score: Score) -> dict[str, Value]:
    ends = {} if score.low is None else {f"{name}_low": score.low, f"{name}_high": score.high}
    return {name: score.value, **ends}
