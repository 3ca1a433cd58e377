"""All tables of a data set, by section of the page, with those of validity checks and of papers.

``tables_of`` returns the ``DatasetTables``: networks, methods, effects, and tables with more detail. ``CheckReport`` is
the base class of the reports of validity checks, which are in ``locus.benchmark.validity``. The tables themselves are
made in ``main_table``, ``breakdown`` and ``protocol_tables``; the files in ``tables``.
"""

import importlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from locus.benchmark.records.record import NOT_STATED, Record
from locus.benchmark.report import detail_tables, main_table, select
from locus.benchmark.report.charts import Chart
from locus.benchmark.report.detail_tables import LAYOUTS, TableLayout, layout_of_means
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.table import NOTHING, Table, share
from locus.config import CHECKS
from locus.core.names import CLASSIFICATION, MAIN_PROTOCOL, PAIRED


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
        self.rows = select.of_check(leaderboard.records, leaderboard.dataset, check)

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


SPECIFIC = frozenset({MAIN_PROTOCOL, PAIRED, CLASSIFICATION, *(layout.protocol for layout in LAYOUTS)})
"""Protocols with a specific table or layout; any other uses the layout of means."""
DETAILS = (detail_tables.per_training_run, detail_tables.by_threshold, detail_tables.strata, detail_tables.alignment)
PAPERS_ABOUT = (
    "From papers, not run here. Each row has its own network, images and tuning, so do not compare rows with each "
    "other or with ours. source: first-hand, or second-hand if another paper quotes the number. Mean over findings."
)
PAPERS_HEADER = ("entry", "authors", "year", "paper", "table", "source", "quoted by", "split", "n", "tuned on", "note")


@dataclass(frozen=True)
class DatasetTables:
    """The non-empty tables of a data set. Each field is a section of the page; empty sections are left out."""

    leaderboard: Leaderboard
    reports: tuple[CheckReport, ...]
    """Validity checks."""
    checks: tuple[Table, ...]
    """Their tables."""
    networks: tuple[Table, ...]
    """Comparison of the networks."""
    methods: tuple[Table, ...]
    """The methods within each network: on all images, then on each part that slow methods explain."""
    effects: tuple[Table, ...]
    """The methods over networks."""
    findings: tuple[Table, ...]
    """The main column by finding."""
    details: tuple[Table, ...]
    """Training runs, thresholds, strata and alignments of the main table."""
    protocols: tuple[tuple[TableLayout, Table], ...]
    """Tables of the other protocols; a protocol may have several."""
    papers: tuple[Table, ...]


def tables_of(leaderboard: Leaderboard) -> DatasetTables:
    """Return all tables of one data set; protocols without a layout, such as a user's, use the layout of means."""
    records, dataset = leaderboard.records, leaderboard.dataset
    words = sorted({r.cell.protocol for r in records if r.source != "paper"} - SPECIFIC - {*CHECKS})
    layouts = [*LAYOUTS, *(layout_of_means(word, records) for word in words)]
    filled = ((layout, layout.fill(records, dataset)) for layout in layouts)
    check_reports = tuple(reports(leaderboard))
    return DatasetTables(
        leaderboard,
        check_reports,
        tuple(table for report in check_reports for table in report.tables()),
        _given([main_table.networks(leaderboard)]),
        _given(main_table.main(leaderboard, part) for part in leaderboard.parts),
        _given([main_table.effects(leaderboard)]),
        _given([detail_tables.per_finding(leaderboard)]),
        _given(make(leaderboard) for make in DETAILS),
        tuple((layout, table) for layout, table in filled if table.rows),
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
