"""Rows of the leaderboard with the labels and kinds that charts use."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from benchmark.records.record import PUBLISHED, Record
from benchmark.report import select
from benchmark.report.charts.base import ChartData, Row
from benchmark.report.columns import BLIND, MODEL, TableColumn
from benchmark.report.leaderboard import main_table
from benchmark.report.leaderboard.entries import comparisons_by_row, mean_record, recipe_of, trainings
from benchmark.report.leaderboard.entry_columns import is_single, main_score_getter, score_getter
from benchmark.report.table import NOTHING
from core.errors import NotAvailableError
from core.names import CEILINGS, CENTER, MAIN, PRIOR, UNRANKED_METHODS
from core.scores import Score

MOST = 30
"""Entries of a chart with a line each: as many as a page of paper holds."""
NETWORKS = 4
"""Networks of a chart with a colour each: with two baselines as many as there are colours."""
KINDS = MAY_BE_BEST, WORSE, UNCOMPARED, BASELINE, CEILING = (
    *("may be the best", "worse", "not compared", "baseline", "upper bound"),
)


@dataclass(frozen=True, eq=False)
class EntryRow:
    """An entry of the leaderboard."""

    label: str
    """Method and network in words, another one for each row."""
    kind: str
    """One of ``KINDS``."""
    record: Record
    """Its trainings as one."""
    main: Score
    """The main column with its interval: over trainings where there are several."""
    group: Sequence[Record]
    """Its trainings one by one."""


@lru_cache(maxsize=2)
def entries(data: ChartData, images: int | None = None) -> list[EntryRow]:
    """All rows that have a value, network by network; what sees no network once. Raises ``NotAvailableError`` for none.

    With ``images`` those of the part of so many images that slow methods explain.
    """
    board = main_table.board(data.records, data.dataset, images)
    known = comparisons_by_row(data.records, images)
    rows: dict[tuple[object, ...], tuple[Record, Score]] = {}
    for record in board:
        score = main_score_getter(known)(record)
        if score is not None and score.value is not None:
            blind = record.cell.method in BLIND
            rows.setdefault((record.method, score.value) if blind else (record.key,), (record, score))
    if not rows:
        raise NotAvailableError(f"{data.dataset} has no record with {MAIN} at cross-fitted thresholds")
    shown = [record for record, _ in rows.values()]
    kinds = [_kind(record, score_getter(known, "may_be_best")(record)) for record in shown]
    groups = {(g[0].source, mean_record(g).key): g for g in trainings(select.board(data.records, data.dataset, images))}
    return [
        EntryRow(label, kind, record, score, groups[record.source, record.key])
        for label, kind, (record, score) in zip(labels(shown), kinds, rows.values(), strict=True)
    ]


def shown(rows: Sequence[EntryRow]) -> list[EntryRow]:
    """The first ``MOST`` methods, and what is no method once per word.

    In their order; of a baseline the highest row.
    """
    methods = [row for row in rows if select.is_method(row.record)][:MOST]
    others = {row.record.method: row for row in reversed(rows) if row.record.cell.method in UNRANKED_METHODS}
    return [row for row in rows if row in methods or others.get(row.record.method) is row]


def count(rows: Sequence[EntryRow]) -> str:
    """How many of the rows a chart shows, in words.

    >>> count([])
    'All 0 entries'
    """
    methods = sum(select.is_method(row.record) for row in rows)
    return f"The first {MOST} of {methods} entries" if methods > MOST else f"All {methods} entries"


def leading(data: ChartData) -> list[EntryRow]:
    """The best entry of each of the first ``NETWORKS`` networks, then ``prior`` and ``center``, the highest of each.

    The rows of charts that have a line per entry: more would hide each other.
    """
    rows = entries(data)
    baselines = {row.record.method: row for row in reversed(rows) if row.record.method in (PRIOR, CENTER)}
    return [*_best_of_networks(rows)[:NETWORKS], *baselines.values()]


def leading_words(data: ChartData) -> str:
    """Describe the rows of ``leading``."""
    count = len(_best_of_networks(entries(data)))
    networks = "each network" if count <= NETWORKS else f"the first {NETWORKS} of {count} networks"
    return f"the best entry of {networks} and the highest row of two baselines"


def _best_of_networks(rows: Sequence[EntryRow]) -> list[EntryRow]:
    best: dict[object, EntryRow] = {}
    for row in rows:
        if select.is_method(row.record):
            best.setdefault(recipe_of(row.record), row)
    return list(best.values())


def labels(records: Sequence[Record]) -> list[str]:
    """Method and as much of the network as tells the records apart, numbered where that is not enough.

    What sees no network is called by its method alone, where it stands once.
    """
    methods = Counter(record.method for record in records)
    alone = [r.cell.method in BLIND and methods[r.method] == 1 for r in records]
    differ = [c for c in MODEL if len({c.cell(r) for r in records if r.cell.method not in BLIND} - {NOTHING}) > 1]
    parts = itertools.accumulate(([column] for column in differ), initial=list[TableColumn]())
    words = [[_label(r, [] if one else part) for r, one in zip(records, alone, strict=True)] for part in parts]
    return _numbered(max(words, key=lambda labels: len({*labels})))


def chart_row(row: EntryRow) -> Row:
    """Return the data of a row in a chart of entries: label, kind, value, n, and its interval if it has one."""
    score = row.main
    behind = "one training run" if is_single(row.record) else "new training runs and patients"
    ends = {} if score.low is None else {"low": score.low, "high": score.high, "interval": behind}
    return {"entry": row.label, "kind": row.kind, "value": score.value, "n": score.n, **ends}


def _label(record: Record, columns: Sequence[TableColumn]) -> str:
    seen = " ".join(word for column in columns if (word := column.cell(record)) != NOTHING)
    words = f"{record.method} · {seen}" if seen else record.method
    return f"{words} ({PUBLISHED})" if record.source == PUBLISHED else words


def _numbered(words: Sequence[str]) -> list[str]:
    """Number repeated labels.

    >>> _numbered(["cam", "pcam", "cam"])
    ['cam', 'pcam', 'cam (2)']
    """
    before = [words[:n].count(word) for n, word in enumerate(words)]
    return [f"{word} ({count + 1})" if count else word for word, count in zip(words, before, strict=True)]


def _kind(record: Record, may_be_best: Score | None) -> str:
    if record.cell.method in UNRANKED_METHODS:
        return CEILING if record.cell.method in CEILINGS else BASELINE
    if may_be_best is None:
        return UNCOMPARED
    return MAY_BE_BEST if may_be_best.value else WORSE
