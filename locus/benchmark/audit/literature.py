"""Published results beside ``fixed_box``, a box that never sees the image: tables, sentences and a chart.

``PublishedResults``  tables, sentences and chart of the papers on a data set
``table``, ``differences``, ``sentence``  the same of single results

Nothing is interpolated: a column has a value where the paper gives one. See docs/nih_audit.md.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

import numpy as np
from matplotlib.lines import Line2D

from locus.benchmark.audit.results import (
    COLUMNS,
    MEAN,
    TRAINED_ON,
    Box,
    Hits,
    by_hand_and_year,
    find_share,
    findings_of,
    gap,
    is_second_hand,
    mean_over,
    published,
    record_of_hits,
    result_name,
    trained_on,
)
from locus.benchmark.records import load, suites
from locus.benchmark.records.record import NOT_STATED, SCORED_BOXES, Record, Reference
from locus.benchmark.report import NOTES, charts, grouping
from locus.benchmark.report.case_columns import CaseFolders, read_columns
from locus.benchmark.report.charts import GREY, PALETTE, Chart
from locus.benchmark.report.formats import NOTHING, number
from locus.benchmark.report.grouping import (
    IOBB,
    IOU,
    NAMES_OF_MEASURES,
    Row,
    headings,
)
from locus.benchmark.report.section import PublishedReport
from locus.benchmark.report.table import Table
from locus.core.names import FIXED_BOX, MAIN, PRIOR, UPPER_BOUND
from locus.core.scores import Estimate, Score
from locus.scoring.statistics import resample

MARKS = {"above": " ↑", "level": " =", "below": " ↓", "": ""}
"""Mark of a difference -> its sign behind a value."""
PLACES = {
    "above": "above",
    "level": "not significantly different from",
    "below": "below",
    "": "beside",
}
"""Mark of a difference -> its words in a sentence."""
QUOTED = "**Second-hand**"
FLOOR = "is one box per finding, chosen on other patients, and never sees the image."
LEGEND = (
    "↑ above it, = level, ↓ below (95% interval); no mark: not known to be scored on all boxes."
)
ABOUT = NOTES["published"].format(floor=FLOOR, legend=LEGEND)
ABOUT_SOURCES = "Not run here. Not reviewed: student projects and repositories without a paper."
TITLE = "published results and fixed_box"
MEASURES = {"IoU": IOU, "IoBB": IOBB}
OURS = "nih-boxes"
"""Suite on the same boxes as the published results, beside theirs."""
OUR_METHOD = "fullgrad"
OUR_POOLING = "PCAM"
OUR_SUPERVISION = "ours: image labels, after drawn findings that follow NIH's box statistics"
RESULT = "result"
RULES = ("hit if", "boxes", "cut chosen on")
SOURCE_HEADER = (
    *(RESULT, "authors", "year", "paper", "table", "source", "quoted by", TRAINED_ON, "hit if"),
    *("compared with the truth", "images", "n", "cut chosen on", "note"),
)
GRIDS = ("7×7 grid", "16×16 grid")
"""Grids whose upper bound is in the tables and the chart."""
SEES_NOTHING = "one fixed box per finding, sees no image"


def table(title: str, records: Sequence[Record], box: Box, columns: Sequence[str] = IOU) -> Table:
    """Return the table of some metrics: a line per result, and one without the findings that ``fixed_box`` solves.

    Args:
        title: title of the table.
        records: the published results.
        box: the results of ``fixed_box`` on the same truth.
        columns: the metrics.
    """
    header = (RESULT, *headings(columns), TRAINED_ON, *RULES)
    lines: list[tuple[str, ...]] = []
    quoted: list[tuple[str, ...]] = []
    for record in records:
        if findings_of(record, columns):
            section = quoted if is_second_hand(record) else lines
            section += _lines(record, box, columns)
    if quoted:
        lines.append((QUOTED, *[""] * (len(header) - 1)))
    about = ABOUT if columns == IOU else NOTES["published_iobb"]
    return Table(title, about, header, (*lines, *quoted))


def _lines(record: Record, box: Box, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    shares, *without_solved = _with_and_without(record, box, columns, _cell)
    yield (*shares, trained_on(record), *_rules(record))
    if record.cell.method != UPPER_BOUND:
        for cells in without_solved:
            yield (*cells, "", *[""] * len(RULES))


def _with_and_without(
    record: Record,
    box: Box,
    columns: Sequence[str],
    cell: Callable[[Record, str, Sequence[str], Box], str],
) -> Iterator[tuple[str, ...]]:
    """Yield name and cells of a result over all findings, then without those that ``fixed_box`` solves, if known."""
    yield (result_name(record), *(cell(record, column, box.findings, box) for column in columns))
    if box.solved and findings_of(record, columns) - {MEAN}:
        cells = (cell(record, column, box.rest, box) for column in columns)
        yield (f"– {box.without_solved}", *cells)


def _rules(record: Record) -> tuple[str, ...]:
    """Return the hit rule, the boxes and where the score threshold was chosen, in short."""
    reference = record.reference
    if trained_on(record) == OUR_SUPERVISION:
        boxes = sum(score.n for score in record.scores if score.metric == MAIN)
        return (">", str(boxes), "other patients")
    if reference is None:
        return ("",) * len(RULES)
    cut = reference.tuned_on.partition(":")[0].removesuffix(" of the boxed images")
    if cut == SCORED_BOXES:
        cut = f"**{cut}**"
    rules = (reference.operator, reference.n.removesuffix(" boxes"), cut)
    return tuple(NOTHING if rule == NOT_STATED else rule for rule in rules)


def _cell(record: Record, column: str, names: Sequence[str], box: Box) -> str:
    difference = gap(record, column, names, box) or Estimate(None)
    return number(mean_over(record, column, names, box)) + MARKS[difference.mark]


def sentence(record: Record, box: Box) -> str:
    """Return what a paper may say of its result at IoU > .3, or at its first threshold."""
    column = next(column for column in (MAIN, *COLUMNS) if findings_of(record, [column]))
    comparisons = [_compared(record, column, box.findings, box, "")]
    if box.solved:
        comparisons.append(_compared(record, column, box.rest, box, f" {box.without_solved}"))
    measure, _, level = column.removeprefix("hit@").partition(".")
    hits = f"{record.method} hits at {NAMES_OF_MEASURES[measure]} > .{level}"
    return f"{hits}: {'; '.join(filter(None, comparisons))}."


def _compared(record: Record, column: str, names: Sequence[str], box: Box, without: str) -> str:
    """Return a share over some findings and its difference from ``fixed_box``; empty without a value."""
    difference = gap(record, column, names, box)
    if difference is None:
        return ""
    value = number(mean_over(record, column, names, box))
    of_box = number(mean_over(box.record, column, names, box))
    in_words = f"{PLACES[difference.mark]} fixed_box ({of_box})"
    return f"{value}{without}, {in_words}, difference {number(difference, sign='value')}"


def differences(
    title: str, records: Sequence[Record], box: Box, columns: Sequence[str] = IOU
) -> Table:
    """Return the table of the differences from ``fixed_box`` with their intervals.

    Args:
        title: title of the table.
        records: the published results.
        box: the results of ``fixed_box`` on the same truth.
        columns: the metrics.
    """
    lines: list[tuple[str, ...]] = []
    for record in records:
        if record is not box.record and findings_of(record, columns):
            lines += _with_and_without(record, box, columns, _difference)
    return Table(title, NOTES["published_gaps"], (RESULT, *headings(columns)), tuple(lines))


def _difference(record: Record, column: str, names: Sequence[str], box: Box) -> str:
    difference = gap(record, column, names, box) or Estimate(None)
    return number(difference, sign="value") + MARKS[difference.mark]


def by_measure(dataset: str, rows: Sequence[Record], box: Box) -> tuple[Table, ...]:
    """Return the tables of results over IoU and over IoBB."""
    tables = (
        table(f"{dataset}: {TITLE}, {name}", rows, box, columns)
        for name, columns in MEASURES.items()
    )
    return tuple(table for table in tables if table.rows)


class PublishedResults(PublishedReport):
    """Published results on the data set of a leaderboard, beside ``fixed_box``."""

    chart_file = "published.svg"

    @cached_property
    def papers(self) -> list[Record]:
        """The records of papers on the data set, also those that were not reviewed."""
        dataset = self.board.dataset
        papers = (record for record in self.board.records if record.source == "paper")
        return sorted(
            (record for record in papers if record.cell.dataset == dataset), key=by_hand_and_year
        )

    @cached_property
    def box(self) -> Box | None:
        """``fixed_box`` from the rows per case; None without them or without published results."""
        if not self.papers:
            return None
        for row in self.board.without_network:
            if row.name == FIXED_BOX:
                hits = self._hits(row)
                return None if hits is None else Box.of(hits)
        return None

    @cached_property
    def ours(self) -> list[Record]:
        """The shares of FullGrad on the small CNN with PCAM on all boxes, a mean over training runs.

        Empty for another data set, or if the neighbouring suite ``OURS`` has no results.
        """
        home = self.board.folders.published or self.board.folders.folder
        folder = home.parent / OURS
        if self.board.dataset != "NIH" or not self.papers or folder not in suites(folder.parent):
            return []
        runs = [
            record
            for record in load(folder)
            if (record.cell.method, record.cell.global_pool) == (OUR_METHOD, OUR_POOLING)
        ]
        cases = read_columns(runs, CaseFolders(folder), ("iou", "iobb"))
        keys = [record.key for record in runs]
        columns = {name: cases.spread(keys, cases.hits(name)).mean(1) for name in COLUMNS}
        hits = (columns, cases.findings.tolist(), cases.patients.tolist())
        label = f"{OUR_METHOD} (ours), small CNN with {OUR_POOLING}"
        record = record_of_hits(OUR_METHOD, hits, label)
        return [record.model_copy(update={"rests_on": {TRAINED_ON: OUR_SUPERVISION}})]

    def results(self, box: Box) -> list[Record]:
        """Return ``fixed_box``, ``prior``, the upper bounds of ``GRIDS``, ours and the published results."""
        baselines = [
            self._baseline(row)
            for row in self.board.without_network
            if row.name == PRIOR or (row.name == UPPER_BOUND and row.note in GRIDS)
        ]
        return [box.record, *baselines, *self.ours, *published(self.board.records)]

    def _baseline(self, row: Row) -> Record:
        """Return a baseline with its shares by finding."""
        label = f"{row.name}, {row.note}" if row.note else ""
        return record_of_hits(row.name, self._hits(row), label)

    def _hits(self, row: Row) -> Hits | None:
        """Return the hits of a baseline's cases; None without rows per case."""
        key = row.runs[0].key
        cases = self.board.cases
        if key not in cases.columns:
            return None
        hits = {name: cases.spread([key], cases.hits(name))[:, 0] for name in COLUMNS}
        is_scored = np.isfinite(hits[MAIN])
        columns = {name: values[is_scored] for name, values in hits.items()}
        return columns, cases.findings[is_scored].tolist(), cases.patients[is_scored].tolist()

    @cached_property
    def short_tables(self) -> tuple[Table, ...]:
        """The tables over IoU and over IoBB; empty without published results or without ``fixed_box``."""
        if self.box is None:
            return ()
        return by_measure(self.board.title, self.results(self.box), self.box)

    @cached_property
    def more_tables(self) -> tuple[Table, ...]:
        """Differences with intervals, average precision, sources, and all published values by finding."""
        title = self.board.title
        tables: list[Table] = []
        if self.box is not None:
            results = self.results(self.box)
            tables += [_by_finding(self.box, title), self._baselines_by_finding()]
            for name, columns in MEASURES.items():
                title_of_gaps = f"{title}: {TITLE}, {name}: difference from fixed_box"
                tables.append(differences(title_of_gaps, results, self.box, columns))
        tables += [_precision(self.papers, title), _sources(self.papers, title)]
        tables.append(_values(self.papers, title))
        return tuple(table for table in tables if table.rows)

    def _baselines_by_finding(self) -> Table:
        """Return the shares of all baselines by finding at IoU > .3, with intervals over patients."""
        lines: list[tuple[str, ...]] = []
        findings: tuple[str, ...] = ()
        for row in self.board.without_network:
            hits = self._hits(row)
            if hits is None:
                continue
            columns, findings_of_cases, patients = hits
            box = Box.of(({MAIN: columns[MAIN]}, findings_of_cases, patients))
            findings = findings or box.findings
            lines.append((f"{row.name} {row.note}".rstrip(), *_estimates(box.columns[MAIN])))
        return Table(
            f"{self.board.title}: baselines by finding",
            "Share of truth boxes hit at IoU > .3, with a 95% interval over patients.",
            ("baseline", *findings),
            tuple(lines),
        )

    def lines(self) -> Iterator[dict[str, str | float | None]]:
        """Yield the lines of the published results in ``leaderboard.csv``."""
        if self.box is None:
            return
        findings = self.box.findings
        for record in published(self.board.records):
            line: dict[str, str | float | None] = {
                "dataset": self.board.dataset,
                "kind": "published, quoted" if is_second_hand(record) else "published",
                "method": result_name(record),
            }
            for column in COLUMNS:
                line[column] = mean_over(record, column, findings, self.box)
            for name in sorted(findings_of(record, (MAIN,)) - {MEAN}):
                score = find_share(record, MAIN, name)
                if score is not None:
                    line[name] = score.value
            line["note"] = trained_on(record)
            yield line

    def answer(self) -> tuple[str, ...]:
        """Return what the published results show beside ``fixed_box``, and what they do not show; in Markdown."""
        box = self.box
        first_hand = [
            record for record in published(self.board.records) if not is_second_hand(record)
        ]
        if box is None or not first_hand:
            return ()
        value = number(mean_over(box.record, MAIN, box.findings, box))
        without = ""
        if box.solved:
            without = (
                f" ({number(mean_over(box.record, MAIN, box.rest, box))} {box.without_solved})"
            )
        line = f"**A box that never sees the image** (`{FIXED_BOX}`): {value} at IoU > .3{without}."
        by_finding = [record for record in first_hand if findings_of(record, IOU) - {MEAN}]
        if not by_finding:
            return (line, NOTES["published_limit"])
        earliest = by_finding[0]
        marks = _marks(earliest, box.findings, box)
        compared = f"**{result_name(earliest)}** compared with it: {marks}."
        if box.solved:
            solved = grouping.listed(box.solved)
            compared += f" Without {solved}: {_marks(earliest, box.rest, box)}."
        return (line, compared, NOTES["published_limit"])

    @cached_property
    def chart(self) -> Chart | None:
        """Hits over the IoU threshold; None without published results or ``fixed_box``."""
        if self.box is None:
            return None
        about = (
            f"{self.board.dataset}, published results: share of boxes hit over the IoU threshold, mean over findings. "
            f"Thick and dashed: {FIXED_BOX}, which never sees the image; thin and dashed: {PRIOR}. Solid black: ours. "
            "Dotted: the largest possible share of a map on that grid. "
            "Marks: one threshold is known. Quoted: read in another paper. *: cut chosen on the scored boxes, or not "
            "known to be scored on all boxes. Papers differ in supervision and rules."
        )
        return charts.lines(
            self.curves(self.box),
            about,
            height=4.6,
            xlabel="IoU threshold",
            ylabel="share of boxes hit",
            xlim=(0.08, 0.72),
            ylim=(0, 1),
        )

    def curves(self, box: Box) -> list[Line2D]:
        """Return both baselines, ours, a line per published result, dotted upper bounds, and results with one point."""
        fixed_box = _curve(box.record, box)
        fixed_box.set(color="black", linestyle=(0, (2, 1)), linewidth=3)
        baselines = self.board.without_network
        priors = [_curve(self._baseline(row), box) for row in baselines if row.name == PRIOR][:1]
        for curve in priors:
            curve.set(color="black", linestyle="--", linewidth=1.6)
        ours = [_curve(record, box) for record in self.ours]
        for curve in ours:
            curve.set(color="black", linewidth=2.4)
        bounds = [
            _curve(self._baseline(row), box)
            for row in baselines
            if row.name == UPPER_BOUND and row.note in GRIDS
        ]
        for curve, space in zip(bounds, (1, 3), strict=False):
            curve.set(color=GREY, linestyle=(0, (1, space)), linewidth=1.6)
        papers = [
            _curve(record, box)
            for record in published(self.board.records)
            if findings_of(record, IOU)
        ]
        lines = [curve for curve in papers if np.size(curve.get_xdata()) > 1]
        for curve, colour in zip(lines, itertools.cycle(PALETTE), strict=False):
            curve.set(color=colour, linewidth=1.6)
        points = [curve for curve in papers if curve not in lines]
        for curve, marker in zip(points, itertools.cycle("os^D+vX"), strict=False):
            curve.set(color=GREY, marker=marker, markerfacecolor="none", markeredgewidth=1.4)
            curve.set(linestyle="none")
        return [fixed_box, *priors, *ours, *lines, *bounds, *points]


