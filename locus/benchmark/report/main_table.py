"""The tables of a leaderboard, made from its rows.

``thresholds``   hits at the main thresholds, a row per method: the table that every reader meets first
``all_thresholds``  the same rows at all IoU and IoBB thresholds
``by_finding``   the best methods of the best network by finding
``networks``, ``effects``  comparisons over several training runs
``people``       boxes drawn by people, and the best methods on the same cases
``notes``        what the tables rest on
``data_frame``, ``leaderboard_csv``  all rows with all numbers

docs/protocols.md explains the columns. Tables of other protocols and of training runs are in ``detail_tables``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from locus.benchmark.records.packed import CELL_FIELDS
from locus.benchmark.records.record import PUBLISHED, describe
from locus.benchmark.report import added, grouping, literature
from locus.benchmark.report.case_columns import CaseColumns, read_columns
from locus.benchmark.report.comparisons import SPREAD
from locus.benchmark.report.formats import NOTHING, number
from locus.benchmark.report.grouping import Row, by_network, by_score, counted
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.table import Table, TableColumn, tabulated
from locus.core.files import csv_text
from locus.core.names import (
    ADDED,
    AGREEMENT,
    BLIND,
    CLASSIFICATION,
    MAIN,
    MEAN_PREFIX,
    UPPER_BOUND,
    UPPER_BOUND_AND_PEOPLE,
)
from locus.core.scores import Difference, Estimate
from locus.scoring.statistics.rank_reversals import corrected_best
from locus.scoring.statistics.resample import MIN_PATIENTS

if TYPE_CHECKING:
    import pandas as pd

NETWORK, METHOD, VERDICT = "network (AUROC)", "method", "verdict"
MAY_BE_BEST = "above the floor, and no method of this network with the same cases and runs is significantly better"
"""Meaning of bold in a threshold table."""
FLOOR = "the higher of `prior` and `fixed_box`, which see no image"
ABOVE, BELOW, NOT_SIGNIFICANT = "above", "below", "n.s."
"""Verdicts on a difference from the floor."""
FIRST_IOU, FIRST_IOBB = ("hit@iou.1", MAIN, "hit@iou.5"), ("hit@iobb.5",)
"""Shares of hits in the first table; ``all_thresholds`` has the others."""
NOT_SHOWN_ABOVE = "not shown to be above the floor"
"""Verdict on a row that is not shown to be above the floor."""
BASELINES = "baselines"
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
MAX_ROWS = 10
"""Largest number of methods in a short table, if there are few networks."""
MIN_ROWS_PER_NETWORK = 3
"""Smallest number of methods of a network in a short table; with more than ``MAX_ROWS`` networks it is one."""
MAX_EFFECTS = 4
"""Number of methods in a short table of effects."""
MAX_BEST = 3
"""Number of methods in the tables by finding and of people."""


def thresholds(board: Leaderboard, complete: bool = True) -> Table:
    """Return the first table: methods network by network, then the baselines.

    ``complete``: all methods; else those of ``shown``, and the baselines of the first grid.
    """
    title = f"{board.title}: hits over IoU and IoBB thresholds"
    return _of_methods(board, title, legend(board), [*_first_columns(board)], complete)


def all_thresholds(board: Leaderboard, complete: bool = True) -> Table:
    """Return the rows of ``thresholds`` at all thresholds, also without the findings that ``prior`` solves."""
    intro = "The rows of the first table, with the same boxes."
    return _of_methods(
        board, f"{board.title}: all thresholds", intro, [*_all_columns(board)], complete
    )


def legend(board: Leaderboard) -> str:
    """Return the explanation of the first table."""
    return f"{LEGEND}{LEGEND_ADDED}" if board.added else LEGEND


def _of_methods(
    board: Leaderboard, title: str, intro: str, columns: list[TableColumn], complete: bool
) -> Table:
    """Return a table of methods and baselines; see ``thresholds``."""
    methods = board.methods if complete else shown(board)
    table = tabulated(title, intro, columns, (*methods, *_baselines(board, complete)))
    rest = len(board.methods) - len(methods)
    left_out = (
        f"{_order_of_networks(board)}{rest} more rows are in leaderboard.csv and on the page."
        if rest
        else ""
    )
    return replace(
        table, footnote=left_out, marks=tuple(map(_mark, table.source)) if methods else ()
    )


def _baselines(board: Leaderboard, complete: bool) -> list[Row]:
    """Return all baselines or, if not ``complete``, the first of each name and the upper bounds of all grids."""
    first = {row.name: row for row in reversed(board.baselines)}
    return [
        row
        for row in board.baselines
        if complete or row is first[row.name] or row.name == UPPER_BOUND
    ]


def _order_of_networks(board: Leaderboard) -> str:
    """Say in which order the networks are; empty if that is not by their means."""
    if board.theirs or not networks(board).rows:
        return ""
    if board.networks[0].key_of_network == board.methods[0].key_of_network:
        return "Networks are in the order of their mean over methods. "
    return "The network of the best row is first, the others by their mean over methods. "


def _mark(row: Row) -> str:
    if not row.is_method:
        return "baseline"
    return "bold" if row.in_top_group else "grey" if row.above_baselines is False else ""


def shown(board: Leaderboard) -> list[Row]:
    """Return the methods of a short table: those of a user and what they are compared with, or the best per network."""
    theirs, groups = board.theirs, board.of_networks
    if theirs and len(theirs) < len(board.methods):
        models = {row.runs[0].cell.model_key for row in theirs}
        beside = [
            row
            for row in board.methods
            if row not in theirs and row.runs[0].cell.model_key in models
        ]
        best = next((group for group in groups if group[0] not in theirs), [])
        return [*theirs, *(beside[:MAX_ROWS] or best[:MAX_BEST])]
    count = (
        1 if len(groups) > MAX_ROWS else max(MAX_ROWS // max(len(groups), 1), MIN_ROWS_PER_NETWORK)
    )
    return [row for group in groups for row in group[:count]]


MAX_TERMINAL_ROWS = 8
"""Largest number of rows of the table in a terminal, with the two baselines that see no image."""


def terminal(board: Leaderboard) -> Table:
    """Return the table that a run prints: the best methods, a user's first, and the baselines that see no image."""
    others = [row for row in board.methods if row not in board.theirs]
    ranked_rows = [*by_score(board.theirs), *by_score(others)]
    blind = board.blind(ranked_rows[0]) if ranked_rows else []
    methods = ranked_rows[: MAX_TERMINAL_ROWS - len(blind)]
    columns = (
        TableColumn(NETWORK, lambda row: network_cell(row) if row.is_method else BASELINES),
        NAME,
        replace(MEAN, heading="IoU > .3"),
        _shares("hit@iou.5", "IoU > .5"),
        DIFFERENCE,
        TableColumn(VERDICT, lambda row: _first_verdict(row, board.added_of(row))),
    )
    rest = len(board.methods) - len(methods)
    table = tabulated(f"{board.title}: best methods", "", columns, (*methods, *blind))
    return replace(table, footnote=f"{counted(rest, 'more row')} on the page." if rest else "")


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
    for name, heading in zip(names, literature.headings(names), strict=True):
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
    words = [] if row.auroc is None else [number(row.auroc, digits=2)]
    words += (
        ["weak classifier"] if row.auroc is not None and row.auroc < grouping.WEAK_AUROC else []
    )
    words += ["one run"] if row.is_single else []
    words += [PUBLISHED] if row.is_published else []
    words += [f"external, by {row.contributed_by}"] if row.contributed_by else []
    return f"{row.network} ({', '.join(words)})" if words else row.network


