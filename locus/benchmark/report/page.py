"""``leaderboard.md``: the answer of a suite, its main tables, their basis, and cells without a score.

``DatasetTables``  all tables of a data set, with those of validity checks and of papers
``answer``         the answer in at most three lines: about the best row or, if there are some, about a user's rows
``leaderboard_md``  the text of ``leaderboard.md``

The tables are made in ``main_table`` and ``detail_tables``. The HTML page of a suite and the overview of all suites
are in ``tables``.
"""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any

from locus.benchmark.baselines import fine_tuned
from locus.benchmark.records.record import Record
from locus.benchmark.report import added, detail_tables, grouping, main_table
from locus.benchmark.report.comparisons import above_baselines_at, by_grid, compared_with
from locus.benchmark.report.formats import number, p_value
from locus.benchmark.report.grouping import Row, by_score, counted
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.main_table import best, best_network
from locus.benchmark.report.primary import Primary
from locus.benchmark.report.section import PublishedReport, Reports, Section
from locus.benchmark.report.table import Table, render
from locus.core.names import (
    ADDED,
    CLASSIFICATION,
    MAIN,
    MAIN_PROTOCOL,
    PRIOR,
    UPPER_BOUND,
)
from locus.flags.cli import CONFIGS
from locus.scoring.statistics import mrmc, resample
from locus.scoring.statistics.mrmc import ALPHA

DRAWN = {
    "drawn by code": "The images are drawn by code: the order of methods may differ on radiographs.",
    "drawn into radiographs": "The findings are drawn: the order of methods may differ for real findings.",
}
"""Source of the images -> what it means."""
MEANINGS = "docs/protocols.md"
"""Page that explains the columns, relative to the checkout."""


DETAILS = (detail_tables.per_training_run, detail_tables.by_threshold, detail_tables.subgroups)


class Place(Enum):
    """A place that shows tables."""

    MARKDOWN = "open in leaderboard.md"
    FOLDED_IN_MARKDOWN = "folded in leaderboard.md"
    FIRST_ON_PAGE = "beside the charts of the page"
    ON_PAGE = "open on the page"
    DETAILS_OF_PAGE = "among the details of the page"
    LATEX = "in leaderboard.tex"


@dataclass(frozen=True, eq=False)
class PlacedTable:
    """A table and the places that show it."""

    table: Table
    places: frozenset[Place]


def _placed(tables: Iterable[Table], *places: Place) -> list[PlacedTable]:
    """Return the tables that have rows, each with the places."""
    return [PlacedTable(table, frozenset(places)) for table in tables if table.rows]


