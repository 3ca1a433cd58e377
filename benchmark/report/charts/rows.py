"""Entries with the labels and kinds that charts use."""

import itertools
from collections import Counter
from collections.abc import Sequence

from benchmark.records.record import PUBLISHED, Record
from benchmark.report import select
from benchmark.report.charts.chart import Row
from benchmark.report.columns import MODEL, TableColumn
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import NO_NETWORK, Entry, is_single
from benchmark.report.table import NOTHING
from core.errors import NotAvailableError
from core.names import CENTER, MAIN, PRIOR, SECOND_READERS, UNRANKED_METHODS, UPPER_BOUND_AND_PEOPLE

MOST = 30
"""Maximum number of methods in a chart with a line per entry: they fit on one printed page."""
NETWORKS = 4
"""Maximum number of networks in a chart with a colour per entry; with two baselines they use all colours."""
KINDS = MAY_BE_BEST, WORSE, UNCOMPARED, BASELINE, LIMIT, TEAM = (
    *("may be the best", "worse", "not compared", "baseline", "upper bound", "another team of radiologists"),
)


Rows = dict[str, Entry]
"""Unique label of a row in charts, from its method and network -> the row, which has a main score."""


def entries(leaderboard: Leaderboard, images: int | None = None) -> Rows:
    """Return all rows that have a value, network by network; baselines that do not use the network only once.

    ``images``: size of the part of the images that slow methods explain; None for all images. Raises
    ``NotAvailableError`` if there are none.
    """
    rows: dict[tuple[object, ...], Entry] = {}
    for row in leaderboard.parts[images]:
        if (value := select.main_value(row)) is not None:
            rows.setdefault((row.method, value) if row.cell.method in NO_NETWORK else (row.key,), row)
    if not rows:
        raise NotAvailableError(f"{leaderboard.dataset} has no record with {MAIN} at cross-fitted thresholds")
    return dict(zip(labels([*rows.values()]), rows.values(), strict=True))


def limited(leaderboard: Leaderboard) -> tuple[Rows, str]:
    """Return the first ``MOST`` methods and the highest row of each baseline and upper bound, and a description."""
    rows = entries(leaderboard)
    methods = [label for label, row in rows.items() if select.is_method(row)]
    others = {row.method: label for label, row in reversed(rows.items()) if row.cell.method in UNRANKED_METHODS}
    wanted = {*methods[:MOST], *others.values()}
    words = f"The first {MOST} of {len(methods)} entries" if len(methods) > MOST else f"All {len(methods)} entries"
    return {label: row for label, row in rows.items() if label in wanted}, words


def leading(leaderboard: Leaderboard) -> tuple[Rows, str]:
    """Return the best entry of each of ``NETWORKS`` networks, the highest ``prior`` and ``center``, and a description.

    Charts with a line per entry show these rows; more lines would overlap.
    """
    rows = entries(leaderboard)
    best: dict[object, str] = {}
    for label, row in rows.items():
        if select.is_method(row):
            best.setdefault(select.network_key(row), label)
    baselines = {row.method: label for label, row in reversed(rows.items()) if row.method in (PRIOR, CENTER)}
    networks = "each network" if len(best) <= NETWORKS else f"the first {NETWORKS} of {len(best)} networks"
    words = f"the best entry of {networks} and the best row of two baselines"
    return {label: rows[label] for label in (*[*best.values()][:NETWORKS], *baselines.values())}, words


def labels(records: Sequence[Record]) -> list[str]:
    """Return the method with as much of its network as makes the labels unique; repeated labels are numbered.

    A baseline that does not use the network is named by its method alone if there is one such row.
    """
    methods = Counter(record.method for record in records)
    alone = [r.cell.method in NO_NETWORK and methods[r.method] == 1 for r in records]
    of_networks = [r for r in records if r.cell.method not in NO_NETWORK]
    differ = [column for column in MODEL if len({column.cell(r) for r in of_networks} - {NOTHING}) > 1]
    parts = itertools.accumulate(([column] for column in differ), initial=list[TableColumn]())
    words = [[_label(r, [] if one else part) for r, one in zip(records, alone, strict=True)] for part in parts]
    return _numbered(max(words, key=lambda labels: len({*labels})))


def chart_rows(rows: Rows) -> list[Row]:
    """Return the data of rows for a chart: label, kind, value, n, and the interval if there is one."""
    out: list[Row] = []
    for label, row in rows.items():
        if (score := select.main_score(row)) is not None:
            runs = "one training run" if is_single(row) else "new training runs and patients"
            behind = "new patients" if row.cell.method in NO_NETWORK else runs
            ends = {} if score.low is None else {"low": score.low, "high": score.high, "interval": behind}
            out.append({"entry": label, "kind": _kind(row), "value": score.value, "n": score.n, **ends})
    return out


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
        return LIMIT if row.cell.method in UPPER_BOUND_AND_PEOPLE else BASELINE
    if (verdict := row.find("may_be_best")) is None:
        return UNCOMPARED
    return MAY_BE_BEST if verdict.value else WORSE
