"""All tables of a data set, with those of validity checks and of papers.

``DatasetTables`` has them; each is made when it is read. ``CheckReport`` is the base class of the reports of validity
checks, which are in ``locus.benchmark.validity`` and are handed over. The tables are made in ``main_table`` and
``detail_tables``, the files in ``tables``.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from locus.benchmark.report import by_protocol, detail_tables, literature, main_table
from locus.benchmark.report.charts import Chart
from locus.benchmark.report.detail_tables import LAYOUTS, layout_of_means
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.table import Table
from locus.core.names import CLASSIFICATION, MAIN_PROTOCOL


class CheckReport:
    """Tables and answer of a check on a data set. A subclass is in ``locus.benchmark.validity.<check>_report``."""

    check: ClassVar[str]
    """Name of the check."""
    question: ClassVar[str]
    """Question of the check, used as a heading."""
    limit: ClassVar[str] = ""
    """A sentence on what the check does not show."""
    shown: ClassVar[int] = 1
    """Number of its tables in ``leaderboard.md`` and above the fold of the page; the others are below it."""

    writes_chart: ClassVar[bool] = False
    """Whether its chart is also a file, named after the data set."""

    def __init__(self, leaderboard: Leaderboard) -> None:
        """Select the rows of the check on the data set of a ``leaderboard``."""
        self.leaderboard, self.dataset = leaderboard, leaderboard.dataset
        self.rows = leaderboard.of_protocol(self.check)

    def tables(self) -> list[Table]:
        """Return the tables of the check; called only if there are ``rows``."""
        raise NotImplementedError

    def sentences(self) -> Iterator[str]:
        """Return the conclusions in sentences; called only if there are ``rows``."""
        raise NotImplementedError

    def chart(self) -> Chart | None:
        """Return the chart of the check's page; None without one or without data."""
        return None


SPECIFIC = frozenset({MAIN_PROTOCOL, CLASSIFICATION, *(layout.protocol for layout in LAYOUTS)})
"""Protocols with a specific table or layout; any other uses the layout of means."""
DETAILS = (detail_tables.per_training_run, detail_tables.by_threshold, detail_tables.strata)


@dataclass(frozen=True, eq=False)
class DatasetTables:
    """The tables of a data set, in the order of a page; a table without rows is left out."""

    leaderboard: Leaderboard
    checks: Sequence[type[CheckReport]] = ()
    """Reports of the validity checks that its records may have."""

    @cached_property
    def reports(self) -> tuple[CheckReport, ...]:
        """The reports of the checks that have rows."""
        return tuple(report for check in self.checks if (report := check(self.leaderboard)).rows)

    @cached_property
    def full(self) -> tuple[Table, ...]:
        """The main tables: thresholds, findings, comparisons of networks and of methods, people."""
        return self._main(complete=True)

    @cached_property
    def short(self) -> tuple[Table, ...]:
        """The main tables with the best methods only, for a terminal and ``leaderboard.md``."""
        return self._main(complete=False)

    @property
    def main(self) -> tuple[Table, ...]:
        """The ``short`` tables, with published results after the threshold table or, without one, first."""
        count = 1 if self.leaderboard.methods else 0
        return (*self.short[:count], *self.literature, *self.short[count:])

    @property
    def printed(self) -> tuple[Table, ...]:
        """The tables of a terminal and of ``leaderboard.md``; without a main one, those of the other protocols."""
        return (*self.main, *self.of_checks[:1]) or self.protocols

    @property
    def shown(self) -> int:
        """The number of tables of checks that are shown first."""
        return max((report.shown for report in self.reports), default=1)

    @cached_property
    def of_checks(self) -> tuple[Table, ...]:
        """The tables of validity checks, or that of several protocols."""
        of_reports = (table for report in self.reports for table in report.tables())
        return _given([by_protocol.table(self.leaderboard), *of_reports])

    @cached_property
    def details(self) -> tuple[Table, ...]:
        """Training runs, origins of thresholds, groups of cases."""
        return _given(make(self.leaderboard) for make in DETAILS) if self.leaderboard.methods else ()

    @cached_property
    def protocols(self) -> tuple[Table, ...]:
        """Tables of the other protocols; a protocol may have several. Those of users have the layout of means."""
        board = self.leaderboard
        scored = {record.cell.protocol for record in board.records if record.source != "paper"}
        words = sorted(scored - SPECIFIC - {check.check for check in self.checks})
        layouts = [*LAYOUTS, *(layout_of_means(word, board.of_protocol(word)) for word in words)]
        return _given(layout.fill(board) for layout in layouts)

    @cached_property
    def literature(self) -> tuple[Table, ...]:
        """Published results beside ``fixed_box``."""
        return literature.short_tables(self.leaderboard)

    @cached_property
    def papers(self) -> tuple[Table, ...]:
        """Baselines over all columns if no method was run, and further tables of published results."""
        board = self.leaderboard
        baselines = [main_table.thresholds(board)] if self.literature and not board.methods else []
        return (*_given(baselines), *literature.more_tables(board))

    def _main(self, complete: bool) -> tuple[Table, ...]:
        board = self.leaderboard
        thresholds = [] if self.literature and not board.methods else [main_table.thresholds(board, complete)]
        return _given(
            (
                *thresholds,
                main_table.by_finding(board),
                main_table.networks(board),
                main_table.effects(board, None if complete else main_table.EFFECTS),
                main_table.people(board),
            )
        )


def _given(tables: Iterable[Table]) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)