@dataclass(frozen=True, eq=False)
class DatasetTables:
    """The tables of a data set, in the order of a page; a table without rows is left out."""

    leaderboard: Leaderboard
    reports: Reports = field(default_factory=Reports)
    """The reports of validity checks and of published results."""
    primary: Table | None = None
    """The primary comparison of the suite, on its first data set."""
    primary_lines: tuple[str, ...] = ()
    """The same in sentences."""

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The reports of the checks and the other sections, those that have rows."""
        board = self.leaderboard
        of_checks = [report(board, name) for name, report in self.reports.checks.items()]
        other_sections = [section(board) for section in self.reports.sections]
        return tuple(section for section in (*of_checks, *other_sections) if section.rows)

    @cached_property
    def published(self) -> PublishedReport:
        """Published results on the data set."""
        return self.reports.published(self.leaderboard)

    @cached_property
    def people(self) -> Table:
        """Boxes drawn by people beside the best methods."""
        return main_table.people(self.leaderboard)

    @cached_property
    def answers(self) -> list[str]:
        """The lines of the answer of the data set and of its checks."""
        lines = [*self.primary_lines, *answer(self.leaderboard), *self.published.answer()]
        for section in self.sections:
            if section.question:
                lines.append(f"**{section.question}**")
            lines += section.sentences()
            if section.limit:
                lines.append(f"This does not show: {section.limit[0].lower()}{section.limit[1:]}")
        return lines

    def at(self, place: Place) -> tuple[Table, ...]:
        """Return the tables that a place shows, in order."""
        return tuple(placed.table for placed in self.placed if place in placed.places)

    @cached_property
    def placed(self) -> tuple[PlacedTable, ...]:
        """All tables with their places. Each place shows its tables in this order."""
        placed = (*self._primary_and_thresholds, *self._comparisons, *self._of_sections)
        is_in_markdown = any(Place.MARKDOWN in table.places for table in placed)
        of_protocols = _placed(self._protocols, Place.DETAILS_OF_PAGE)
        if not is_in_markdown:
            of_protocols = _placed(self._protocols, Place.DETAILS_OF_PAGE, Place.MARKDOWN)
        return (*placed, *self._details, *of_protocols, *self._of_papers)

    @property
    def all_tables(self) -> tuple[Table, ...]:
        """All tables, short and complete."""
        return tuple(placed.table for placed in self.placed)

    @cached_property
    def _primary_and_thresholds(self) -> list[PlacedTable]:
        """The primary comparison, the first table and the published results."""
        primary = [] if self.primary is None else [self.primary]
        published = self.published.short_tables
        everywhere = (Place.MARKDOWN, Place.LATEX, Place.ON_PAGE)
        return [
            *_placed(primary, *everywhere),
            *self._thresholds,
            *_placed(published, *everywhere),
        ]

    @cached_property
    def _thresholds(self) -> list[PlacedTable]:
        """The first table: ``leaderboard.md`` has the best methods, the page all.

        If some rows are a user's, the page begins with these and what they are compared with.
        """
        board = self.leaderboard
        if self.published.short_tables and not board.methods:
            return []
        short_places = [Place.MARKDOWN, Place.LATEX]
        full_place = Place.FIRST_ON_PAGE
        short = main_table.thresholds(board, complete=False)
        full = main_table.thresholds(board, complete=True)
        if not full.marks:
            full_place = Place.ON_PAGE
        elif board.theirs:
            short_places.append(Place.FIRST_ON_PAGE)
            full_place = Place.DETAILS_OF_PAGE
        return [*_placed([short], *short_places), *_placed([full], full_place)]

    @cached_property
    def _comparisons(self) -> list[PlacedTable]:
        """What maps add, findings, networks, methods, people; ``leaderboard.md`` has the best methods only."""
        board = self.leaderboard
        in_text = (Place.MARKDOWN, Place.LATEX)
        placed = []
        if board.added:
            placed += _placed([added.table(board, complete=False)], *in_text)
            placed += _placed([added.table(board, complete=True)], Place.ON_PAGE)
        by_finding = main_table.by_finding(board)
        networks = main_table.networks(board)
        placed += _placed([by_finding, networks], *in_text, Place.ON_PAGE)
        placed += _placed([main_table.effects(board, main_table.MAX_EFFECTS)], *in_text)
        placed += _placed([main_table.effects(board)], Place.ON_PAGE)
        placed += _placed([self.people], *in_text, Place.ON_PAGE)
        return placed

    @cached_property
    def _of_sections(self) -> list[PlacedTable]:
        """The tables of validity checks and of published grounding."""
        tables = []
        for section in self.sections:
            tables += [table for table in section.tables() if table.rows]
        open_tables = max((section.open_tables for section in self.sections), default=1)
        placed = []
        for index, table in enumerate(tables):
            places = [Place.LATEX]
            if index == 0:
                places.append(Place.MARKDOWN)
            is_open = index < open_tables
            places.append(Place.ON_PAGE if is_open else Place.DETAILS_OF_PAGE)
            placed += _placed([table], *places)
        return placed

    @cached_property
    def _details(self) -> list[PlacedTable]:
        """All thresholds, training runs, sources of thresholds, groups of cases; none without a method."""
        board = self.leaderboard
        if not board.methods:
            return []
        best_rows = main_table.all_thresholds(board, complete=False)
        all_rows = main_table.all_thresholds(board, complete=True)
        detail_tables = [make(board) for make in DETAILS]
        return [
            *_placed([best_rows], Place.FOLDED_IN_MARKDOWN, Place.LATEX),
            *_placed([all_rows, *detail_tables], Place.DETAILS_OF_PAGE),
        ]

    @cached_property
    def _of_papers(self) -> list[PlacedTable]:
        """Baselines at all thresholds if no method was run, and further tables of published results."""
        board = self.leaderboard
        tables = list(self.published.more_tables)
        if self.published.short_tables and not board.methods:
            tables.insert(0, main_table.all_thresholds(board))
        return _placed(tables, Place.DETAILS_OF_PAGE)

    @cached_property
    def _protocols(self) -> list[Table]:
        """A table of each other protocol."""
        scored = {
            record.cell.protocol for record in self.leaderboard.records if record.source != "paper"
        }
        names = sorted(scored - {MAIN_PROTOCOL, ADDED, CLASSIFICATION, *self.reports.checks})
        return [detail_tables.of_protocol(self.leaderboard, name) for name in names]


@dataclass(frozen=True)
class Description:
    """Texts about a suite on its pages, and the methods by which its networks are compared."""

    title: str
    about: str = ""
    command: str = ""
    """Command that makes the results, if they are those of a suite."""
    rank_methods: Sequence[str] = ()
    """See ``locus.benchmark.report.comparisons``."""
    listed: Set[str] | None = None
    """Keys of the cells that the suite lists; other rows are a user's. None: no row is."""
    primary: Primary | None = None
    """The comparison that is made before all others."""
    maps_of: Path | None = None
    """Folder of the suite whose maps it scores."""
    reports: Reports = field(default_factory=Reports)
    """The reports of validity checks and of published results."""
    answers_first: bool = False
    """Whether the answers and charts of all data sets come before their tables: a suite without networks."""
    can_be_run: bool = False
    """Whether a reader can run its networks on its images, add results and draw maps: else no such command is shown."""
    gallery_flags: str = ""
    """Flags of ``benchmark.gallery`` with which it finds the maps, other than ``--results``; a space comes first."""
    pictures: Mapping[str, str] = field(default_factory=dict)
    """Pictures of the first screen, by their path two folders above the page -> caption."""


