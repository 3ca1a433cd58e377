"""Base class of the reports of validity checks."""

import importlib
from collections.abc import Iterator
from typing import ClassVar

from benchmark.report import select
from benchmark.report.charts.chart import Chart
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.table import Table
from core.flags.choices import CHECKS


class CheckReport:
    """Tables and answer of a check on a data set. A subclass is in the package of its check, in ``report.py``."""

    question: ClassVar[str]
    """Question of the check, used as a heading."""
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
        raise NotImplementedError

    def sentences(self) -> Iterator[str]:
        """Return the conclusions in sentences; called only if there are ``rows``."""
        raise NotImplementedError


def reports(leaderboard: Leaderboard) -> list[CheckReport]:
    """Return the report of each check that has records of a data set, in the order of the checks' names."""
    modules = {name: importlib.import_module(f"benchmark.validity.{name}.report") for name in CHECKS}
    all_reports = (getattr(part, f"{name.capitalize()}Report")(name, leaderboard) for name, part in modules.items())
    return [report for report in all_reports if report.rows]
