"""Tables below the main one: those of other protocols, then the breakdowns.

``NAMES`` are the first columns; ``score`` and ``count`` make others. ``of_protocol`` makes the table of a protocol: all
its means. The scores come from ``locus.scoring.protocols``. The breakdowns show the main metric by threshold,
by training run and by group of cases.
"""

from collections.abc import Sequence
from dataclasses import replace

from locus.benchmark.records.record import PUBLISHED
from locus.benchmark.report import NOTES
from locus.benchmark.report.formats import NOTHING, number
from locus.benchmark.report.grouping import Row, basis_lines, by_network
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.table import NETWORK_NAME, Kind, Table, TableColumn, tabulated
from locus.core.names import CENTER, MAIN, PRIOR
from locus.core.scores import Score, ThresholdSource

THRESHOLDS: dict[ThresholdSource, str] = {
    "cross-fitted": "cross-fitted by patient in 5 folds, per finding",
    "fitted": "chosen on all cases of another suite, per finding and training run",
}
"""Threshold source of the rows -> what it means."""
NAMES = (
    NETWORK_NAME,
    TableColumn("data set", lambda row: str(row.cell.data.get("dataset", NOTHING)), "varying"),
    TableColumn("size", lambda row: str(row.cell.img_size or NOTHING), "varying"),
    TableColumn("seed", lambda row: _seed(row), "varying"),
    TableColumn(
        "trained on", lambda row: str(row.cell.recipe.get("trained_on", NOTHING)), "declared"
    ),
    TableColumn("results", lambda row: _source(row), "varying"),
    TableColumn("method", lambda row: row.name),
)
"""First columns of every table of another protocol or of a check."""


def _seed(row: Row) -> str:
    return NOTHING if row.cell.seed is None else str(row.cell.seed)


def _source(row: Row) -> str:
    return PUBLISHED if row.is_published else "yours"


def score(
    metric: str,
    threshold_source: ThresholdSource | None = None,
    heading: str = "",
    *,
    interval: bool = False,
    n: bool = False,
    kind: Kind = "",
) -> TableColumn:
    """Return a column with the mean of a metric over findings; a dash if a row has none.

    Args:
        metric: the metric.
        threshold_source: source of its score threshold; None: the first one.
        heading: the heading; by default the metric.
        interval: whether the cells have the 95% interval.
        n: whether the cells have the number of cases.
        kind: kind of the column.

    Example:
        >>> from locus.benchmark.records import Cell, Record
        >>> values = (Score(finding="mean", metric="pointing", value=0.5, n=8),)
        >>> score("pointing").cell(Row.of([Record(cell=Cell(dataset="phantom", method="cam"), scores=values)]))
        '0.500'
    """

    def cell(row: Row) -> str:
        entry = row.find(metric, threshold_source=threshold_source)
        return number(entry, leading_zero=True, interval=interval, n=n)

    return TableColumn(heading or metric, cell, kind)


def count(metric: str, threshold_source: ThresholdSource | None = None) -> TableColumn:
    """Return a column with the number of cases (image x finding) of a metric."""

    def cell(row: Row) -> str:
        entry = row.find(metric, threshold_source=threshold_source)
        return str(entry.n) if entry is not None and entry.n else NOTHING

    return TableColumn("n cases", cell)


SHARED = f"{MAIN}@shared"
THRESHOLD_COLUMNS = (
    score(MAIN, "fixed", "fixed"),
    score(MAIN, "otsu", "otsu"),
    score(MAIN, "validation", "validation"),
    score(SHARED, "validation", "validation, shared", kind="optional"),
    score(MAIN, "fitted", "fitted on another suite", interval=True, kind="optional"),
    score(MAIN, "cross-fitted", "cross-fitted", interval=True),
    score(SHARED, "cross-fitted", "cross-fitted, shared", interval=True),
    score(MAIN, "oracle", "oracle", interval=True),
    score(SHARED, "oracle", "oracle, shared", interval=True),
    score("optimism", interval=True),
    score("optimism@shared", heading="optimism, shared", interval=True),
)
"""Columns of ``by_threshold``."""