def by_finding(board: Leaderboard) -> Table:
    """Return the main column by finding: the best methods of the best row's network, then two baselines, then n."""
    methods = best_network(board)[:MAX_BEST]
    title = f"{board.title}: hits at IoU > .3 by finding"
    if not methods:
        return Table(title, "", (), ())
    names = list(methods[0].findings)
    rows = [*methods, *board.blind(methods[0])]
    lines = [
        (row.name, *(number(row.findings.get(name, Estimate(None)).value) for name in names))
        for row in rows
    ]
    lines.append(("n", *(str(methods[0].findings[name].n) for name in names)))
    return Table(
        title, f"The best methods of {methods[0].network}.", (METHOD, *names), tuple(lines)
    )


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


def corrected(board: Leaderboard) -> float | None:
    """Return the score of the ``best`` row without the advantage of its selection; None for one row or few patients.

    The best row is chosen on half of the patients and scored on the others: see ``corrected_best``.
    """
    rows = [row for row in board.theirs or board.methods if row.by_patient is not None]
    column = board.column(MAIN, rows)
    if column is None or len(rows) < 2 or column.jackknife.shape[1] < 2 * MIN_PATIENTS:
        return None
    keys = [
        [record.key for record in row.runs] for row in rows if column.entry(row.runs) is not None
    ]
    hits = np.stack(
        [column.hits[:, [column.columns[key] for key in of_row]].mean(1) for of_row in keys], 1
    )
    return corrected_best(column.groups.sums(hits, np.ones_like(hits)))


