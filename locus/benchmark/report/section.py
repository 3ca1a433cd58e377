"""Parts of a data set's page beside the tables of its methods: validity checks and published results.

``Section``          base class: tables, sentences and a chart
``CheckReport``      base class of the reports of validity checks
``PublishedReport``  base class of the report of published results
``Reports``          the classes of the parts of a page; their packages are above this one
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import ClassVar

from locus.benchmark.report.charts import Chart
from locus.benchmark.report.grouping import Row
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.table import Table


def first_sentence(text: str) -> str:
    """Return the first sentence of a text in Markdown, without bold words and brackets.

    >>> first_sentence("**Class** (LSE): `cam` hits .6 (n 8). More.")
    'Class: `cam` hits .6'
    """
    plain = re.sub(r" \([^)]*\)", "", text.replace("**", ""))
    return plain.partition(". ")[0].removesuffix(".")


class Section(ABC):
    """Tables, answer and chart of a subject on a data set's page."""

    question: ClassVar[str] = ""
    """Question of the section, used as a heading; empty: no heading."""
    limit: ClassVar[str] = ""
    """A sentence on what the section does not show."""
    open_tables: ClassVar[int] = 1
    """Number of its tables that the page shows open; the others are in its part for details."""
    writes_chart: ClassVar[bool] = False
    """Whether its chart is also a file, named after the data set."""

    def __init__(self, leaderboard: Leaderboard) -> None:
        """Set the ``leaderboard`` of the data set."""
        self.leaderboard = leaderboard
        self.dataset = leaderboard.dataset

    @property
    @abstractmethod
    def rows(self) -> Sequence[Row]:
        """The rows of the section; without any, the page leaves it out."""

    @abstractmethod
    def tables(self) -> list[Table]:
        """Return the tables of the section; called only if there are ``rows``."""

    @abstractmethod
    def sentences(self) -> Iterator[str]:
        """Return the conclusions in sentences; called only if there are ``rows``."""

    def in_short(self) -> str:
        """Return the conclusion in about ten words, for the overview of all suites; called only if there are rows."""
        return first_sentence(next(iter(self.sentences()), ""))

    def chart(self) -> Chart | None:
        """Return the chart of the section; None without one or without data."""
        return None


class CheckReport(Section):
    """Tables and answer of a validity check on a data set. A subclass is the ``report`` of its check."""

    def __init__(self, leaderboard: Leaderboard, check: str) -> None:
        """Select the rows of the ``check``, a name, on the data set of a ``leaderboard``."""
        super().__init__(leaderboard)
        self.check = check

    @cached_property
    def rows(self) -> Sequence[Row]:
        """The rows of the check."""
        return self.leaderboard.of_protocol(self.check)


class PublishedReport:
    """Tables, answer and chart of published results on a data set. This base class has none."""

    chart_file: ClassVar[str] = ""
    """Name of the file of its chart."""

    def __init__(self, leaderboard: Leaderboard) -> None:
        """Set the ``leaderboard`` of the data set."""
        self.board = leaderboard

    @property
    def short_tables(self) -> tuple[Table, ...]:
        """The tables beside the main ones."""
        return ()

    @property
    def more_tables(self) -> tuple[Table, ...]:
        """The tables for details."""
        return ()

    @property
    def chart(self) -> Chart | None:
        """The chart; None without one."""
        return None

    def answer(self) -> tuple[str, ...]:
        """Return the conclusions in Markdown."""
        return ()

    def lines(self) -> Iterator[dict[str, str | float | None]]:
        """Yield the lines of the published results in ``leaderboard.csv``."""
        return iter(())


@dataclass(frozen=True, kw_only=True)
class Reports:
    """The classes that report on a data set beside the tables of its methods."""

    checks: Mapping[str, type[CheckReport]] = field(default_factory=dict)
    """Validity check that its records may have -> its report."""
    published: type[PublishedReport] = PublishedReport
    """Report of published results."""
    sections: Sequence[type[Section]] = ()
    """Other sections."""
