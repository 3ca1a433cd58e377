"""The tables of a leaderboard, made from its rows.

``thresholds``   hits at the main thresholds, a row per method: the table that every reader meets first
``all_thresholds``  the same rows at all IoU and IoBB thresholds
``by_finding``   the best methods of the best network by finding
``networks``, ``effects``  comparisons over several training runs
``people``       boxes drawn by people, and the best methods on the same cases
``notes``        what the tables are based on
``data_frame``, ``leaderboard_csv``  all rows with all numbers

docs/protocols.md explains the columns. Tables of other protocols and of training runs are in ``detail_tables``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from locus.benchmark.baselines import blind, is_reference
from locus.benchmark.records.packed import CELL_FIELDS
from locus.benchmark.records.record import PUBLISHED, describe
from locus.benchmark.report import added, grouping
from locus.benchmark.report.case_columns import CaseColumns, read_columns
from locus.benchmark.report.comparisons import SPREAD
from locus.benchmark.report.formats import NOTHING, number
from locus.benchmark.report.grouping import Row, by_network, by_score, counted
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.section import PublishedReport
from locus.benchmark.report.table import Table, TableColumn, tabulated
from locus.core.files import csv_text
from locus.core.names import (
    ADDED,
    AGREEMENT,
    ALONE,
    CLASSIFICATION,
    COMBINED,
    MAIN,
    MEAN_PREFIX,
    UPPER_BOUND,
    WEIGHT,
)
from locus.core.scores import Difference, Estimate
from locus.scoring.statistics.rank_reversals import corrected_best
from locus.scoring.statistics.resample import MIN_PATIENTS

if TYPE_CHECKING:
    import pandas as pd

NETWORK = "network (AUROC)"
METHOD = "method"
VERDICT = "verdict"
MAY_BE_BEST = "above the floor, and no method of this network with the same cases and runs is significantly better"
"""Meaning of bold in a threshold table."""
FLOOR = "the higher of `prior` and `fixed_box`, which see no image"
ABOVE = "above"
BELOW = "below"
NOT_SIGNIFICANT = "n.s."
"""Verdicts on a difference from the floor."""
FIRST_IOU = ("hit@iou.1", MAIN, "hit@iou.5")
FIRST_IOBB = ("hit@iobb.5",)
"""Shares of hits in the first table; ``all_thresholds`` has the others."""
NOT_SHOWN_ABOVE = "not shown to be above the floor"
"""Verdict on a row that is not shown to be above the floor."""
BASELINE_WORD = "baselines"
"""The first cell of a baseline in a threshold table, where methods have their network."""
LEGEND = (
    f"Difference: from the floor, {FLOOR}, at IoU > .3. Verdict: `{ABOVE}` or `{BELOW}` the floor, or "
    f"`{NOT_SIGNIFICANT}` (not significant), after Holm's correction. **Bold**: {MAY_BE_BEST}."
)
FROM_FLOOR = "The difference is from the floor."
LEGEND_ADDED = (
    f" Added: what the map adds to `prior`; the verdict says `{added.ADDS}` if that is significant, also after Holm's "
    "correction."
)
"""Rest of the legend for a suite with the protocol ``added``."""
FLOORS_MADE_AGAIN = (
    "FullGrad's intervals: 1,000 resamples of patients choose its score thresholds again. Those of its differences "
    "from `prior` and `fixed_box` also make both again, each time with new folds of the patients."
)
FLOORS_HELD_FIXED = (
    "FullGrad's intervals: 1,000 resamples of patients choose its score thresholds again. Those of its differences "
    "hold `prior` and `fixed_box` fixed, so they are too narrow: `floors.parquet` is missing or has other cases "
    "(`python -m tools.floor_resamples`)."
)
MAX_ROWS = 10
"""Largest number of methods in a short table, if there are few networks."""
MIN_ROWS_PER_NETWORK = 3
"""Smallest number of methods of a network in a short table; with more than ``MAX_ROWS`` networks it is one."""
MAX_TERMINAL_ROWS = 8
"""Largest number of rows of the table in a terminal, with the two baselines that see no image."""
MAX_EFFECTS = 4
"""Number of methods in a short table of effects."""
MAX_BEST = 3
"""Number of methods in the tables by finding and of people."""
MAX_MACHINES = 3
"""Number of machines in the notes; the others are counted."""

NAME = TableColumn(METHOD, lambda row: row.name, "bold")
NETWORK_COLUMN = TableColumn(
    NETWORK, lambda row: network_cell(row) if row.is_method else row.note or BASELINE_WORD
)
MEAN = TableColumn("mean over methods, IoU > .3", lambda row: number(row.main), "interval")
DIFFERENCE = TableColumn("difference", lambda row: over_floor(row), "difference")
AGAINST_OTHERS = TableColumn(VERDICT, lambda row: verdict(row))
"""Columns that several tables have."""

CELL = tuple(name for name in CELL_FIELDS if name not in ("method", "protocol"))
"""Fields of the cell in ``leaderboard.csv``."""
FURTHER = (
    *(("anyhit@iou.3", "cross-fitted"), ("boxes_per_case", "cross-fitted"), ("optimism", None)),
    *((MAIN, threshold_source) for threshold_source in ("oracle", "validation", "fixed", "otsu")),
)
"""Further means of records in ``leaderboard.csv``: metric and source of its threshold."""
DIFFERENCE_CELLS = ("row", "difference", "low", "high", "p")
"""Ends of the names of a difference's columns in ``leaderboard.csv``."""
ADDED_LOW, ADDED_HIGH = f"{ADDED}_low", f"{ADDED}_high"
"""Ends of the interval of what a map adds, in ``leaderboard.csv`` and ``data_frame``."""
Value = float | int | str | None


