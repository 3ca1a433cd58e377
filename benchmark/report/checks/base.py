"""What the report says of a validity check, and which check has a file of its own here."""

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
"""Reports with a file of their own, by the check's name."""


class CheckReport:
    """The tables of a check on a data set and its answer; a subclass stands in a file of its own, named as the check.

    This one is that of a check without such a file: a table of every mean, and no sentence.
    """

    name: ClassVar[str]
    """The check's word."""
    question: ClassVar[str] = ""
    """What it asks, as a heading; nothing: it has no answer in words."""
    limit: ClassVar[str] = ""
    """What it does not show, in a sentence."""

    def __init__(self, check: str, records: Sequence[Record], dataset: str) -> None:
        """``check``: its word; ``records``: a suite's, of which ``rows`` are the check's on ``dataset``."""
        self.check, self.records, self.dataset = check, records, dataset
        self.rows = select.of_check(records, dataset, check)

    def tables(self) -> list[Table]:
        """The check's tables; asked for only where there are ``rows``."""
        layout = layout_of_means(self.check, self.rows)
        intro = f"{layout.about}\n{basis_lines(self.rows, layout.thresholds)}"
        return [tabulated(f"{self.dataset}: {self.check}", intro, [*NAMES_AND_ALIGNMENT, *layout.columns], self.rows)]

    def sentences(self) -> Iterator[str]:
        """What follows from the numbers, in words; asked for only where there are ``rows``."""
        return iter(())


@dataclass(frozen=True)
class CheckAnswer:
    """A check's question on a data set and its answer."""

    question: str
    sentences: tuple[str, ...]
    limit: str
    """What the check does not show."""
    behind: tuple[Record, ...]
    """The records that it rests on."""


def reports(records: Sequence[Record], dataset: str) -> list[CheckReport]:
    """One of each check that has records of a data set, in the order of their words."""
    classes = {word: REPORTS.get(word) if word in REPORTS.names() else CheckReport for word in select.CHECKS.names()}
    each = (kind(word, records, dataset) for word, kind in classes.items())
    return [report for report in each if report.rows]


def tables(records: Sequence[Record], dataset: str) -> list[Table]:
    """What the checks say of a data set, check by check."""
    return [table for report in reports(records, dataset) for table in report.tables()]


def answers(records: Sequence[Record], dataset: str) -> list[CheckAnswer]:
    """The answer of each check that has records of a data set; none for a check without sentences.

    A question, sentences that follow from the numbers, and what the check does not show.
    """
    asked = (report for report in reports(records, dataset) if report.question)
    return [CheckAnswer(one.question, tuple(one.sentences()), one.limit, tuple(one.rows)) for one in asked]
