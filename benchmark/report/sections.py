"""All tables of a data set, by section of the page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.checks.base import tables as check_tables
from benchmark.report.comparisons.agreement import AGREEMENT
from benchmark.report.leaderboard import breakdown, choice, effects, main_table, networks
from benchmark.report.leaderboard.alignment import alignment
from benchmark.report.leaderboard.entries import COMPARISONS
from benchmark.report.leaderboard.strata import strata
from benchmark.report.protocols import on_pixels, on_surface
from benchmark.report.protocols.layout import TableLayout, layout_of_means
from benchmark.report.published import papers
from benchmark.report.table import Table
from core.names import CHOICE, CLASSIFICATION, MAIN_PROTOCOL, PAIRED

LAYOUTS = (*on_surface.LAYOUTS, *on_pixels.LAYOUTS)
SHOWN = frozenset(
    {MAIN_PROTOCOL, PAIRED, *COMPARISONS, AGREEMENT, CHOICE, CLASSIFICATION, *(layout.protocol for layout in LAYOUTS)}
)
"""Protocols with a specific table or layout; any other uses the layout of means."""
CLOSER = (breakdown.one_by_one, breakdown.by_threshold, strata)


@dataclass(frozen=True)
class DatasetTables:
    """The non-empty tables of a data set. Each field is a section of the page; empty sections are left out."""

    dataset: str
    checks: tuple[Table, ...]
    """Validity checks."""
    choice: tuple[Table, ...]
    """Gain from choosing a recipe, and the recipe of each fold."""
    networks: tuple[Table, ...]
    """Comparison of the networks."""
    boards: tuple[Table, ...]
    """The methods within each network: on all images, then on each part that slow methods explain."""
    effects: tuple[Table, ...]
    """The methods over networks."""
    findings: tuple[Table, ...]
    """The main column by finding."""
    closer: tuple[Table, ...]
    """Its training runs, thresholds, strata and alignments."""
    protocols: tuple[tuple[TableLayout, Table], ...]
    """Tables of the other protocols; a protocol may have several."""
    published: tuple[Table, ...]

    @property
    def all(self) -> list[Table]:
        """Every table, in the order of a page."""
        tables = (table for _, table in self.protocols)
        boards = (*self.networks, *self.boards, *self.effects)
        return [*self.checks, *self.choice, *boards, *self.findings, *self.closer, *tables, *self.published]


def tables_of(records: Sequence[Record], dataset: str) -> DatasetTables:
    """Return all tables of one data set from the ``records`` of a suite.

    Protocols without a layout, such as those of users, have the layout of means. ``records`` must include entries and
    agreements: see ``benchmark.report.comparisons.rows.add_leaderboard_entries`` and
    ``benchmark.report.comparisons.agreement.with_agreement``.
    """
    words = sorted({r.cell.protocol for r in records if r.source != "paper"} - SHOWN - {*select.CHECKS.names()})
    layouts = [*LAYOUTS, *(layout_of_means(word, records) for word in words)]
    filled = ((layout, layout.fill(records, dataset)) for layout in layouts)
    return DatasetTables(
        dataset,
        tuple(check_tables(records, dataset)),
        tuple(choice.tables(records, dataset)),
        _given([networks.table(records, dataset)]),
        _given(main_table.main(records, dataset, part) for part in (None, *select.parts(records, dataset))),
        _given([effects.table(records, dataset)]),
        _given([breakdown.per_finding(records, dataset)]),
        _given([*(make(records, dataset) for make in CLOSER), alignment(records, dataset)]),
        tuple((layout, table) for layout, table in filled if table is not None),
        tuple(papers.published(records, dataset)),
    )


def _given(tables: Iterable[Table | None]) -> tuple[Table, ...]:
    return tuple(table for table in tables if table is not None)