def _estimates(shares: resample.Resampled) -> list[str]:
    """Return the shares (F,) with their intervals over patients."""
    ends = resample.interval(shares)
    return [
        number(Estimate(value, low, high))
        for value, (low, high) in zip(shares.value, ends, strict=True)
    ]


def _by_finding(box: Box, dataset: str) -> Table:
    """Return the shares of ``fixed_box`` by finding over the IoU, with intervals over patients."""
    columns = [_estimates(box.columns[column]) for column in IOU]
    counts = map(str, box.counts.values())
    return Table(
        f"{dataset}: fixed_box by finding",
        "Share of truth boxes hit, with a 95% interval over patients.",
        ("finding", *headings(IOU), "n"),
        tuple(zip(box.findings, *columns, counts, strict=True)),
    )


def _precision(papers: Sequence[Record], dataset: str) -> Table:
    """Return average precision, and loc-acc as its authors define it."""
    measured = [
        record
        for record in papers
        if any(metric.startswith("ap@") for metric, _ in record.names(finding=MEAN))
    ]
    all_metrics = {metric for record in measured for metric, _ in record.names(finding=MEAN)}
    metrics = sorted(name for name in all_metrics if name.startswith(("ap@", "loc-acc@")))
    lines = []
    for record in measured:
        values = (_value(record.find(metric)) for metric in metrics)
        lines.append((record.method, trained_on(record), *values))
    title = f"{dataset}: average precision, from papers"
    return Table(title, NOTES["precision"], (RESULT, TRAINED_ON, *metrics), tuple(lines))