def answer(board: Leaderboard) -> tuple[str, ...]:
    """Return the lines of the answer, in Markdown; none if nothing was scored."""
    first = best(board)
    if first is None:
        return ()
    title = "Best"
    rank = ""
    if board.theirs:
        title = "Yours"
        if len(board.theirs) > 1:
            rank = f", the best of your {len(board.theirs)} rows"
    fair = main_table.score_without_selection(board)
    selected = ""
    if fair is not None:
        selected = f" ({number(fair)} if chosen on half of the patients and scored on the others)"
    line = f"**{title}**: {_row_words(first)}{rank}{selected}.{_others(first, board)}"
    above = [_above(first, board)] if board.blind(first) else []
    return (*_too_coarse(first, board), line, *above, *_supervised(board), *_networks(board))


def _too_coarse(first: Row, board: Leaderboard) -> Iterator[str]:
    """Say that the maps have too few positions, if even their best possible boxes hit less than ``prior``."""
    limit = board.baseline(UPPER_BOUND, first)
    prior = board.baseline(PRIOR, first)
    if limit is None or prior is None:
        return
    if (limit.main.value or 0) < (prior.main.value or 0):
        yield (
            "**These maps have too few positions**: even the best possible map on their grid hits less than a box that "
            f"sees no image (`{limit.name}` {number(limit.main.value)}, `{prior.name}` {number(prior.main.value)}). "
            "Use a layer with a finer grid."
        )


def _supervised(board: Leaderboard) -> Iterator[str]:
    """Yield what fine-tuning on boxes adds, and how far the best heat map of this network goes towards it."""
    rows = [board.baseline(name) for name in fine_tuned()]
    tuned = [row for row in rows if row is not None]
    if not tuned:
        return
    network = tuned[0].key_of_network
    methods = by_score(row for row in board.methods if row.key_of_network == network)
    floors = by_score(board.blind(tuned[0]))
    way = ""
    if methods and floors:
        way = _share_of_way(methods[0], floors[0], tuned[0])
    scores = " and ".join(f"`{row.name}` {number(row.main)}" for row in tuned)
    yield f"**What boxes add** on {tuned[0].network}, after fine-tuning on other patients' boxes: {scores}.{way}"


