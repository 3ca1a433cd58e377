"""``leaderboard.md``: the answer of a suite, its main tables, what they rest on, and cells without a score.

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
from functools import cached_property
from pathlib import Path
from typing import Any

from locus.benchmark.records.record import Record
from locus.benchmark.report import added, detail_tables, grouping, main_table
from locus.benchmark.report.comparisons import above_baselines_at, by_grid, compared_with
from locus.benchmark.report.formats import number
from locus.benchmark.report.grounding import GroundingSection
from locus.benchmark.report.grouping import Row, by_score, counted
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.literature import PublishedResults
from locus.benchmark.report.main_table import best, best_network
from locus.benchmark.report.primary import Primary
from locus.benchmark.report.section import CheckReport, Section
from locus.benchmark.report.table import Table, render
from locus.core.cli import CONFIGS
from locus.core.names import (
    ADDED,
    CLASSIFICATION,
    MAIN,
    MAIN_PROTOCOL,
    PRIOR,
    SUPERVISED,
    UPPER_BOUND,
)
from locus.scoring.statistics.mrmc import ALPHA, RowSamples

DRAWN = {
    "drawn by code": "The images are drawn by code: the order of methods may differ on radiographs.",
    "drawn into radiographs": "The findings are drawn: the order of methods may differ for real findings.",
}
"""Source of the images -> what it means."""
MEANINGS = "docs/protocols.md"
"""Page that explains the columns, relative to the checkout."""


DETAILS = (detail_tables.per_training_run, detail_tables.by_threshold, detail_tables.subgroups)


@dataclass(frozen=True, eq=False)
class DatasetTables:
    """The tables of a data set, in the order of a page; a table without rows is left out."""

    leaderboard: Leaderboard
    checks: Mapping[str, type[CheckReport]] = field(default_factory=dict)
    """Validity check that its records may have -> its report."""
    primary: Table | None = None
    """The primary comparison of the suite, on its first data set."""
    primary_lines: tuple[str, ...] = ()
    """The same in sentences."""

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """The reports of the checks and published grounding, those that have rows."""
        reports = [report(self.leaderboard, name) for name, report in self.checks.items()]
        return tuple(
            section for section in (*reports, GroundingSection(self.leaderboard)) if section.rows
        )

    @cached_property
    def full(self) -> tuple[Table, ...]:
        """The main tables: the first one, findings, comparisons of networks and of methods, people."""
        return self._main(complete=True)

    @cached_property
    def short(self) -> tuple[Table, ...]:
        """The main tables with the best methods only, for ``leaderboard.md``."""
        return self._main(complete=False)

    @property
    def main(self) -> tuple[Table, ...]:
        """The ``short`` tables, with published results after the threshold table or, without one, first."""
        count = 1 if self.leaderboard.methods else 0
        return (*self.of_primary, *self.short[:count], *self.literature, *self.short[count:])

    @property
    def of_primary(self) -> tuple[Table, ...]:
        """The table of the primary comparison, if there is one."""
        return () if self.primary is None else _given([self.primary])

    @property
    def printed(self) -> tuple[Table, ...]:
        """The tables of ``leaderboard.md``; without a main one, those of the other protocols."""
        return (*self.main, *self.of_sections[:1]) or self.protocols

    @property
    def on_demand(self) -> tuple[Table, ...]:
        """The first table at all thresholds, with the rows of ``printed``."""
        return self._at_all_thresholds(complete=False)

    @property
    def shown(self) -> int:
        """The number of tables of sections that a page shows open."""
        return max((section.shown for section in self.sections), default=1)

    @cached_property
    def of_sections(self) -> tuple[Table, ...]:
        """The tables of validity checks and of published grounding."""
        return _given(table for section in self.sections for table in section.tables())

    @cached_property
    def details(self) -> tuple[Table, ...]:
        """All thresholds, training runs, sources of thresholds, groups of cases."""
        if not self.leaderboard.methods:
            return ()
        return (
            *self._at_all_thresholds(complete=True),
            *_given(make(self.leaderboard) for make in DETAILS),
        )

    @cached_property
    def protocols(self) -> tuple[Table, ...]:
        """A table of each other protocol."""
        scored = {
            record.cell.protocol for record in self.leaderboard.records if record.source != "paper"
        }
        words = sorted(scored - {MAIN_PROTOCOL, ADDED, CLASSIFICATION, *self.checks})
        return _given(detail_tables.of_protocol(self.leaderboard, word) for word in words)

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

    @cached_property
    def people(self) -> Table:
        """Boxes drawn by people beside the best methods."""
        return main_table.people(self.leaderboard)

    @property
    def all_tables(self) -> tuple[Table, ...]:
        """All tables, short and complete."""
        of_papers = (*self.literature, *self.papers)
        of_methods = (*self.full, *self.short, *self.on_demand)
        return (*of_methods, *self.of_sections, *self.details, *self.protocols, *of_papers)

    @cached_property
    def published(self) -> PublishedResults:
        """Published results on the data set."""
        return PublishedResults(self.leaderboard)

    @cached_property
    def literature(self) -> tuple[Table, ...]:
        """Published results beside ``fixed_box``."""
        return self.published.short_tables

    @cached_property
    def papers(self) -> tuple[Table, ...]:
        """Baselines over all columns if no method was run, and further tables of published results."""
        board = self.leaderboard
        baselines = (
            [main_table.all_thresholds(board)] if self.literature and not board.methods else []
        )
        return (*_given(baselines), *self.published.more_tables)

    def _at_all_thresholds(self, complete: bool) -> tuple[Table, ...]:
        return (
            _given([main_table.all_thresholds(self.leaderboard, complete)])
            if self.leaderboard.methods
            else ()
        )

    def _main(self, complete: bool) -> tuple[Table, ...]:
        board = self.leaderboard
        thresholds = (
            []
            if self.literature and not board.methods
            else [main_table.thresholds(board, complete)]
        )
        effects = main_table.effects(board, None if complete else main_table.MAX_EFFECTS)
        others = (
            main_table.by_finding(board),
            main_table.networks(board),
            effects,
            self.people,
        )
        return _given(
            (*thresholds, *([added.table(board, complete)] if board.added else []), *others)
        )


def _given(tables: Iterable[Table]) -> tuple[Table, ...]:
    return tuple(table for table in tables if table.rows)


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
    checks: Mapping[str, type[CheckReport]] = field(default_factory=dict)
    """Validity check that its records may have -> its report."""
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
    rank = f", the best of your {len(board.theirs)} rows" if len(board.theirs) > 1 else ""
    fair = main_table.corrected(board)
    selected = (
        ""
        if fair is None
        else f" ({number(fair)} if chosen on half of the patients and scored on the others)"
    )
    lines = [
        f"**{'Yours' if board.theirs else 'Best'}**: {_row_words(first)}{rank}{selected}.{_others(first, board)}"
    ]
    lines += [_above(first, board)] if board.blind(first) else []
    return (*_too_coarse(first, board), *lines, *_supervised(board), *_networks(board))


def _too_coarse(first: Row, board: Leaderboard) -> Iterator[str]:
    """Say that the maps have too few positions, if even their best possible boxes hit less than ``prior``."""
    limit, prior = board.baseline(UPPER_BOUND, first), board.baseline(PRIOR, first)
    if limit and prior and (limit.main.value or 0) < (prior.main.value or 0):
        values = (
            f"`{limit.name}` {number(limit.main.value)}, `{prior.name}` {number(prior.main.value)}"
        )
        yield (
            "**These maps have too few positions**: even the best possible map on their grid hits less than a box that "
            f"sees no image ({values}). Use a layer with a finer grid."
        )


def _supervised(board: Leaderboard) -> Iterator[str]:
    """Yield what fine-tuning on boxes adds, and how far the best heat map of this network goes towards it."""
    tuned = [row for name in SUPERVISED if (row := board.baseline(name)) is not None]
    if not tuned:
        return
    methods = by_score(
        row for row in board.methods if row.key_of_network == tuned[0].key_of_network
    )
    floor = by_score(board.blind(tuned[0]))[:1]
    values = [
        row.main.value for row in (tuned[0], *methods[:1], *floor) if row.main.value is not None
    ]
    words = " and ".join(f"`{row.name}` {number(row.main)}" for row in tuned)
    way = ""
    if len(values) == 3 and values[0] > values[2]:
        share = (values[1] - values[2]) / (values[0] - values[2])
        ends = _ends_of_way(methods[0], floor[0], tuned[0])
        way = f" `{methods[0].name}` goes {share:.0%}{ends} of the way from `{floor[0].name}` to `{tuned[0].name}`."
    yield f"**What boxes add** on {tuned[0].network}, after fine-tuning on other patients' boxes: {words}.{way}"


def _ends_of_way(method: Row, floor: Row, tuned: Row) -> str:
    """Return the interval over runs and patients of the share of the way; empty with one run or too few patients."""
    rows = method.by_patient, floor.by_patient, tuned.by_patient
    scores = [row for row in rows if row is not None]
    if len(scores) < len(rows) or any(row.runs != scores[0].runs for row in scores):
        return ""
    thetas = [row.theta for row in scores]
    left_out = [row.jackknife if row.resampled is None else row.resampled for row in scores]
    if len({values.shape for values in left_out}) > 1 or (thetas[2] <= thetas[1]).any():
        return ""
    theta, without = ((of - low) / (high - low) for of, low, high in (thetas, left_out))
    estimate = RowSamples(scores[0].runs, theta, without).interval
    return "" if estimate is None else f" [{estimate.low:.0%}, {estimate.high:.0%}]"


def _row_words(row: Row) -> str:
    weak = ", weak classifier" if row.auroc is not None and row.auroc < grouping.WEAK_AUROC else ""
    auroc = "" if row.auroc is None else f" (AUROC {number(row.auroc, digits=2)}{weak})"
    runs = (
        ""
        if row.cell.seed is None and len(row.runs) < 2
        else f", {grouping.runs_words(len(row.runs))}"
    )
    network = f" on {row.network}" if row.cell.backbone else ""
    network += f" (external, by {row.contributed_by})" if row.contributed_by else ""
    return f"`{row.name}`{network}{auroc}: {number(row.main)} at IoU > .3{runs}"


def _others(first: Row, board: Leaderboard) -> str:
    """Name the rows that are not significantly worse or, for a user's row, those that are better and worse."""
    if board.theirs:
        return _against_others(first, board)
    others = [row for row in best_network(board) if row is not first]
    equal = [row for row in others if row.in_top_group]
    if not first.in_top_group:
        return ""
    if equal:
        return (
            f" Not significantly worse on this network: {_listed(equal)}.{_between(equal, others)}"
        )
    below = (
        ""
        if all(row.significantly_worse for row in others)
        else " or not shown to be above the baselines"
    )
    return f" Every other method of this network is significantly worse{below}."


