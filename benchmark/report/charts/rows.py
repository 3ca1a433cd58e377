"""Entries with the labels and kinds that charts use."""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.records.record import PUBLISHED, Record
from benchmark.report import select
from benchmark.report.charts.chart import Row
from benchmark.report.columns import MODEL, TableColumn
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import BLIND, Entry, is_single, recipe_of
from benchmark.report.table import NOTHING
from core.errors import NotAvailableError
from core.names import CEILINGS, CENTER, MAIN, PRIOR, SECOND_READERS, UNRANKED_METHODS
from core.scores import Score

MOST = 30
"""Maximum number of methods in a chart with a line per entry: they fit on one printed page."""
NETWORKS = 4
"""Maximum number of networks in a chart with a colour per entry; with two baselines they use all colours."""
KINDS = MAY_BE_BEST, WORSE, UNCOMPARED, BASELINE, CEILING, TEAM = (
    *("may be the best", "worse", "not compared", "baseline", "upper bound", "another team of radiologists"),
)


@dataclass(frozen=True, eq=False)
class LabeledEntry:
    """An entry with a main score, and its label in charts."""

    label: str
    """Method and network; unique among the rows."""
    kind: str
    """One of ``KINDS``."""
    entry: Entry
    main: Score
    """The main column with its interval: over training runs if there are several."""


def entries(leaderboard: Leaderboard, images: int | None = None) -> list[LabeledEntry]:
    """Return all rows that have a value, network by network; baselines that do not use the network only once.

    ``images``: size of the part of the images that slow methods explain; None for all images. Raises
    ``NotAvailableError`` if there are none.
    """
    rows: dict[tuple[object, ...], tuple[Entry, Score]] = {}
    for row in leaderboard.parts[images]:
        score = select.main_score(row)
        if score is not None and score.value is not None:
            rows.setdefault((row.method, score.value) if row.cell.method in BLIND else (row.key,), (row, score))
    if not rows:
        raise NotAvailableError(f"{leaderboard.dataset} has no record with {MAIN} at cross-fitted thresholds")
    names = labels([row for row, _ in rows.values()])
    return [
        LabeledEntry(label, _kind(row), row, score) for label, (row, score) in zip(names, rows.values(), strict=True)
    ]


def limited(rows: Sequence[LabeledEntry]) -> list[LabeledEntry]:
    """Return the first ``MOST`` methods, and the highest row of each baseline and upper bound, in their order."""
    methods = [row for row in rows if select.is_method(row.entry)][:MOST]
    others = {row.entry.method: row for row in reversed(rows) if row.entry.cell.method in UNRANKED_METHODS}
    return [row for row in rows if row in methods or others.get(row.entry.method) is row]


def count(rows: Sequence[LabeledEntry]) -> str:
    """Describe how many of the rows a chart shows.

    >>> count([])
    'All 0 entries'
    """
    methods = sum(select.is_method(row.entry) for row in rows)
    return f"The first {MOST} of {methods} entries" if methods > MOST else f"All {methods} entries"


def leading(leaderboard: Leaderboard) -> list[LabeledEntry]:
    """Return the best entry of the first ``NETWORKS`` networks, then the highest row of ``prior`` and of ``center``.

    Charts with a line per entry show these rows; more lines would overlap.
    """
    rows = entries(leaderboard)
    baselines = {row.entry.method: row for row in reversed(rows) if row.entry.method in (PRIOR, CENTER)}
    return [*_best_of_networks(rows)[:NETWORKS], *baselines.values()]


def leading_words(leaderboard: Leaderboard) -> str:
    """Describe the rows of ``leading``."""
    count = len(_best_of_networks(entries(leaderboard)))
    networks = "each network" if count <= NETWORKS else f"the first {NETWORKS} of {count} networks"
    return f"the best entry of {networks} and the highest row of two baselines"


def _best_of_networks(rows: Sequence[LabeledEntry]) -> list[LabeledEntry]:
    best: dict[object, LabeledEntry] = {}
    for row in rows:
        if select.is_method(row.entry):
            best.setdefault(recipe_of(row.entry), row)
    return list(best.values())


def labels(records: Sequence[Record]) -> list[str]:
    """Return the method with as much of its network as makes the labels unique; repeated labels are numbered.

    A baseline that does not use the network is named by its method alone if there is one such row.
    """
    methods = Counter(record.method for record in records)
    alone = [r.cell.method in BLIND and methods[r.method] == 1 for r in records]
    differ = [c for c in MODEL if len({c.cell(r) for r in records if r.cell.method not in BLIND} - {NOTHING}) > 1]
    parts = itertools.accumulate(([column] for column in differ), initial=list[TableColumn]())
    words = [[_label(r, [] if one else part) for r, one in zip(records, alone, strict=True)] for part in parts]
    return _numbered(max(words, key=lambda labels: len({*labels})))


def chart_row(row: LabeledEntry) -> Row:
    """Return the data of a row for a chart: label, kind, value, n, and its interval if it has one."""
    score = row.main
    if row.entry.cell.method in BLIND:
        behind = "new patients"
    else:
        behind = "one training run" if is_single(row.entry) else "new training runs and patients"
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


def _kind(row: Record) -> str:
    if row.cell.method == SECOND_READERS:
        return TEAM
    if row.cell.method in UNRANKED_METHODS:
        return CEILING if row.cell.method in CEILINGS else BASELINE
    if (verdict := row.find("may_be_best")) is None:
        return UNCOMPARED
    return MAY_BE_BEST if verdict.value else WORSE