def _share_of_way(method: Row, floor: Row, tuned: Row) -> str:
    """Say how far a method goes from the floor to the row with boxes; empty without these scores."""
    start = floor.main.value
    end = tuned.main.value
    if method.main.value is None or start is None or end is None or end <= start:
        return ""
    share = (method.main.value - start) / (end - start)
    ends = _ends_of_way(method, floor, tuned)
    return (
        f" `{method.name}` goes {share:.0%}{ends} of the way from `{floor.name}` to `{tuned.name}`."
    )


def _ends_of_way(method: Row, floor: Row, tuned: Row) -> str:
    """Return the interval over runs and patients of the share of the way; empty with one run or too few patients."""
    by_patient = (method.by_patient, floor.by_patient, tuned.by_patient)
    scores = [samples for samples in by_patient if samples is not None]
    if len(scores) < len(by_patient) or len({samples.runs for samples in scores}) > 1:
        return ""
    theta, low, high = (samples.theta for samples in scores)
    left_out = [
        samples.jackknife if samples.resampled is None else samples.resampled for samples in scores
    ]
    if len({values.shape for values in left_out}) > 1 or (high <= low).any():
        return ""
    theta_without, low_without, high_without = left_out
    share = (theta - low) / (high - low)
    share_without = (theta_without - low_without) / (high_without - low_without)
    if scores[0].jackknife.shape[1] < resample.MIN_PATIENTS or len(share) < 2:
        return ""
    estimate = mrmc.interval(share, share_without, patients=scores[0].jackknife.shape[1])
    return f" [{estimate.low:.0%}, {estimate.high:.0%}]"


def _row_words(row: Row) -> str:
    """Return a row with its network, AUROC, score and number of training runs."""
    text = f"`{row.name}`"
    if row.cell.backbone:
        text += f" on {row.network}"
    if row.contributed_by:
        text += f" (external, by {row.contributed_by})"
    if row.auroc is not None:
        weak = ", weak classifier" if row.auroc < grouping.WEAK_AUROC else ""
        text += f" (AUROC {number(row.auroc, digits=2)}{weak})"
    text += f": {number(row.main)} at IoU > .3"
    if row.cell.seed is not None or len(row.runs) > 1:
        text += f", {grouping.runs_words(len(row.runs))}"
    return text


def _others(first: Row, board: Leaderboard) -> str:
    """Name the rows that are not significantly worse or, for a user's row, those that are better and worse."""
    if board.theirs:
        return _against_others(first, board)
    if not first.in_top_group:
        return ""
    other_rows = [row for row in best_network(board) if row is not first]
    equal = [row for row in other_rows if row.in_top_group]
    if equal:
        between = _between(equal, other_rows)
        return f" Not significantly worse on this network: {_listed(equal)}.{between}"
    is_each_worse = all(row.significantly_worse for row in other_rows)
    below = "" if is_each_worse else " or not shown to be above the baselines"
    return f" Every other method of this network is significantly worse{below}."


def _between(equal: Sequence[Row], other_rows: Sequence[Row]) -> str:
    """Say why rows that score more than some of the ``equal`` ones are not among them."""
    lowest = min(row.main.value or 0 for row in equal)
    between = [row for row in other_rows if not row.in_top_group and (row.main.value or 0) > lowest]
    worse = [row for row in between if row.significantly_worse is True]
    not_above = [row for row in between if row.significantly_worse is False]
    text = ""
    if worse:
        text += (
            f" Between them, but significantly worse in the paired comparison: {_listed(worse)}."
        )
    if not_above:
        text += f" Between them, but not shown to be above the baselines: {_listed(not_above)}."
    return text