def thresholds(board: Leaderboard, complete: bool = True) -> Table:
    """Return the first table: methods network by network, then the baselines.

    ``complete``: all methods; else those of ``rows_of_short_table``, and the baselines of the first grid.
    """
    title = f"{board.title}: hits over IoU and IoBB thresholds"
    table = _of_methods(
        board, title=title, intro=legend(board), columns=[*_first_columns(board)], complete=complete
    )
    sentences = filter(None, (added.left_out(board), table.footnote))
    return replace(table, footnote=" ".join(sentences))


def all_thresholds(board: Leaderboard, complete: bool = True) -> Table:
    """Return the rows of ``thresholds`` at all thresholds, also without the findings that ``prior`` solves."""
    intro = "The rows of the first table, with the same boxes."
    return _of_methods(
        board,
        title=f"{board.title}: all thresholds",
        intro=intro,
        columns=[*_all_columns(board)],
        complete=complete,
    )


def legend(board: Leaderboard) -> str:
    """Return the explanation of the first table."""
    return f"{LEGEND}{LEGEND_ADDED}" if board.added else LEGEND


def _of_methods(
    board: Leaderboard, title: str, intro: str, columns: list[TableColumn], complete: bool
) -> Table:
    """Return a table of methods and baselines; see ``thresholds``."""
    methods = board.methods if complete else rows_of_short_table(board)
    table = tabulated(title, intro, columns, (*methods, *_baselines(board, complete)))
    hidden_count = len(board.methods) - len(methods)
    footnote = ""
    if hidden_count:
        order = _order_of_networks(board)
        footnote = f"{order}{hidden_count} more rows are in leaderboard.csv and on the page."
    marks = tuple(map(_mark, table.source)) if methods else ()
    return replace(table, footnote=footnote, marks=marks)


def _baselines(board: Leaderboard, complete: bool) -> list[Row]:
    """Return all baselines or, if not ``complete``, the first of each name and the upper bounds of all grids."""
    first = {row.name: row for row in reversed(board.baselines)}
    return [
        row
        for row in board.baselines
        if complete or row is first[row.name] or row.name == UPPER_BOUND
    ]


def _order_of_networks(board: Leaderboard) -> str:
    """Return the order of the networks in words; empty if their means are not in a table."""
    if board.theirs or not networks(board).rows:
        return ""
    if board.networks[0].key_of_network == board.methods[0].key_of_network:
        return "Networks are in the order of their mean over methods. "
    return "The network of the best row is first, the others by their mean over methods. "


def _mark(row: Row) -> str:
    if not row.is_method:
        return "baseline"
    if row.in_top_group:
        return "bold"
    return "grey" if row.above_baselines is False else ""