def _between(equal: Sequence[Row], others: Sequence[Row]) -> str:
    """Say why rows that score more than some of the ``equal`` ones are not among them."""
    lowest = min(row.main.value or 0 for row in equal)
    between = [row for row in others if not row.in_top_group and (row.main.value or 0) > lowest]
    reasons = {
        "significantly worse in the paired comparison": True,
        "not shown to be above the baselines": False,
    }
    named = {
        words: [row for row in between if row.significantly_worse is worse]
        for words, worse in reasons.items()
    }
    return "".join(
        f" Between them, but {words}: {_listed(rows)}." for words, rows in named.items() if rows
    )


def _against_others(first: Row, board: Leaderboard) -> str:
    """Count and name the published rows, or the other rows of the suite, that are better and worse than a user's."""
    others = [row for row in board.methods if row not in board.theirs]
    if not others:
        return ""
    kind = "published" if all(row.is_published for row in others) else "other"
    gaps = list(compared_with(first, others))
    if not gaps:
        return (
            f" Not compared with {counted(len(others), f'{kind} row')}: there are too few patients."
        )
    significant = [
        (row, gap.estimate.value or 0) for row, gap in gaps if gap.p is not None and gap.p <= ALPHA
    ]
    better = _counted(row for row, gap in significant if gap > 0)
    worse = _counted(row for row, gap in significant if gap < 0)
    return f" Of {counted(len(gaps), f'{kind} row')}, {better} significantly better, {worse} significantly worse."