def _against_others(first: Row, board: Leaderboard) -> str:
    """Count and name the published rows, or the other rows of the suite, that are better and worse than a user's."""
    other_rows = [row for row in board.methods if row not in board.theirs]
    if not other_rows:
        return ""
    kind = "published row" if all(row.is_published for row in other_rows) else "other row"
    gaps = dict(compared_with(first, other_rows))
    if not gaps:
        return f" Not compared with {counted(len(other_rows), kind)}: there are too few patients."
    significant = {
        row: gap.estimate.value or 0
        for row, gap in gaps.items()
        if gap.p is not None and gap.p <= ALPHA
    }
    better = _counted(row for row, difference in significant.items() if difference > 0)
    worse = _counted(row for row, difference in significant.items() if difference < 0)
    return f" Of {counted(len(gaps), kind)}, {better} significantly better, {worse} significantly worse."


def _counted(rows: Iterable[Row]) -> str:
    """Return the number of rows and the names of the best of them."""
    names = [f"`{row.name}` on {row.network}" for row in by_score(rows)]
    return f"{len(names)} ({grouping.first_names(names)})" if names else "none"


def _above(first: Row, board: Leaderboard) -> str:
    """Say which methods of the first row's network are above the baselines, and up to which threshold."""
    rows = board.theirs or best_network(board)
    blind = board.blind(first)
    floors = " and ".join(f"`{row.name}` ({number(row.main.value)})" for row in blind)
    if all(row.above_baselines is None for row in rows):
        return f"**Beside {floors}**, which see no image: not compared, there are too few patients."
    above = [row for row in rows if row.above_baselines]
    at_higher_thresholds = _at_others(rows, above, blind, board)
    if above:
        names = _listed(above)
        return f"**Significantly above {floors}**, which see no image: {names} at IoU > .3{at_higher_thresholds}."
    return (
        f"**Beside {floors}**, which see no image: {_from_floor(first)}. "
        f"No method is shown to be above both at IoU > .3{at_higher_thresholds}."
    )


def _from_floor(row: Row) -> str:
    """Return the difference of a row from the higher baseline, with its p."""
    gap = row.over_floor
    if gap is None:
        return f"`{row.name}` is not compared"
    difference = f"`{row.name}` − `{gap.other}` is {number(gap.estimate, sign='value')}"
    if gap.p is None:
        return difference
    p = p_value(gap.p)
    relation = p if p.startswith("<") else f"= {p}"
    return f"{difference} (p {relation} after Holm's correction)"


def _at_others(
    rows: Sequence[Row], above: Sequence[Row], blind: Sequence[Row], board: Leaderboard
) -> str:
    """Say for the higher thresholds how many methods are above the baselines."""
    counts = {}
    for column in grouping.IOU[grouping.IOU.index(MAIN) + 1 :]:
        values = board.column(column, [*rows, *blind])
        if values is None or any(values.entry(row.runs) is None for row in blind):
            return ""
        counts[column] = len(above_baselines_at(rows, blind, values))
    levels = [column for column, count in counts.items() if count]
    levels_without = [column for column, count in counts.items() if not count]
    if not levels:
        return "; none at .4 or more" if above else " or more"
    if len(rows) == 1 and above:
        return f", {', '.join(f'.{column[-1]}' for column in levels)}"
    last = grouping.IOU.index(levels[-1])
    if levels_without and grouping.IOU.index(levels_without[0]) > last:
        return f"; some up to .{levels[-1][-1]}, none at .{levels_without[0][-1]} or more"
    return f"; {', '.join(f'{counts[column]} at .{column[-1]}' for column in levels)}"


def _networks(board: Leaderboard) -> Iterator[str]:
    """Yield the comparison of networks by their mean over methods, grid by grid, and those that are not compared."""
    alone = [row for row in board.networks if row.in_top_group is None]
    compared = [row for row in board.networks if row.in_top_group is not None]
    by_note = grouping.grouped(alone, lambda row: row.note)
    not_compared = "; ".join(f"{_names(rows)} ({note})" for note, rows in by_note.items())
    if compared:
        grids = "; with another grid: ".join(_grid(rows) for rows in by_grid(compared))
        left_out = f"; not compared: {not_compared}" if not_compared else ""
        count = len(board.rank_methods)
        yield f"**Networks** (AUROC), by the mean over the same {count} methods: {grids}{left_out}."
    elif not_compared and len(board.networks) > 1:
        yield f"**Not compared**: {not_compared}."


