"""Table of the trainings behind the entries of the leaderboard, one by one."""

from collections.abc import Sequence
from dataclasses import replace

from benchmark.records.record import Record
from benchmark.report import ranking, select
from benchmark.report.columns import NAMES, count, score, tabulated
from benchmark.report.entries import mean_record, trainings
from benchmark.report.leaderboard import INTERVALS, THRESHOLDS
from benchmark.report.rests import basis_lines
from benchmark.report.table import Table, with_interval
from core.names import MAIN

ABOUT = "Each interval is of this network alone, over patients: another training is another row."


def one_by_one(records: Sequence[Record], dataset: str) -> Table | None:
    """A row per training of each entry of several, best entry first; None where no entry has several."""
    groups = {mean_record(group).key: group for group in trainings(select.board(records, dataset)) if len(group) > 1}
    rows = [
        record
        for entry in ranking.ranked([mean_record(group) for group in groups.values()])
        for record in groups[entry.key]
    ]
    if not rows:
        return None
    columns = [
        *(replace(column, kind="model") if column.heading == "seed" else column for column in NAMES),
        score(MAIN, "cross-fitted", f"{MAIN} [95 % of this network]", with_interval),
        score("pointing", formatter=with_interval),
        count(MAIN, "cross-fitted"),
    ]
    intro = f"{basis_lines(rows, THRESHOLDS)}\n{INTERVALS}\n{ABOUT}"
    return tabulated(f"{dataset}: trainings one by one", intro, columns, rows)