def _sources(papers: Sequence[Record], dataset: str) -> Table:
    """Return where each published number is from, and how it was scored."""
    lines = [
        (record.method, *_source(record.reference), record.reason)
        for record in papers
        if record.reference is not None
    ]
    title = f"{dataset}: sources of the published results"
    return Table(title, ABOUT_SOURCES, SOURCE_HEADER, tuple(lines))


def _source(reference: Reference) -> tuple[str, ...]:
    return (
        reference.authors,
        str(reference.year),
        reference.identifier,
        reference.table,
        "not reviewed" if reference.hand == "grey" else f"{reference.hand}-hand",
        reference.quoted_by or NOTHING,
        reference.supervision,
        reference.operator,
        reference.prediction,
        reference.split,
        reference.n,
        reference.tuned_on,
    )


def _values(papers: Sequence[Record], dataset: str) -> Table:
    """Return all published values, a line per metric, with the values by finding."""
    findings = {score.finding for record in papers for score in record.scores}
    columns = (MEAN, *sorted(findings - {MEAN}))
    lines = []
    for record in papers:
        for metric in dict.fromkeys(metric for metric, _ in record.names()):
            values = (_value(record.find(metric, finding)) for finding in columns)
            lines.append((record.method, metric, *values))
    title = f"{dataset}: all published values"
    return Table(title, "As published.", (RESULT, "metric", *columns), tuple(lines))