def _grid(rows: Sequence[Row]) -> str:
    """Say which of the networks with one grid has the highest mean, and which are significantly worse."""
    first, *equal = (row for row in rows if row.significantly_worse is False)
    worse = [row for row in rows if row.significantly_worse is True]
    text = f"highest {_with_auroc(first)}, {number(first.main)}"
    if not first.in_top_group:
        text += ", not shown to be above the baselines"
    if equal:
        text += f"; not significantly worse: {_names(equal)}"
    if worse:
        text += f"; significantly worse: {_names(worse)}"
    return text


def _names(rows: Sequence[Row]) -> str:
    return grouping.first_names([*dict.fromkeys(_with_auroc(row) for row in rows)])


def _with_auroc(row: Row) -> str:
    return row.name if row.auroc is None else f"{row.name} ({number(row.auroc, digits=2)})"


def _listed(rows: Sequence[Row]) -> str:
    return grouping.first_names([f"`{row.name}`" for row in rows])


def leaderboard_md(
    records: Sequence[Record],
    description: Description,
    datasets: Sequence[DatasetTables],
    folder: Path | None = None,
) -> str:
    """Return the text of ``leaderboard.md``: the answer, the main tables, the notes, and cells without a score.

    Args:
        records: the records of the suite.
        description: texts about the suite.
        datasets: the tables of its data sets.
        folder: folder of the page; pages in the checkout link to the documentation.
    """
    return render(
        "leaderboard.md",
        page=description,
        datasets=[_printed(data) for data in datasets],
        meanings=_meanings(folder),
        missing=cells_without_score(records),
    )


def _printed(data: DatasetTables) -> dict[str, Any]:
    """Return what ``leaderboard.md`` shows of a data set."""
    return {
        "title": data.leaderboard.title,
        "answer": data.answers,
        "notes": notes(data.leaderboard),
        "tables": data.at(Place.MARKDOWN),
        "on_demand": data.at(Place.FOLDED_IN_MARKDOWN),
    }


def notes(board: Leaderboard) -> list[str]:
    """Return the notes of a data set: the basis and the limits of its tables."""
    sources = {str(record.data.get("source")) for record in board.records}
    source_notes = [text for source, text in DRAWN.items() if source in sources]
    return [*main_table.notes(board), *source_notes]


def _meanings(folder: Path | None) -> str:
    """Return a link from ``folder`` to the page that explains the columns; only its name outside the checkout."""
    checkout = None if folder is None else path_to_checkout(folder)
    if checkout is None:
        return f"{MEANINGS} in the checkout"
    return f"[{MEANINGS}]({(checkout / MEANINGS).as_posix()})"


def path_to_checkout(folder: Path) -> Path | None:
    """Return the relative path from ``folder`` to the checkout; None outside it."""
    if CONFIGS.parent not in folder.resolve().parents:
        return None
    return Path(os.path.relpath(CONFIGS.parent, folder.resolve()))


def cells_without_score(records: Sequence[Record]) -> list[str]:
    """Return a line per reason for which cells have no score, with their number and networks.

    Reasons that differ in numbers only are one line, with the numbers of the first cell.
    """
    missing = [record for record in records if record.status != "ok"]
    missing.sort(key=lambda record: (record.status, record.reason))
    groups = grouping.grouped(missing, _status_and_reason)
    lines = []
    for group in groups.values():
        networks = ", ".join(sorted({record.cell.network for record in group}))
        lines.append(f"{len(group)} {group[0].status} ({networks}): {group[0].reason}")
    return lines


def _status_and_reason(record: Record) -> tuple[str, str]:
    """Return status and reason without its numbers."""
    return record.status, re.sub(r"\d[\d.]*", "", record.reason)
