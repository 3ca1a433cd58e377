"""Base class and registry of the reports of validity checks."""

from collections.abc import Iterator
from typing import ClassVar

from benchmark.report import select
from benchmark.report.charts.chart import Chart
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.leaderboard.layout import layout_of_means
from benchmark.report.table import Table
from core.names import CHECKS
from core.registry import Registry

REPORTS = Registry("benchmark.validity", "report of a check", module="report")
"""Report classes by the name of the check, for checks that have one."""


class CheckReport:
    """Tables and answer of a check on a data set. A subclass is in the package of its check, in ``report.py``.

    This base class reports any other check: a table of all means, and no sentences.
    """

    name: ClassVar[str]
    """Name of the check."""
    question: ClassVar[str] = ""
    """Question of the check, used as a heading; empty for a check without an answer in sentences."""
    limit: ClassVar[str] = ""
    """A sentence on what the check does not show."""
    charts: ClassVar[tuple[Chart, ...]] = ()
    """Charts of the check's page."""

    def __init__(self, check: str, leaderboard: Leaderboard) -> None:
        """Select the rows of ``check`` on the data set of a ``leaderboard``."""
        self.check, self.leaderboard, self.dataset = check, leaderboard, leaderboard.dataset
        self.rows = select.of_check(leaderboard.records, leaderboard.dataset, check)

    def tables(self) -> list[Table]:
        """Return the tables of the check; called only if there are ``rows``."""
        return [layout_of_means(self.check, self.rows).table(self.rows, self.dataset)]

    def sentences(self) -> Iterator[str]:
        """Return the conclusions in sentences; called only if there are ``rows``."""
        return iter(())


def reports(leaderboard: Leaderboard) -> list[CheckReport]:
    """Return the report of each check that has records of a data set, in the order of the checks' names."""
    classes = {name: REPORTS.get(name) if name in REPORTS.names() else CheckReport for name in CHECKS.names()}
    all_reports = (report_class(name, leaderboard) for name, report_class in classes.items())
    return [report for report in all_reports if report.rows]