def networks(board: Leaderboard) -> Table:
    """Return a row per network with its mean over methods; empty unless two have several training runs."""
    several = [
        row
        for row in board.networks
        if row.by_patient is not None and len(row.by_patient.theta) > 1
    ]
    runs = TableColumn("runs", lambda row: str(len(row.runs)))
    columns = (TableColumn(NETWORK, network_cell), MEAN, runs, DIFFERENCE, AGAINST_OTHERS)
    about = (
        f"The mean is over {grouping.listed(board.rank_methods)}. {FROM_FLOOR}"
        if len(several) > 1
        else ""
    )
    return tabulated(
        f"{board.title}: networks", about, columns, board.networks if len(several) > 1 else ()
    )


def effects(board: Leaderboard, most: int | None = None) -> Table:
    """Return a row per method with its mean over the networks, best first; ``most``: number of rows."""
    rest = len(board.effects[most:]) if most is not None else 0
    title = f"{board.title}: methods over networks"
    intro = f"The methods that all networks with several runs and similar grids have. {FROM_FLOOR}"
    columns = (NAME, _shares(MAIN, "mean, IoU > .3"), DIFFERENCE, AGAINST_OTHERS)
    table = tabulated(title, intro, columns, board.effects[:most])
    return replace(table, footnote=f"{rest} more methods are on the page." if rest else "")


def verdict(row: Row) -> str:
    """Say whether a row may be the best, or by how much it is behind which other row."""
    if row.in_top_group is None:
        return row.note or NOTHING
    if row.in_top_group:
        return "may be the best"
    if row.best_other is None or not row.significantly_worse:
        return NOT_SHOWN_ABOVE
    return f"behind {row.best_other.other} by {number(row.best_other.estimate)}"


@lru_cache(maxsize=4)
def people(board: Leaderboard) -> Table:
    """Return boxes drawn by people and the best methods on the same cases; empty if nobody drew boxes."""
    rows, lines = [*best_network(board)[:MAX_BEST], *board.blind()], []
    records = [record for row in (*board.people, *rows) for record in row.runs]
    cases = read_columns(
        records if board.people else [], board.folders, (AGREEMENT, MAIN, f"{MEAN_PREFIX}{MAIN}")
    )
    for person in (person for person in board.people if person.runs[0].key in cases.columns):
        marked = np.isfinite(cases.wide([person.runs[0].key], AGREEMENT)[:, 0])
        lines.append((person.name, number(person.main), str(person.main.n)))
        lines += [(row.name, number(_on(row, marked, cases)), str(marked.sum())) for row in rows]
    note = "Boxes of other radiologists against the truth, and the best methods on the same cases."
    head = ("row", "IoU > .3 on these cases", "n")
    return Table(f"{board.title}: people and methods on the same cases", note, head, tuple(lines))


def _on(row: Row, marked: NDArray[np.bool_], cases: CaseColumns) -> float | None:
    """Return the main column of a row on the ``marked`` cases: mean over findings, then over training runs."""
    if any(record.key not in cases.columns for record in row.runs):
        return None
    keys = [record.key for record in row.runs]
    hits, findings = cases.spread(keys, cases.hits(MAIN))[marked], cases.findings[marked]
    return float(
        np.mean([np.nanmean(hits[findings == finding], 0) for finding in np.unique(findings)])
    )


