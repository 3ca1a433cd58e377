"""The main column looked at more closely: finding by finding, and at each threshold's origin."""

from collections.abc import Callable, Sequence

from benchmark.records.record import Record
from benchmark.records.score import Score
from benchmark.report import select
from benchmark.report.columns import NAMES, tabulated, with_common_n
from benchmark.report.leaderboard import INTERVALS, THRESHOLDS, board
from benchmark.report.origins import ORIGINS, SHARED, origins
from benchmark.report.rests import basis_lines
from benchmark.report.table import Table, with_interval
from core.names import MAIN


def per_finding(records: Sequence[Record], dataset: str) -> Table | None:
    """The main column finding by finding; n in the header where all rows agree, else in the cells."""
    rows = board(records, dataset)
    if not rows:
        return None
    findings = dict.fromkeys(finding for r in rows for _, finding in r.names(MAIN))
    columns = [with_common_n(finding, _of(finding), rows, with_interval) for finding in findings]
    return tabulated(
        f"{dataset}: {MAIN} per finding",
        f"{basis_lines(select.board(records, dataset), THRESHOLDS)}\n{INTERVALS}",
        [*NAMES, *columns],
        rows,
    )


def by_threshold(records: Sequence[Record], dataset: str) -> Table | None:
    """The main column at each origin of the score threshold, and how much the oracle flatters."""
    rows = board(records, dataset)
    if not rows:
        return None
    intro = f"{basis_lines(select.board(records, dataset), ORIGINS)}\n{SHARED}"
    return tabulated(f"{dataset}: thresholds ({MAIN})", intro, [*NAMES, *origins(MAIN)], rows)


def _of(finding: str) -> Callable[[Record], Score | None]:
    return lambda record: select.main_score(record, finding)
