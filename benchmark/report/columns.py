"""A table is columns over records: each says what stands in a record's row."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from benchmark.records.record import Record
from benchmark.report.equal_maps import equal_scores, same_as
from benchmark.report.table import NOTHING, Table, share, with_n
from core.names import UNRANKED_METHODS, UNTRAINED
from core.scores import Origin, Score

BLIND = frozenset(UNRANKED_METHODS) - {UNTRAINED}
"""What looks at no network: where its numbers are equal for several, they stand in one row."""


@dataclass(frozen=True)
class TableColumn:
    """A heading, and what stands below it in the row of a record.

    Columns are tried out on records alone: ``column.cell(record)`` is the text, ``column.pick(record)`` its number.
    """

    heading: str
    cell: Callable[[Record], str]
    kind: Literal["", "model", "varying", "declared", "optional"] = ""
    """``model``: names the network. ``varying``: so too, left out where all rows agree. ``declared``: so too, left out
    where no row has it. ``optional``: only that."""
    pick: Callable[[Record], Score | None] | None = None
    """The score behind the words, where there is one: what ``leaderboard.csv`` states as numbers."""
    counts: bool = False
    """Whether the words are the score's n, not its value."""


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
"""With what every row begins."""
NAMES_AND_ALIGNMENT = (*NAMES, TableColumn("alignment", lambda r: r.cell.alignment or NOTHING, "varying"))
"""The same where rows of both alignments may stand below each other."""

Formatter = Callable[[Score | None], str]


def score(metric: str, origin: Origin | None = None, heading: str = "", formatter: Formatter = share) -> TableColumn:
    """The mean of a metric over findings; a dash where the record has none.

    >>> from benchmark.records import Cell
    >>> values = (Score(finding="mean", metric="pointing", value=0.5, n=8),)
    >>> score("pointing").cell(Record(cell=Cell(dataset="phantom", method="cam"), scores=values))
    '0.500'
    """
    return scored(heading or metric, lambda record: record.find(metric, origin=origin), formatter)


def scored(
    heading: str,
    pick: Callable[[Record], Score | None],
    formatter: Formatter = share,
    kind: Literal["", "optional"] = "",
) -> TableColumn:
    """Any score of a record, in the words that ``formatter`` makes of it.

    ``pick`` gives the score, None where a record has none; ``kind`` is that of ``TableColumn``.
    """
    return TableColumn(heading, lambda record: formatter(pick(record)), kind, pick)


def optional(column: TableColumn) -> TableColumn:
    """A column that is left out where no row says anything."""
    return replace(column, kind="optional")


def count(metric: str, origin: Origin | None = None, heading: str = "n cases") -> TableColumn:
    """How many a metric rests on; a dash where nobody says.

    Cases (image x finding) unless the heading says otherwise: truth boxes, images.
    """
    column = score(metric, origin, heading, lambda score: str(score.n) if score is not None and score.n else NOTHING)
    return replace(column, counts=True)


def with_common_n(
    heading: str, pick: Callable[[Record], Score | None], records: Sequence[Record], formatter: Formatter = share
) -> TableColumn:
    """Any score of a record; n in the heading where all ``records`` agree, else in the cells.

    Findings differ in how many cases they have, methods of one suite rarely do: the heading then says it once.
    """
    counts = {picked.n for r in records if (picked := pick(r)) is not None}
    if len(counts) != 1:
        return TableColumn(heading, lambda record: with_n(pick(record)))
    return TableColumn(f"{heading} (n {counts.pop()})", lambda record: formatter(pick(record)))


def tabulated(title: str, intro: str, columns: Sequence[TableColumn], records: Sequence[Record]) -> Table:
    """A row per record, in their order.

    Baselines that are equal for several networks stand once, with ``any`` for their names.
    """
    equal = equal_scores(records)
    cells = [tuple(_cell(column, record, equal) for column in columns) for record in records]
    groups = _groups(cells, columns, records)
    rows = [_joined([cells[n] for n in group], columns) for group in groups]
    keys = tuple(tuple(records[n].key for n in group) for group in groups)
    kept = [i for i, column in enumerate(columns) if _says(column.kind, [row[i] for row in rows])]
    header, shown = tuple(columns[i].heading for i in kept), tuple(tuple(row[i] for i in kept) for row in rows)
    return Table(title, intro, header, shown, keys)


def _cell(column: TableColumn, record: Record, equal: Mapping[str, str]) -> str:
    """What stands there; where no rule knows a method's map, the one with ``equal`` scores."""
    return column.cell(record) or (equal.get(record.key, "") if column.heading == SAME else "")


def naming(records: Sequence[Record]) -> tuple[TableColumn, ...]:
    """The columns that name the networks of ``records``, without those that ``tabulated`` would leave out.

    Backbone and pooling always; attention, size and seed where rows differ in them; what it was trained on where
    stated.
    """
    return tuple(column for column in MODEL if _says(column.kind, [column.cell(record) for record in records]))


def _groups(
    rows: Sequence[tuple[str, ...]], columns: Sequence[TableColumn], records: Sequence[Record]
) -> list[list[int]]:
    """The numbers of the rows that stand as one."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for n, (row, record) in enumerate(zip(rows, records, strict=True)):
        blind = record.cell.method in BLIND
        numbers = tuple(
            cell
            for cell, column in zip(row, columns, strict=True)
            if column.kind not in ("model", "varying", "declared")
        )
        groups.setdefault(numbers if blind else (str(n),), []).append(n)
    return list(groups.values())


def _joined(rows: Sequence[tuple[str, ...]], columns: Sequence[TableColumn]) -> tuple[str, ...]:
    apart = [len({row[i] for row in rows}) > 1 for i in range(len(columns))]
    return tuple("any" if differs else cell for differs, cell in zip(apart, rows[0], strict=True))


def _says(kind: str, cells: Sequence[str]) -> bool:
    if kind == "varying":
        return len({*cells} - {NOTHING}) > 1
    return kind not in ("optional", "declared") or any(cell not in ("", NOTHING) for cell in cells)