def _counted(rows: Iterable[Row]) -> str:
    """Return the number of rows and the names of the best of them."""
    names = [f"`{row.name}` on {row.network}" for row in by_score(rows)]
    return f"{len(names)} ({grouping.first_names(names)})" if names else "none"


def _above(first: Row, board: Leaderboard) -> str:
    """Say which methods of the first row's network are above the baselines, and up to which threshold."""
    rows, blind = board.theirs or best_network(board), board.blind(first)
    names = " and ".join(f"`{row.name}` ({number(row.main.value)})" for row in blind)
    if all(row.above_baselines is None for row in rows):
        return f"**Beside {names}**, which see no image: not compared, there are too few patients."
    above = [row for row in rows if row.above_baselines]
    others = _at_others(rows, above, blind, board)
    if not above:
        none = f"No method is shown to be above both at IoU > .3{others}."
        return f"**Beside {names}**, which see no image: {_from_floor(first)}. {none}"
    return f"**Significantly above {names}**, which see no image: {_listed(above)} at IoU > .3{others}."


def _from_floor(row: Row) -> str:
    """Return the difference of a row from the higher baseline, with its p."""
    gap = row.over_floor
    if gap is None:
        return f"`{row.name}` is not compared"
    p = "" if gap.p is None else f" (p = {number(gap.p)} after Holm's correction)"
    return f"`{row.name}` − `{gap.other}` is {number(gap.estimate, sign='value')}{p}"


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
    first_without = next((column for column, count in counts.items() if not count), None)
    if not levels:
        return "; none at .4 or more" if above else " or more"
    if len(rows) == 1 and above:
        return f", {', '.join(f'.{column[-1]}' for column in levels)}"
    if first_without is None or grouping.IOU.index(first_without) < grouping.IOU.index(levels[-1]):
        return f"; {', '.join(f'{counts[c]} at .{c[-1]}' for c in levels)}"
    return f"; some up to .{levels[-1][-1]}, none at .{first_without[-1]} or more"