def notes(board: Leaderboard) -> list[str]:
    """Return at most five lines on what the tables are based on."""
    if not board.methods:
        return []
    based_on = (board.theirs or board.methods)[0].runs[0].rests_on
    facts = {
        grouping.COUNTED.get(word, word): n for word, n in based_on.items() if word != "trainings"
    }
    counts = ", ".join(f"{n:,} {word}" for word, n in facts.items() if isinstance(n, int))
    basis = [f"Based on {counts}."] if counts else []
    trained = [group for group in board.of_networks if not group[0].is_external]
    if trained and not networks(board).rows:  # that table has a column of them
        several = any(len(group[0].runs) > 1 for group in trained)
        words = ", ".join(f"{group[0].network} {len(group[0].runs)}" for group in trained)
        basis.append(f"Training runs: {words if several else 'one per network'}.")
    machines = list(
        dict.fromkeys(describe(r.training) for group in trained for row in group for r in row.runs)
    )
    more = f", and {counted(len(machines) - 3, 'other')}" if len(machines) > 3 else ""
    basis += [f"Trained on: {'; '.join(machines[:3])}{more}."] * bool(machines)
    if all(grouping.BOXED in row.scores for row in board.methods):
        boxed = sorted(row.scores[grouping.BOXED].value or 0.0 for row in board.methods)
        words = " to ".join(
            dict.fromkeys(number(auroc, digits=2) for auroc in (boxed[0], boxed[-1]))
        )
        basis.append(f"AUROC of the classifiers on the images with boxes: {words}.")
    partial_rows = (
        row for row in board.methods if any(name not in row.scores for name in grouping.COLUMNS)
    )
    if lacking := dict.fromkeys(row.network for row in partial_rows):
        basis.append(
            f"A dash in the first table: not stored for every training run of {grouping.listed([*lacking])}."
        )
    lines = [" ".join(basis)]
    if declared := {
        row.network: data for row in board.methods if (data := row.cell.recipe.get("trained_on"))
    }:
        lines.append(
            f"Training data as declared: {'; '.join(f'{name}: {data}' for name, data in declared.items())}."
        )
    if solved := board.solved:
        known = "its place is known without an image"
        lines.append(
            f"`prior` hits at least nine of ten cases of {grouping.listed(solved)}: {known}."
        )
    if board.floors_are_made_again is not None:
        lines.append(FLOORS_MADE_AGAIN if board.floors_are_made_again else FLOORS_HELD_FIXED)
    return lines


FLOORS_MADE_AGAIN = (
    "FullGrad's intervals: 1,000 resamples of patients choose its score thresholds again. Those of its differences "
    "from `prior` and `fixed_box` also make both again, each time with new folds of the patients."
)
FLOORS_HELD_FIXED = (
    "FullGrad's intervals: 1,000 resamples of patients choose its score thresholds again. Those of its differences "
    "hold `prior` and `fixed_box` fixed, so they are too narrow: `floors.parquet` is missing or has other cases "
    "(`python -m tools.floor_resamples`)."
)


NAME = TableColumn(METHOD, lambda row: row.name, "bold")
NETWORK_COLUMN = TableColumn(
    NETWORK, lambda row: network_cell(row) if row.is_method else row.note or BASELINES
)
MEAN = TableColumn("mean over methods, IoU > .3", lambda row: number(row.main), "interval")
DIFFERENCE = TableColumn("difference", over_floor, "difference")
AGAINST_OTHERS = TableColumn(VERDICT, verdict)
"""Columns that several tables have."""

CELL = tuple(name for name in CELL_FIELDS if name not in ("method", "protocol"))
"""Fields of the cell in ``leaderboard.csv``."""
FURTHER = (
    *(("anyhit@iou.3", "cross-fitted"), ("boxes_per_case", "cross-fitted"), ("optimism", None)),
    *((MAIN, threshold_source) for threshold_source in ("oracle", "validation", "fixed", "otsu")),
)
"""Further means of records in ``leaderboard.csv``: metric and source of its threshold."""
Value = float | int | str | None


def data_frame(rows: Sequence[Row]) -> "pd.DataFrame":
    """Return a line per row with network, method and the columns of the threshold table, in their order, as numbers.

    Columns: ``network``, ``method``, ``runs``, ``auroc``, ``COLUMNS`` with ``low`` and ``high`` (95% interval of
    ``hit@iou.3``) and ``UNSOLVED`` if findings are solved, ``minus_floor``, ``minus_prior`` and ``minus_fixed_box``
    (differences from them), ``above_baselines``, ``in_top_group`` and ``note``.
    """
    import pandas as pd  # slow to import, and not needed for tables

    has_solved = any(grouping.UNSOLVED in row.scores for row in rows)
    lines = pd.DataFrame([_numbers(row, has_solved) for row in rows])
    table = lines.rename(columns={f"{name}_difference": f"minus_{name}" for name in BLIND})
    floors = [row.over_floor.estimate.value if row.over_floor is not None else None for row in rows]
    table["minus_floor"] = pd.Series(floors, dtype=float)
    after = {MAIN: ("low", "high", grouping.UNSOLVED)}
    shares = [word for name in grouping.COLUMNS for word in (name, *after.get(name, ()))]
    differences = ("minus_floor", *(f"minus_{name}" for name in BLIND))
    names = (
        "network",
        "method",
        "runs",
        "auroc",
        *shares,
        *differences,
        "above_baselines",
        "in_top_group",
        "note",
    )
    return table[[name for name in names if name in table]]


