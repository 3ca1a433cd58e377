"""All tables of a data set, with those of validity checks and of papers.

``tables_of`` returns the ``DatasetTables``. ``CheckReport`` is the base class of the reports of validity checks, which
are in ``locus.benchmark.validity``. The tables are made in ``main_table`` and ``detail_tables``, the files in
``tables``.
"""

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from locus.benchmark.report import by_protocol, detail_tables, literature, main_table, select
from locus.benchmark.report.charts import Chart
from locus.benchmark.report.detail_tables import LAYOUTS, layout_of_means
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.table import Table
from locus.config import CHECKS
from locus.core.names import CLASSIFICATION, MAIN_PROTOCOL


class CheckReport:
    """Tables and answer of a check on a data set. A subclass is in ``locus.benchmark.validity.<check>_report``."""

    question: ClassVar[str]
    """Question of the check, used as a heading."""
    limit: ClassVar[str] = ""
    """A sentence on what the check does not show."""

    def __init__(self, check: str, leaderboard: Leaderboard) -> None:
        """Select the rows of ``check`` on the data set of a ``leaderboard``."""
        self.check, self.leaderboard, self.dataset = check, leaderboard, leaderboard.dataset
        self.rows = select.of_protocol(leaderboard.records, leaderboard.dataset, check)

    def tables(self) -> list[Table]:
        """Return the tables of the check; called only if there are ``rows``."""
        raise NotImplementedError

    def sentences(self) -> Iterator[str]:
        """Return the conclusions in sentences; called only if there are ``rows``."""
        raise NotImplementedError

    def chart(self) -> Chart | None:
        """Return the chart of the check's page; None without one or without data."""
        return None


def reports(leaderboard: Leaderboard) -> list[CheckReport]:
    """Return the report of each check that has records of a data set, in the order of the checks' names."""
    modules = {name: importlib.import_module(f"locus.benchmark.validity.{name}_report") for name in CHECKS}
    all_reports = (getattr(part, f"{name.capitalize()}Report")(name, leaderboard) for name, part in modules.items())
    return [report for report in all_reports if report.rows]


SPECIFIC = frozenset({MAIN_PROTOCOL, CLASSIFICATION, *(layout.protocol for layout in LAYOUTS)})
"""Protocols with a specific table or layout; any other uses the layout of means."""
DETAILS = (detail_tables.per_training_run, detail_tables.by_threshold, detail_tables.strata)


@dataclass(frozen=True)
class DatasetTables:
    """The tables of a data set, in the order of a page; a table without rows is left out."""

    leaderboard: Leaderboard
    reports: tuple[CheckReport, ...]
    """Validity checks."""
    checks: tuple[Table, ...]
    """Their tables, or that of several protocols."""
    details: tuple[Table, ...]
    """Training runs, origins of thresholds, groups of cases."""
    protocols: tuple[Table, ...]
    """Tables of the other protocols; a protocol may have several."""
    literature: tuple[Table, ...]
    """Published results beside ``fixed_box``."""
    papers: tuple[Table, ...]
    """Baselines over all columns if no method was run, and further tables of published results."""

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
        return (*self.main, *self.checks[:1]) or self.protocols

    def _main(self, complete: bool) -> tuple[Table, ...]:
        board = self.leaderboard
        tables = (
            *([] if self.literature and not board.methods else [main_table.thresholds(board, complete)]),
            main_table.by_finding(board),
            main_table.networks(board),
            main_table.effects(board, None if complete else main_table.EFFECTS),
            main_table.people(board),
        )
        return tuple(table for table in tables if table.rows)


def tables_of(leaderboard: Leaderboard) -> DatasetTables:
    """Return all tables of one data set; protocols without a layout, such as a user's, use the layout of means."""
    records = leaderboard.records
    words = sorted({r.cell.protocol for r in records if r.source != "paper"} - SPECIFIC - {*CHECKS})
    layouts = [*LAYOUTS, *(layout_of_means(word, records) for word in words)]
    check_reports = tuple(reports(leaderboard))
    beside_papers = literature.short_tables(leaderboard)
    baselines = [main_table.thresholds(leaderboard)] if beside_papers and not leaderboard.methods else []
    return DatasetTables(
        leaderboard,
        check_reports,
        (*_given([by_protocol.table(leaderboard)]), *(table for report in check_reports for table in report.tables())),
        _given(make(leaderboard) for make in DETAILS) if leaderboard.methods else (),
        _given(layout.fill(leaderboard) for layout in layouts),
        beside_papers,
        (*_given(baselines), *literature.more_tables(leaderboard)),
    )


def _given(tables: Iterable[Table]) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)