def of_protocol(board: Leaderboard, protocol: str) -> Table:
    """Return all means of a protocol with their interval and n."""
    rows = board.of_protocol(protocol)
    means = dict.fromkeys(
        (score.metric, score.threshold_source) for row in rows for score in row.select("mean")
    )
    columns = list(NAMES)
    for metric, source in means:
        heading = metric if source == "none" else f"{metric}, {source}"
        columns.append(score(metric, source, heading, interval=True, n=True))
    about = f"{basis_lines(rows, 'see the columns')}\nMean over findings; docs/protocols.md explains the columns."
    return tabulated(f"{board.title}: {protocol}", about, columns, rows)


def by_threshold(board: Leaderboard) -> Table:
    """Return the main column for each source of the score threshold, and the optimism of the oracle.

    The oracle threshold is chosen on the test annotations: an upper bound, never a result.
    """
    rows = (*board.methods, *board.baselines)
    columns = [*NAMES, *THRESHOLD_COLUMNS, count(MAIN, board.threshold_source)]
    intro = f"{basis_lines(rows, NOTES['threshold_sources'])}\n{NOTES['shared_thresholds']}"
    return tabulated(f"{board.title}: thresholds ({MAIN})", intro, columns, rows)


def per_training_run(board: Leaderboard) -> Table:
    """Return a row per training run of the rows that have several: the spread between seeds."""
    rows = []
    for row in board.methods:
        if len(row.runs) > 1:
            rows += [row.of_run(run) for run in row.runs]
    names = [
        replace(column, kind="network") if column.heading == "seed" else column for column in NAMES
    ]
    columns = [
        *names,
        score(MAIN, board.threshold_source, f"{MAIN} [95%, this run only]", interval=True),
        score("pointing", interval=True),
        count(MAIN, board.threshold_source),
    ]
    intro = f"{basis_lines(rows, THRESHOLDS[board.threshold_source])}\n{NOTES['one_run']}"
    return tabulated(f"{board.title}: individual training runs", intro, columns, rows)


def subgroups(board: Leaderboard) -> Table:
    """Return the main column in groups of cases, such as box size, view, sex and age.

    Rows are the best method of each network, then ``prior`` and ``center``, each on its first training run. Headings or
    cells contain n.
    """
    best = [group[0] for group in by_network(board.methods).values()]
    blind = [row for row in board.baselines if row.name in (PRIOR, CENTER)]
    rows = [row.of_run(row.runs[0]) for row in (*best, *blind) if row.runs[0].subgroups]
    groups = dict.fromkeys(
        (subgroup.variable, subgroup.group) for row in rows for subgroup in row.runs[0].subgroups
    )
    columns = [_of_group(variable, group, rows) for variable, group in groups]
    intro = ""
    if rows:
        intro = f"{basis_lines(rows, THRESHOLDS[board.threshold_source])}\n{NOTES['subgroups']}"
    return tabulated(f"{board.title}: {MAIN} by group of cases", intro, [*NAMES, *columns], rows)


def _of_group(variable: str, group: str, rows: Sequence[Row]) -> TableColumn:
    """Return the main column in one group of cases, with n in the heading if all ``rows`` agree, else in the cells."""
    scores = [_score_in_group(row, variable, group) for row in rows]
    counts = {score.n for score in scores if score is not None}
    heading = f"{variable}: {group}"
    has_one_count = len(counts) == 1
    if has_one_count:
        heading += f" (n {counts.pop()})"

    def cell(row: Row) -> str:
        entry = _score_in_group(row, variable, group)
        return number(entry, leading_zero=True, interval=False, n=not has_one_count)

    return TableColumn(heading, cell)


def _score_in_group(row: Row, variable: str, group: str) -> Score | None:
    """Return the main column of a row's first training run in one group of cases."""
    name = (MAIN, "mean", row.cell.threshold_source)
    for subgroup in row.runs[0].subgroups:
        if (subgroup.variable, subgroup.group) == (variable, group):
            for score in subgroup.scores:
                if (score.metric, score.finding, score.threshold_source) == name:
                    return score
    return None