def _value(score: Score | None) -> str:
    return NOTHING if score is None else number(score.value, leading_zero=True)


def _marks(record: Record, names: Sequence[str], box: Box) -> str:
    """Return the thresholds at which a result is above, level with and below ``fixed_box``."""
    levels: dict[str, list[str]] = {"above": [], "level": [], "below": []}
    for column in IOU:
        difference = gap(record, column, names, box)
        if difference is not None and difference.mark:
            levels[difference.mark].append(f".{column[-1]}")
    return "; ".join(
        f"{mark} at IoU > {', '.join(columns)}" for mark, columns in levels.items() if columns
    )


def _curve(record: Record, box: Box) -> Line2D:
    """Return the line of a result over the IoU thresholds at which it has a value."""
    levels = []
    values = []
    for n, column in enumerate(IOU, 1):
        value = mean_over(record, column, box.findings, box)
        if value is not None:
            levels.append(n / 10)
            values.append(value)
    return Line2D(levels, values, label=_label(record, box))


def _label(record: Record, box: Box) -> str:
    """Return the name of a result in the chart."""
    if record is box.record:
        return SEES_NOTHING
    label = result_name(record).replace(UPPER_BOUND, "best possible")
    if is_second_hand(record):
        label += ", quoted"
    if record.reference is not None and _is_easier(record, record.reference, box):
        label += "*"
    return label


def _is_easier(record: Record, reference: Reference, box: Box) -> bool:
    """Return whether a result chose its cut on the scored boxes, or is not known to be scored on all boxes."""
    if reference.tuned_on.startswith(SCORED_BOXES):
        return True
    gaps = [gap(record, column, box.findings, box) for column in IOU]
    return all(difference is None or not difference.mark for difference in gaps)