def leaderboard_csv(boards: Sequence[Leaderboard]) -> str:
    """Return the text of ``leaderboard.csv``: a line per row with all numbers, networks last.

    Suites without such rows have a line per record. Numbers have six digits: further ones depend on the processor.
    """
    lines = [line for board in boards for line in _lines(board)]
    names = list(dict.fromkeys(name for line in lines for name in line)) or [*CELL]
    values = ([line.get(name, "") for name in names] for line in lines)
    return csv_text(
        [names, *([f"{v:.6g}" if isinstance(v, float) else v for v in row] for row in values)]
    )


def _lines(board: Leaderboard) -> Iterator[dict[str, Value]]:
    rows = (*board.methods, *board.baselines, *board.people)
    yield from map(partial(_numbers, solved=bool(board.solved)), (*rows, *board.networks))
    yield from literature.PublishedResults(board).lines()
    if not rows:  # a suite of other protocols, or a check
        names = dict.fromkeys(
            record.cell.protocol for record in board.records if record.source == "run"
        )
        for word in (name for name in names if name != CLASSIFICATION):
            yield from map(_of_protocol, board.of_protocol(word))


def _numbers(row: Row, solved: bool) -> dict[str, Value]:
    """Return a line of ``leaderboard.csv``."""
    of_network = row.kind == "network"
    line = _named(row)
    if row.cell.fitted_on is not None:
        line["fitted_on"] = row.cell.fitted_on
    line |= {
        "images": row.cell.images,
        "kind": _kind(row),
        "method": "" if of_network else row.name,
    }
    line |= {"runs": len(row.runs), "auroc": row.auroc}
    line |= {
        name: row.share(name)
        for name in (grouping.BOXED, *grouping.COLUMNS, *[grouping.UNSOLVED] * solved)
    }
    line |= {"low": row.main.low, "high": row.main.high, "n": row.main.n or None}
    line |= {"in_top_group": row.in_top_group, "above_baselines": row.above_baselines}
    gaps = {gap.other: gap for gap in row.over_baselines}
    for name, gap in (*((name, gaps.get(name)) for name in BLIND), ("best_other", row.best_other)):
        line |= _comparison(name, gap)
    line |= {SPREAD: row.share(SPREAD)}
    for metric, threshold_source in FURTHER:
        name = metric if metric != MAIN else f"{metric},{threshold_source}"
        line[name] = None if of_network else row.value(metric, threshold_source)
    line |= {f"n_{name}": share.n for name, share in row.findings.items()}
    return line | {name: share.value for name, share in row.findings.items()} | {"note": row.note}


def _named(row: Row) -> dict[str, Value]:
    """Return the name of the network and the fields of the cell."""
    network = row.network if row.has_network else ""
    return {"network": network, **{name: getattr(row.cell, name) for name in CELL}}


def _kind(row: Row) -> str:
    """Return method, baseline, upper bound (also people) or network."""
    if row.kind == "network" or row.is_method:
        return row.kind
    return "upper bound" if row.cell.method in UPPER_BOUND_AND_PEOPLE else "baseline"


def _comparison(name: str, gap: Difference | None) -> dict[str, Value]:
    parts = [f"{name}_{part}" for part in ("row", "difference", "low", "high", "p")]
    values = [None] * len(parts) if gap is None else [gap.other, *gap.estimate[:3], gap.p]
    return dict(zip(parts, values, strict=True))


def _of_protocol(row: Row) -> dict[str, Value]:
    """Return the line of a row of another protocol or a check: all its means, the main ones with their interval."""
    line = _named(row)
    line |= {"protocol": row.cell.protocol, "method": row.name}
    for one in row.select("mean"):
        is_main = one.threshold_source in ("none", "cross-fitted")
        name = one.metric if is_main else f"{one.metric},{one.threshold_source}"
        line[name] = one.value
        line |= (
            {}
            if one.low is None or not is_main
            else {f"{name}_low": one.low, f"{name}_high": one.high}
        )
    return line
