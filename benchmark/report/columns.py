"""Columns of tables of records."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmark.records.record import Record
from benchmark.report.entries.entry import BLIND
from benchmark.report.equal_maps import equal_scores, same_as
from benchmark.report.table import NOTHING, Table, share, with_n
from core.scores import Origin, Score

Kind = Literal["", "model", "varying", "declared", "optional"]
"""``model``: part of the network's name. ``varying``: the same, omitted if all rows agree. ``declared``: the same,
omitted if no row has a value. ``optional``: any other column, omitted if no row has a value."""
OF_NETWORK = ("model", "varying", "declared")


@dataclass(frozen=True)
class TableColumn:
    """A heading, and a function that returns the text of a record's cell."""

    heading: str
    cell: Callable[[Record], str]
    kind: Kind = ""
    pick: Callable[[Record], Score | None] | None = None
    """Function that returns the score, for ``leaderboard.csv``."""
    counts: bool = False
    """Whether the cell shows the score's n instead of its value."""


SAME = "same map as"
MODEL = (
    TableColumn("backbone", lambda r: r.cell.backbone or NOTHING, "model"),
    TableColumn("pooling", lambda r: r.cell.global_pool or NOTHING, "model"),
    TableColumn("attention", lambda r: r.cell.attention_map or NOTHING, "varying"),
    TableColumn("size", lambda r: str(r.cell.img_size or NOTHING), "varying"),
    TableColumn("seed", lambda r: NOTHING if r.cell.seed is None else str(r.cell.seed), "varying"),
    TableColumn("trained on", lambda r: str(r.cell.recipe.get("trained_on", NOTHING)), "declared"),
)
NAMES = (
    *MODEL,
    TableColumn("method", lambda r: r.method),
    TableColumn(SAME, lambda r: same_as(r.method, r.cell.global_pool), "optional"),
)
"""First columns of every table."""
NAMES_AND_ALIGNMENT = (*NAMES, TableColumn("alignment", lambda r: r.cell.alignment or NOTHING, "varying"))
"""First columns of tables with rows of both alignments."""

Formatter = Callable[[Score | None], str]


def score(
    metric: str, origin: Origin | None = None, heading: str = "", formatter: Formatter = share, kind: Kind = ""
) -> TableColumn:
    """Return a column with the mean of a metric over findings; a dash if a record has none.

    >>> from benchmark.records import Cell
    >>> values = (Score(finding="mean", metric="pointing", value=0.5, n=8),)
    >>> score("pointing").cell(Record(cell=Cell(dataset="phantom", method="cam"), scores=values))
    '0.500'
    """

    def pick(record: Record) -> Score | None:
        return record.find(metric, origin=origin)

    return TableColumn(heading or metric, lambda record: formatter(pick(record)), kind, pick)


def count(metric: str, origin: Origin | None = None, heading: str = "n cases") -> TableColumn:
    """Return a column with a metric's n: the number of cases (image x finding), or of what ``heading`` names."""
    column = score(metric, origin, heading, lambda score: str(score.n) if score is not None and score.n else NOTHING)
    return replace(column, counts=True)


def with_common_n(
    heading: str, pick: Callable[[Record], Score | None], records: Sequence[Record], formatter: Formatter = share
) -> TableColumn:
    """Return a column of scores, with n in the heading if all ``records`` agree, else in the cells."""
    counts = {picked.n for r in records if (picked := pick(r)) is not None}
    if len(counts) != 1:
        return TableColumn(heading, lambda record: with_n(pick(record)))
    return TableColumn(f"{heading} (n {counts.pop()})", lambda record: formatter(pick(record)))


def tabulated(title: str, intro: str, columns: Sequence[TableColumn], records: Sequence[Record]) -> Table:
    """Return a table with a row per record, in their order.

    Baselines with equal scores for several networks are merged into one row, named ``any``.
    """
    equal = equal_scores(records)
    merged: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = {}
    for n, record in enumerate(records):
        cells = tuple(_cell(column, record, equal) for column in columns)
        same = tuple(cell for cell, column in zip(cells, columns, strict=True) if column.kind not in OF_NETWORK)
        merged.setdefault(same if record.cell.method in BLIND else (str(n),), []).append((record.key, cells))
    groups = [list(zip(*group, strict=True)) for group in merged.values()]
    rows = [[of[0] if len({*of}) == 1 else "any" for of in zip(*cells, strict=True)] for _, cells in groups]
    indices = [i for i, column in enumerate(columns) if _is_included(column.kind, [row[i] for row in rows])]
    header, *body = (tuple(row[i] for i in indices) for row in ([column.heading for column in columns], *rows))
    return Table(title, intro, header, tuple(body), tuple(keys for keys, _ in groups))


def _cell(column: TableColumn, record: Record, equal: Mapping[str, str]) -> str:
    """Return the text of a cell; for ``same map as``, fall back to a method with ``equal`` scores."""
    return column.cell(record) or (equal.get(record.key, "") if column.heading == SAME else "")


def naming(records: Sequence[Record]) -> tuple[TableColumn, ...]:
    """Return the columns that name the networks of ``records``, without those that ``tabulated`` would omit."""
    return tuple(column for column in MODEL if _is_included(column.kind, [column.cell(record) for record in records]))


def _is_included(kind: str, cells: Sequence[str]) -> bool:
    if kind == "varying":
        return len({*cells} - {NOTHING}) > 1
    return kind not in ("optional", "declared") or any(cell not in ("", NOTHING) for cell in cells)