def _networks(board: Leaderboard) -> Iterator[str]:
    """Yield the comparison of networks by their mean over methods, grid by grid, and those that are not compared."""
    alone = grouping.grouped(
        (row for row in board.networks if row.in_top_group is None), lambda row: row.note
    )
    said = [
        _grid(rows)
        for rows in by_grid([row for row in board.networks if row.in_top_group is not None])
    ]
    rest = "; ".join(f"{_names(rows)} ({note})" for note, rows in alone.items())
    if said:
        between = "; with another grid: ".join(said)
        left_out = f"; not compared: {rest}" if rest else ""
        methods = len(board.rank_methods)
        yield f"**Networks** (AUROC), by the mean over the same {methods} methods: {between}{left_out}."
    elif rest and len(board.networks) > 1:
        yield f"**Not compared**: {rest}."


def _grid(rows: Sequence[Row]) -> str:
    """Say which of the networks with one grid has the highest mean, and which are significantly worse."""
    (first, *level), worse = (
        [row for row in rows if row.significantly_worse is found] for found in (False, True)
    )
    prior = "" if first.in_top_group else ", not shown to be above the baselines"
    named = {"not significantly worse": _names(level), "significantly worse": _names(worse)}
    others = (f"; {words}: {names}" for words, names in named.items() if names)
    return f"highest {_with_auroc(first)}, {number(first.main)}{prior}{''.join(others)}"


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

    ``folder``: folder of the page; pages in the checkout link to the documentation.
    """
    texts: dict[str, Any] = {"meanings": _meanings(folder), "missing": cells_without_score(records)}
    return render(
        "leaderboard.md", page=description, datasets=list(map(_printed, datasets)), **texts
    )


def _printed(data: DatasetTables) -> dict[str, Any]:
    """Return what ``leaderboard.md`` shows of a data set."""
    return {
        "title": data.leaderboard.title,
        "answer": data.answers,
        "notes": notes(data.leaderboard),
        "tables": data.printed,
        "on_demand": data.on_demand,
    }


def notes(board: Leaderboard) -> list[str]:
    """Return the notes of a data set: what its tables rest on, and what they do not show."""
    sources = {str(record.data.get("source")) for record in board.records}
    return [
        *main_table.notes(board),
        *(text for source, text in DRAWN.items() if source in sources),
    ]


def _meanings(folder: Path | None) -> str:
    """Return a link from ``folder`` to the page that explains the columns; only its name outside the checkout."""
    if folder is None or (checkout := path_to_checkout(folder)) is None:
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
    gaps = sorted(
        (r for r in records if r.status != "ok"), key=lambda record: (record.status, record.reason)
    )
    groups = grouping.grouped(
        gaps, lambda record: (record.status, re.sub(r"\d[\d.]*", "", record.reason))
    )
    lines = []
    for group in groups.values():
        networks = ", ".join(sorted({record.cell.network for record in group}))
        lines.append(f"{len(group)} {group[0].status} ({networks}): {group[0].reason}")
    return lines
