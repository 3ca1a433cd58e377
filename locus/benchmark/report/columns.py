"""Columns of tables of records: checks, other protocols and training runs.

``tabulated`` makes a table from records and ``TableColumn`` objects; ``score`` and ``count`` make columns. Cells are
formatted in ``table``. The tables of a leaderboard have rows instead of records: see ``main_table``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from locus.benchmark.records.record import PUBLISHED, Record
from locus.benchmark.report.row import NO_NETWORK
from locus.benchmark.report.table import NOTHING, Table, share, with_n
from locus.core.names import backbone_words
from locus.core.scores import Origin, Score

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


MODEL = (
    TableColumn("backbone", lambda r: backbone_words(r.cell.backbone) or NOTHING, "model"),
    TableColumn("pooling", lambda r: r.cell.global_pool or NOTHING, "model"),
    TableColumn("attention", lambda r: r.cell.attention_map or NOTHING, "varying"),
    TableColumn("size", lambda r: str(r.cell.img_size or NOTHING), "varying"),
    TableColumn("seed", lambda r: NOTHING if r.cell.seed is None else str(r.cell.seed), "varying"),
    TableColumn("trained on", lambda r: str(r.cell.recipe.get("trained_on", NOTHING)), "declared"),
)
NAMES = (
    *MODEL,
    TableColumn("results", lambda r: PUBLISHED if r.source == PUBLISHED else "yours", "varying"),
    TableColumn("method", lambda r: r.method),
)
"""First columns of every table of records."""

Formatter = Callable[[Score | None], str]


def score(
    metric: str, origin: Origin | None = None, heading: str = "", formatter: Formatter = share, kind: Kind = ""
) -> TableColumn:
    """Return a column with the mean of a metric over findings; a dash if a record has none.

    >>> from locus.benchmark.records import Cell
    >>> values = (Score(finding="mean", metric="pointing", value=0.5, n=8),)
    >>> score("pointing").cell(Record(cell=Cell(dataset="phantom", method="cam"), scores=values))
    '0.500'
    """

    def pick(record: Record) -> Score | None:
        return record.find(metric, origin=origin)

    return TableColumn(heading or metric, lambda record: formatter(pick(record)), kind)


def count(metric: str, origin: Origin | None = None, heading: str = "n cases") -> TableColumn:
    """Return a column with a metric's n: the number of cases (image x finding), or of what ``heading`` names."""

    def pick(record: Record) -> int | None:
        result = record.find(metric, origin=origin)
        return None if result is None else result.n

    return TableColumn(heading, lambda record: str(pick(record) or NOTHING))


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
    merged: dict[tuple[str, ...], list[tuple[str, tuple[str, ...]]]] = {}
    for n, record in enumerate(records):
        cells = tuple(column.cell(record) for column in columns)
        same = tuple(cell for cell, column in zip(cells, columns, strict=True) if column.kind not in OF_NETWORK)
        merged.setdefault(same if record.cell.method in NO_NETWORK else (str(n),), []).append((record.key, cells))
    groups = [list(zip(*group, strict=True)) for group in merged.values()]
    rows = [[of[0] if len({*of}) == 1 else "any" for of in zip(*cells, strict=True)] for _, cells in groups]
    indices = [i for i, column in enumerate(columns) if _is_included(column.kind, [row[i] for row in rows])]
    header, *body = (tuple(row[i] for i in indices) for row in ([column.heading for column in columns], *rows))
    return Table(title, intro, header, tuple(body), tuple(keys for keys, _ in groups))


def _is_included(kind: str, cells: Sequence[str]) -> bool:
    if kind == "varying":
        return len({*cells} - {NOTHING}) > 1
    return kind not in ("optional", "declared") or any(cell not in ("", NOTHING) for cell in cells)