def rows_of_short_table(board: Leaderboard) -> list[Row]:
    """Return the methods of a short table: those of a user and what they are compared with, or the best per network."""
    if board.theirs and len(board.theirs) < len(board.methods):
        return [*board.theirs, *_beside_theirs(board)]
    groups = board.of_networks
    count = max(MAX_ROWS // max(len(groups), 1), MIN_ROWS_PER_NETWORK)
    if len(groups) > MAX_ROWS:
        count = 1
    return [row for group in groups for row in group[:count]]


def _beside_theirs(board: Leaderboard) -> list[Row]:
    """Return the other methods of a user's models or, without one, the best methods of another network."""
    models = {row.runs[0].cell.model_key for row in board.theirs}
    other_rows = [row for row in board.methods if row not in board.theirs]
    of_models = [row for row in other_rows if row.runs[0].cell.model_key in models]
    if of_models:
        return of_models[:MAX_ROWS]
    for group in board.of_networks:
        if group[0] not in board.theirs:
            return group[:MAX_BEST]
    return []


def terminal(board: Leaderboard) -> Table:
    """Return the table that a run prints: the best methods, a user's first, and the baselines that see no image."""
    other_rows = [row for row in board.methods if row not in board.theirs]
    ranked_rows = [*by_score(board.theirs), *by_score(other_rows)]
    blind = board.blind(ranked_rows[0]) if ranked_rows else []
    methods = ranked_rows[: MAX_TERMINAL_ROWS - len(blind)]
    columns = (
        TableColumn(NETWORK, lambda row: network_cell(row) if row.is_method else BASELINE_WORD),
        NAME,
        replace(MEAN, heading="IoU > .3"),
        _shares("hit@iou.5", "IoU > .5"),
        DIFFERENCE,
        TableColumn(VERDICT, lambda row: _first_verdict(row, board.added_of(row))),
    )
    hidden_count = len(board.methods) - len(methods)
    table = tabulated(f"{board.title}: best methods", "", columns, (*methods, *blind))
    sentences = [added.left_out(board)]
    if hidden_count:
        sentences.append(f"{counted(hidden_count, 'more row')} on the page.")
    return replace(table, footnote=" ".join(filter(None, sentences)))


def _first_columns(board: Leaderboard) -> Iterator[TableColumn]:
    """Yield the columns of the first table: at most nine."""
    yield NETWORK_COLUMN
    yield NAME
    yield from _hit_columns(FIRST_IOU)
    yield from _hit_columns(FIRST_IOBB)
    yield DIFFERENCE
    if board.added:
        yield TableColumn(ADDED, lambda row: added.cell(board.added_of(row)), "difference")
    yield TableColumn(VERDICT, lambda row: _first_verdict(row, board.added_of(row)))


def _all_columns(board: Leaderboard) -> Iterator[TableColumn]:
    """Yield the columns of all thresholds, of the mean without solved findings, and of pointing."""
    yield NETWORK_COLUMN
    yield NAME
    for name, column in zip(grouping.IOU, _hit_columns(grouping.IOU), strict=True):
        yield column
        if name == MAIN and board.solved:
            yield _shares(grouping.UNSOLVED, f"without {grouping.listed(board.solved)}")
    yield from _hit_columns(grouping.IOBB)
    yield _shares(grouping.POINTING, grouping.POINTING)


def _hit_columns(names: Sequence[str]) -> Iterator[TableColumn]:
    """Yield the columns of shares of hits by one measure; the main one has an interval."""
    for name, heading in zip(names, grouping.headings(names), strict=True):
        yield replace(MEAN, heading=heading) if name == MAIN else _shares(name, heading)


def _shares(name: str, heading: str) -> TableColumn:
    return TableColumn(heading, lambda row: number(row.share(name)))


def over_floor(row: Row) -> str:
    """Return the difference from the floor with its interval."""
    return NOTHING if row.over_floor is None else number(row.over_floor.estimate, sign="value")


def floor_verdict(row: Row) -> str:
    """Return whether a row is significantly above or below the floor; a dash if that was not tested.

    A row is above the floor if it is significantly above both baselines that see no image.
    """
    if row.over_floor is None or row.differs_from_floor is None:
        return NOTHING
    if not row.differs_from_floor:
        return NOT_SIGNIFICANT
    return ABOVE if row.above_baselines else BELOW


def _first_verdict(row: Row, of_added: Row | None) -> str:
    """Return the verdict of the first table: on the difference from the floor, then on what the map adds."""
    verdicts = [floor_verdict(row)]
    if of_added is not None and added.verdict(of_added) == added.ADDS:
        verdicts.append(added.ADDS)
    return ", ".join(verdicts)


def network_cell(row: Row) -> str:
    """Return the network of a row with the AUROC of its classifier, whether that is weak, and what else names it."""
    remarks = []
    if row.auroc is not None:
        remarks.append(number(row.auroc, digits=2))
        if row.auroc < grouping.WEAK_AUROC:
            remarks.append("weak classifier")
    if row.is_single:
        remarks.append("one run")
    if row.is_published:
        remarks.append(PUBLISHED)
    if row.contributed_by:
        remarks.append(f"external, by {row.contributed_by}")
    return f"{row.network} ({', '.join(remarks)})" if remarks else row.network


def by_finding(board: Leaderboard) -> Table:
    """Return the main column by finding: the best methods of the best row's network, then two baselines, then n."""
    title = f"{board.title}: hits at IoU > .3 by finding"
    methods = best_network(board)[:MAX_BEST]
    if not methods:
        return Table(title, "", (), ())
    counts = {name: share.n for name, share in methods[0].findings.items()}
    lines = []
    for row in (*methods, *board.blind(methods[0])):
        shares = (row.findings.get(name, Estimate(None)) for name in counts)
        lines.append((row.name, *(number(share.value) for share in shares)))
    lines.append(("n", *map(str, counts.values())))
    about = f"The best methods of {methods[0].network}."
    return Table(title, about, (METHOD, *counts), tuple(lines))


def best(board: Leaderboard) -> Row | None:
    """Return the method with the highest score: of a user's methods, if there are some."""
    rows = [row for row in board.theirs or board.methods if row.main.value is not None]
    return by_score(rows)[0] if rows else None


def best_network(board: Leaderboard) -> list[Row]:
    """Return the ``best`` row, which may be a user's, then the other methods of its network, best first."""
    first = best(board)
    if first is None:
        return []
    return [
        first,
        *(row for row in by_network(board.methods)[first.key_of_network] if row is not first),
    ]


def score_without_selection(board: Leaderboard) -> float | None:
    """Return the score of the ``best`` row without the advantage of its selection; None for one row or few patients.

    The best row is chosen on half of the patients and scored on the others: see ``corrected_best``.
    """
    rows = [row for row in board.theirs or board.methods if row.by_patient is not None]
    column = board.column(MAIN, rows)
    if column is None or len(rows) < 2 or column.jackknife.shape[1] < 2 * MIN_PATIENTS:
        return None
    hits = []
    for row in rows:
        if column.entry(row.runs) is not None:
            of_runs = [column.columns[record.key] for record in row.runs]
            hits.append(column.hits[:, of_runs].mean(1))
    values = np.stack(hits, 1)  # (N, rows)
    return corrected_best(column.groups.sums(values, np.ones_like(values)))


def networks(board: Leaderboard) -> Table:
    """Return a row per network with its mean over methods; empty unless two have several training runs."""
    with_several_runs = [
        row
        for row in board.networks
        if row.by_patient is not None and len(row.by_patient.theta) > 1
    ]
    title = f"{board.title}: networks"
    columns = (
        TableColumn(NETWORK, network_cell),
        MEAN,
        TableColumn("runs", lambda row: str(len(row.runs))),
        DIFFERENCE,
        AGAINST_OTHERS,
    )
    if len(with_several_runs) < 2:
        return tabulated(title, "", columns, ())
    about = f"The mean is over {grouping.listed(board.rank_methods)}. {FROM_FLOOR}"
    return tabulated(title, about, columns, board.networks)


def effects(board: Leaderboard, max_rows: int | None = None) -> Table:
    """Return a row per method with its mean over the networks, best first; ``max_rows``: number of rows."""
    hidden_count = len(board.effects[max_rows:]) if max_rows is not None else 0
    title = f"{board.title}: methods over networks"
    intro = f"The methods that all networks with several runs and similar grids have. {FROM_FLOOR}"
    columns = (NAME, _shares(MAIN, "mean, IoU > .3"), DIFFERENCE, AGAINST_OTHERS)
    table = tabulated(title, intro, columns, board.effects[:max_rows])
    return replace(
        table, footnote=f"{hidden_count} more methods are on the page." if hidden_count else ""
    )


def verdict(row: Row) -> str:
    """Say whether a row may be the best, or by how much it is behind which other row."""
    if row.in_top_group is None:
        return row.note or NOTHING
    if row.in_top_group:
        return "may be the best"
    if row.best_other is None or not row.significantly_worse:
        return NOT_SHOWN_ABOVE
    return f"behind {row.best_other.other} by {number(row.best_other.estimate)}"


def people(board: Leaderboard) -> Table:
    """Return boxes drawn by people and the best methods on the same cases; empty if nobody drew boxes."""
    rows = [*best_network(board)[:MAX_BEST], *board.blind()]
    records = [record for row in (*board.people, *rows) for record in row.runs]
    columns = (AGREEMENT, MAIN, f"{MEAN_PREFIX}{MAIN}")
    cases = read_columns(records if board.people else [], board.folders, columns)
    lines: list[tuple[str, ...]] = []
    for person in board.people:
        key = person.runs[0].key
        if key in cases.columns:
            is_marked = np.isfinite(cases.wide([key], AGREEMENT)[:, 0])
            lines.append((person.name, number(person.main), str(person.main.n)))
            for row in rows:
                share = number(_mean_on(row, is_marked, cases))
                lines.append((row.name, share, str(is_marked.sum())))
    return Table(
        f"{board.title}: people and methods on the same cases",
        "Boxes of other radiologists against the truth, and the best methods on the same cases.",
        ("row", "IoU > .3 on these cases", "n"),
        tuple(lines),
    )


def _mean_on(row: Row, is_marked: NDArray[np.bool_], cases: CaseColumns) -> float | None:
    """Return the main column of a row on marked cases: mean over findings, then over training runs."""
    keys = [record.key for record in row.runs]
    if any(key not in cases.columns for key in keys):
        return None
    hits = cases.spread(keys, cases.hits(MAIN))[is_marked]
    findings = cases.findings[is_marked]
    by_finding = [np.nanmean(hits[findings == finding], 0) for finding in np.unique(findings)]
    return float(np.mean(by_finding))


def notes(board: Leaderboard) -> list[str]:
    """Return at most five lines on what the tables are based on."""
    if not board.methods:
        return []
    lines = [" ".join(_basis(board))]
    declared = {}
    for row in board.methods:
        data = row.cell.recipe.get("trained_on")
        if data:
            declared[row.network] = data
    if declared:
        networks_and_data = (f"{name}: {data}" for name, data in declared.items())
        lines.append(f"Training data as declared: {'; '.join(networks_and_data)}.")
    if board.solved:
        solved = grouping.listed(board.solved)
        reason = "its place is known without an image"
        lines.append(f"`prior` hits at least nine of ten cases of {solved}: {reason}.")
    if board.floors_are_made_again is not None:
        lines.append(FLOORS_MADE_AGAIN if board.floors_are_made_again else FLOORS_HELD_FIXED)
    return lines


def _basis(board: Leaderboard) -> Iterator[str]:
    """Yield sentences on images, training runs, machines, AUROC and missing columns."""
    based_on = (board.theirs or board.methods)[0].runs[0].rests_on
    counts = [
        f"{count:,} {grouping.COUNTED.get(name, name)}"
        for name, count in based_on.items()
        if name != "trainings" and isinstance(count, int)
    ]
    if counts:
        yield f"Based on {', '.join(counts)}."
    trained = [group for group in board.of_networks if not group[0].is_external]
    if trained and not networks(board).rows:  # that table has a column of them
        runs = "one per network"
        if any(len(group[0].runs) > 1 for group in trained):
            runs = ", ".join(f"{group[0].network} {len(group[0].runs)}" for group in trained)
        yield f"Training runs: {runs}."
    records = [record for group in trained for row in group for record in row.runs]
    machines = list(dict.fromkeys(describe(record.training) for record in records))
    if machines:
        hidden_count = len(machines) - MAX_MACHINES
        ending = f", and {counted(hidden_count, 'other')}" if hidden_count > 0 else ""
        yield f"Trained on: {'; '.join(machines[:MAX_MACHINES])}{ending}."
    if all(grouping.BOXED in row.scores for row in board.methods):
        boxed = sorted(row.scores[grouping.BOXED].value or 0.0 for row in board.methods)
        ends = dict.fromkeys(number(auroc, digits=2) for auroc in (boxed[0], boxed[-1]))
        yield f"AUROC of the classifiers on the images with boxes: {' to '.join(ends)}."
    columns = set(grouping.COLUMNS)
    lacking = dict.fromkeys(row.network for row in board.methods if columns - row.scores.keys())
    if lacking:
        names = grouping.listed([*lacking])
        yield f"A dash in the first table: not stored for every training run of {names}."


def data_frame(boards: Sequence[Leaderboard]) -> "pd.DataFrame":
    """Return a line per method, then per baseline, with the columns of the threshold table, in their order, as numbers.

    Columns: ``network``, ``method``, ``runs``, ``auroc``, ``COLUMNS`` with ``low`` and ``high`` (95% interval of
    ``hit@iou.3``) and ``UNSOLVED`` if findings are solved, ``minus_floor``, ``minus_prior`` and ``minus_fixed_box``
    (differences from them), ``added`` with ``added_low`` and ``added_high`` if that protocol was scored,
    ``above_baselines``, ``in_top_group`` and ``note``.
    """
    import pandas as pd  # slow to import, and not needed for tables

    rows: list[Row] = []
    numbers = []
    for board in boards:
        for row in (*board.methods, *board.baselines):
            rows.append(row)
            numbers.append(_numbers(row, board))
    lines = pd.DataFrame(numbers)
    table = lines.rename(columns={f"{name}_difference": f"minus_{name}" for name in blind()})
    floors = [None if row.over_floor is None else row.over_floor.estimate.value for row in rows]
    table["minus_floor"] = pd.Series(floors, dtype=float)
    shares: list[str] = []
    for name in grouping.COLUMNS:
        shares.append(name)
        if name == MAIN:
            shares += ["low", "high", grouping.UNSOLVED]
    names = (
        *("network", "method", "runs", "auroc"),
        *shares,
        *("minus_floor", *(f"minus_{name}" for name in blind())),
        *(ADDED, ADDED_LOW, ADDED_HIGH),
        *("above_baselines", "in_top_group", "note"),
    )
    return table[[name for name in names if name in table]]


def leaderboard_csv(
    boards: Sequence[Leaderboard], published: type[PublishedReport] = PublishedReport
) -> str:
    """Return the text of ``leaderboard.csv``: a line per row with all numbers, then ``published`` results.

    Suites without such rows have a line per record. Numbers have six digits, ends of intervals five decimals: further
    ones depend on the processor.
    """
    lines = [line for board in boards for line in _lines(board, published)]
    names = list(dict.fromkeys(name for line in lines for name in line)) or [*CELL]
    return csv_text([names, *([_csv_cell(line.get(name, "")) for name in names] for line in lines)])


def _csv_cell(value: Value) -> Value:
    return f"{value:.6g}" if isinstance(value, float) else value


def _lines(board: Leaderboard, published: type[PublishedReport]) -> Iterator[dict[str, Value]]:
    rows = (*board.methods, *board.baselines, *board.people)
    only_added = _only_added(rows, board) if rows else []
    for row in (*rows, *only_added, *board.networks):
        yield _numbers(row, board)
    yield from published(board).lines()
    if rows:
        return
    # A suite of other protocols, or a check.
    protocols = dict.fromkeys(
        record.cell.protocol for record in board.records if record.source == "run"
    )
    for protocol in protocols:
        if protocol != CLASSIFICATION:
            yield from map(_of_protocol, board.of_protocol(protocol))


def _only_added(rows: Sequence[Row], board: Leaderboard) -> list[Row]:
    """Return the rows of ``added`` without a counterpart in ``rows``, such as ``shuffled``."""
    of_rows = [board.added_of(row) for row in rows]
    only_added = [row for row in board.added if row not in of_rows]
    # Their difference is that of `added`, not of the main column.
    return [replace(row, over_baselines=()) for row in only_added]


def _numbers(row: Row, board: Leaderboard) -> dict[str, Value]:
    """Return a line of ``leaderboard.csv``."""
    is_network = row.kind == "network"
    line = _named(row)
    if row.cell.fitted_on is not None:
        line["fitted_on"] = row.cell.fitted_on
    line["images"] = row.cell.images
    line["kind"] = _kind(row)
    line["method"] = "" if is_network else row.name
    line["runs"] = len(row.runs)
    line["auroc"] = row.auroc
    for name in (grouping.BOXED, *grouping.COLUMNS):
        line[name] = row.share(name)
    if board.solved:
        line[grouping.UNSOLVED] = row.share(grouping.UNSOLVED)
    line["low"] = _end(row.main.low)
    line["high"] = _end(row.main.high)
    line["n"] = row.main.n or None
    line["in_top_group"] = row.in_top_group
    line["above_baselines"] = row.above_baselines
    gaps = {gap.other: gap for gap in row.over_baselines}
    for name in blind():
        line |= _difference(name, gaps.get(name))
    line |= _difference("best_other", row.best_other)
    line[SPREAD] = row.share(SPREAD)
    for metric, threshold_source in FURTHER:
        name = f"{metric},{threshold_source}" if metric == MAIN else metric
        line[name] = None if is_network else row.value(metric, threshold_source)
    line |= {f"n_{name}": share.n for name, share in row.findings.items()}
    line |= {name: share.value for name, share in row.findings.items()}
    line["note"] = row.note
    of_added = None if is_network else board.added_of(row)
    if of_added is not None:
        line |= _added_numbers(of_added)
    return line


def _added_numbers(row: Row) -> dict[str, Value]:
    """Return the cells of a row of ``added``."""
    estimate = row.scores[ADDED]
    return {
        ALONE: row.share(ALONE),
        COMBINED: row.share(COMBINED),
        ADDED: estimate.value,
        ADDED_LOW: _end(estimate.low),
        ADDED_HIGH: _end(estimate.high),
        f"{ADDED}_p": row.over_baselines[0].p if row.over_baselines else None,
        WEIGHT: row.share(WEIGHT),
    }


def _difference(name: str, gap: Difference | None) -> dict[str, Value]:
    """Return the cells of a difference; ``name`` is their prefix."""
    values: tuple[Value, ...] = (None,) * len(DIFFERENCE_CELLS)
    if gap is not None:
        estimate = gap.estimate
        low = _end(estimate.low)
        high = _end(estimate.high)
        values = (gap.other, estimate.value, low, high, gap.p)
    return {f"{name}_{cell}": value for cell, value in zip(DIFFERENCE_CELLS, values, strict=True)}


def _end(value: float | None) -> float | None:
    """Return an end of an interval to five decimals."""
    return None if value is None else round(value, 5) + 0.0


def _named(row: Row) -> dict[str, Value]:
    """Return the name of the network and the fields of the cell."""
    network = row.network if row.has_network else ""
    return {"network": network, **{name: getattr(row.cell, name) for name in CELL}}


def _kind(row: Row) -> str:
    """Return method, baseline, upper bound (also people) or network."""
    if row.kind == "network" or row.is_method:
        return row.kind
    return "upper bound" if is_reference(row.cell.method) else "baseline"


def _of_protocol(row: Row) -> dict[str, Value]:
    """Return the line of a row of another protocol or a check: all its means, the main ones with their interval."""
    line = _named(row)
    line["protocol"] = row.cell.protocol
    line["method"] = row.name
    for score in row.select("mean"):
        if score.threshold_source not in ("none", "cross-fitted"):
            line[f"{score.metric},{score.threshold_source}"] = score.value
            continue
        line[score.metric] = score.value
        if score.low is not None:
            line[f"{score.metric}_low"] = _end(score.low)
            line[f"{score.metric}_high"] = _end(score.high)
    return line
