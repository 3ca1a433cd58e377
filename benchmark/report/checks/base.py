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
    """The tables of a check and its answer in sentences; a subclass stands in a file of its own, named as the check.

    This one is that of a check without such a file: a table of every mean, and no sentence.
    """

    name: ClassVar[str]
    """The check's word."""
    question: ClassVar[str] = ""
    """What it asks, as a heading; nothing: it has no answer in words."""
    limit: ClassVar[str] = ""
    """What it does not show, in a sentence."""

    def __init__(self, word: str) -> None:
        """``word``: the check's."""
        self.word = word

    def tables(self, records: Sequence[Record], dataset: str) -> list[Table]:
        """The check's tables on a data set, from a suite's ``records``; nothing without a record of the check."""
        rows = select.of_check(records, dataset, self.word)
        layout = layout_of_means(self.word, rows)
        intro = f"{layout.about}\n{basis_lines(rows, layout.thresholds)}"
        columns = [*NAMES_AND_ALIGNMENT, *layout.columns]
        return [tabulated(f"{dataset}: {self.word}", intro, columns, rows)] if rows else []

    def sentences(self, records: Sequence[Record], dataset: str) -> Iterator[str]:
        """What follows from the numbers, in words."""
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


def reports() -> list[CheckReport]:
    """One of each check, in the order of their words."""
    own_files = REPORTS.names()
    return [(REPORTS.get(word) if word in own_files else CheckReport)(word) for word in select.CHECKS.names()]


def tables(records: Sequence[Record], dataset: str) -> list[Table]:
    """What the checks say of a data set, check by check."""
    return [table for report in reports() for table in report.tables(records, dataset)]


def answers(records: Sequence[Record], dataset: str) -> list[CheckAnswer]:
    """The answer of each check that has records of a data set; none for a check without sentences.

    A question, sentences that follow from the numbers, and what the check does not show.
    """
    asked = [(report, tuple(select.of_check(records, dataset, report.word))) for report in reports() if report.question]
    return [
        CheckAnswer(report.question, tuple(report.sentences(records, dataset)), report.limit, behind)
        for report, behind in asked
        if behind
    ]
