"""All tables of a data set, with those of validity checks and of papers.

``tables_of`` returns the ``DatasetTables``. ``CheckReport`` is the base class of the reports of validity checks, which
are in ``locus.benchmark.validity``. The tables are made in ``main_table`` and ``detail_tables``, the files in
``tables``.
"""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from locus.benchmark.records.record import NOT_STATED, Record
from locus.benchmark.report import by_protocol, detail_tables, main_table, select
from locus.benchmark.report.charts import Chart
from locus.benchmark.report.detail_tables import LAYOUTS, layout_of_means
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.table import NOTHING, Table, share
from locus.config import CHECKS
from locus.core.names import CLASSIFICATION, MAIN_PROTOCOL


class CheckReport:
    """Tables and answer of a check on a data set. A subclass is in ``locus.benchmark.validity.<check>_report``."""

    question: ClassVar[str]
    """Question of the check, used as a heading."""
    limit: ClassVar[str] = ""
    """A sentence on what the check does not show."""
    charts: ClassVar[tuple[Chart, ...]] = ()
    """Charts of the check's page."""

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


def reports(leaderboard: Leaderboard) -> list[CheckReport]:
    """Return the report of each check that has records of a data set, in the order of the checks' names."""
    modules = {name: importlib.import_module(f"locus.benchmark.validity.{name}_report") for name in CHECKS}
    all_reports = (getattr(part, f"{name.capitalize()}Report")(name, leaderboard) for name, part in modules.items())
    return [report for report in all_reports if report.rows]


SPECIFIC = frozenset({MAIN_PROTOCOL, CLASSIFICATION, *(layout.protocol for layout in LAYOUTS)})
"""Protocols with a specific table or layout; any other uses the layout of means."""
DETAILS = (detail_tables.per_training_run, detail_tables.by_threshold, detail_tables.strata)
PAPERS_ABOUT = (
    "From papers, not run here. Each row has its own network, images and tuning, so do not compare rows with each "
    "other or with ours. source: first-hand, or second-hand if another paper quotes the number. Mean over findings."
)
PAPERS_HEADER = ("entry", "authors", "year", "paper", "table", "source", "quoted by", "split", "n", "tuned on", "note")


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
    papers: tuple[Table, ...]

    @cached_property
    def full(self) -> tuple[Table, ...]:
        """The main tables: thresholds, findings, comparisons of networks and of methods, people."""
        return self._main(complete=True)

    @cached_property
    def short(self) -> tuple[Table, ...]:
        """The main tables with the best methods only, for a terminal and ``leaderboard.md``."""
        return self._main(complete=False)

    def _main(self, complete: bool) -> tuple[Table, ...]:
        board = self.leaderboard
        tables = (
            main_table.thresholds(board, complete),
            main_table.by_finding(board),
            main_table.networks(board),
            main_table.effects(board, None if complete else main_table.EFFECTS),
            main_table.people(board),
        )
        return tuple(table for table in tables if table.rows)


def tables_of(leaderboard: Leaderboard) -> DatasetTables:
    """Return all tables of one data set; protocols without a layout, such as a user's, use the layout of means."""
    records, dataset = leaderboard.records, leaderboard.dataset
    words = sorted({r.cell.protocol for r in records if r.source != "paper"} - SPECIFIC - {*CHECKS})
    layouts = [*LAYOUTS, *(layout_of_means(word, records) for word in words)]
    check_reports = tuple(reports(leaderboard))
    return DatasetTables(
        leaderboard,
        check_reports,
        (*_given([by_protocol.table(leaderboard)]), *(table for report in check_reports for table in report.tables())),
        _given(make(leaderboard) for make in DETAILS) if leaderboard.methods else (),
        _given(layout.fill(records, dataset) for layout in layouts),
        tuple(from_papers(records, dataset)),
    )


def _given(tables: Iterable[Table]) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)


def from_papers(records: Sequence[Record], dataset: str) -> list[Table]:
    """Return a table per protocol with published numbers for a data set, sorted by year, author and entry."""
    papers = [r for r in records if r.source == "paper" and r.cell.dataset == dataset]
    protocols = sorted(select.grouped(papers, lambda r: r.cell.protocol).items())
    return [_papers_table(group, f"{dataset}: numbers from papers, {word}") for word, group in protocols]


def _papers_table(papers: Sequence[Record], title: str) -> Table:
    metrics = sorted({metric for r in papers for metric, _ in r.names(finding="mean")})
    by_record = {record.key: _reference(record) for record in papers}
    ordered = sorted(papers, key=lambda r: (by_record[r.key][2], by_record[r.key][1], r.method))
    rows = ((*by_record[r.key], *(share(r.find(metric)) for metric in metrics)) for r in ordered)
    return Table(title, PAPERS_ABOUT, (*PAPERS_HEADER, *metrics), tuple(rows), tuple((r.key,) for r in ordered))


def _reference(record: Record) -> tuple[str, ...]:
    s, remark = record.reference, record.reason
    if s is None:  # old record
        return (record.method, *(NOT_STATED for _ in PAPERS_HEADER[1:-1]), remark)
    source = (s.authors, str(s.year), s.identifier, s.table, f"{s.hand}-hand", s.quoted_by or NOTHING)
    return (record.method, *source, s.split, s.n, s.tuned_on, remark)
