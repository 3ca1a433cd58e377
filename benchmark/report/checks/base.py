"""Base class and registry of the reports of validity checks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.basis import basis_lines
from benchmark.report.columns import NAMES_AND_ALIGNMENT, tabulated
from benchmark.report.protocols.layout import layout_of_means
from benchmark.report.table import Table
from core.registry import Registry

REPORTS = Registry("benchmark.report.checks", "report of a check")
"""Report classes by the name of the check."""


class CheckReport:
    """Tables and answer of a check on a data set. Each subclass has its own file, named after the check.

    This base class reports any other check: a table of all means, and no sentences.
    """

    name: ClassVar[str]
    """Name of the check."""
    question: ClassVar[str] = ""
    """Question of the check, used as a heading; empty for a check without an answer in sentences."""
    limit: ClassVar[str] = ""
    """A sentence on what the check does not show."""

    def __init__(self, check: str, records: Sequence[Record], dataset: str) -> None:
        """Select the rows of ``check`` on ``dataset`` from the ``records`` of a suite."""
        self.check, self.records, self.dataset = check, records, dataset
        self.rows = select.of_check(records, dataset, check)

    def tables(self) -> list[Table]:
        """Return the tables of the check; called only if there are ``rows``."""
        layout = layout_of_means(self.check, self.rows)
        intro = f"{layout.about}\n{basis_lines(self.rows, layout.thresholds)}"
        return [tabulated(f"{self.dataset}: {self.check}", intro, [*NAMES_AND_ALIGNMENT, *layout.columns], self.rows)]

    def sentences(self) -> Iterator[str]:
        """Return the conclusions in sentences; called only if there are ``rows``."""
        return iter(())


@dataclass(frozen=True)
class CheckAnswer:
    """A check's question on a data set and its answer."""

    question: str
    sentences: tuple[str, ...]
    limit: str
    """What the check does not show."""
    behind: tuple[Record, ...]
    """Records behind the answer."""


def reports(records: Sequence[Record], dataset: str) -> list[CheckReport]:
    """Return the report of each check that has records of a data set, in the order of the checks' names."""
    classes = {name: REPORTS.get(name) if name in REPORTS.names() else CheckReport for name in select.CHECKS.names()}
    all_reports = (report_class(name, records, dataset) for name, report_class in classes.items())
    return [report for report in all_reports if report.rows]


def tables(records: Sequence[Record], dataset: str) -> list[Table]:
    """Return the tables of all checks of a data set."""
    return [table for report in reports(records, dataset) for table in report.tables()]


def answers(records: Sequence[Record], dataset: str) -> list[CheckAnswer]:
    """Return the answer of each check that has records of a data set; checks without a question have none."""
    answered = (report for report in reports(records, dataset) if report.question)
    return [CheckAnswer(r.question, tuple(r.sentences()), r.limit, tuple(r.rows)) for r in answered]
