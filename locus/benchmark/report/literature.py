"""Published results beside ``fixed_box``, a box that never sees the image: tables, sentences and a chart.

``Box``        shares of hits of ``fixed_box``, resampled by patient
``results``    records of baselines and papers; ``mean_over`` reads their shares of hits, ``gap`` compares with ``Box``
``short_tables``, ``more_tables``  the tables over IoU and IoBB; differences, average precision, sources, all values
``answer``, ``chart``  the conclusions in sentences, and the chart

Nothing is interpolated: a column has a value where the paper gives one. See docs/nih_audit.md.
"""

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from matplotlib.lines import Line2D

from locus.benchmark.records import load, suites
from locus.benchmark.records.record import NOT_STATED, SCORED_BOXES, Cell, Record, Reference
from locus.benchmark.report import NOTES, charts, grouping
from locus.benchmark.report.case_columns import CaseFolders, read_columns
from locus.benchmark.report.charts import GREY, PALETTE, Chart
from locus.benchmark.report.formats import NOTHING, number
from locus.benchmark.report.grouping import IOBB, IOU, NOT_RANKED, SOLVED, Row
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.table import Table
from locus.core.names import FIXED_BOX, MAIN, PRIOR, UPPER_BOUND
from locus.core.scores import Estimate, Score
from locus.core.types import FloatArray
from locus.scoring.statistics import resample

COLUMNS = (*IOU, *IOBB)
MARKS = {"above": " ↑", "level": " =", "below": " ↓", "": ""}
"""Mark of a gap -> its sign behind a value."""
PLACES = {
    "above": "above",
    "level": "not significantly different from",
    "below": "below",
    "": "beside",
}
"""Mark of a gap -> its words in a sentence."""
MEAN = "mean"
QUOTED = "**Second-hand**"
FLOOR = "is one box per finding, chosen on other patients, and never sees the image."
LEGEND = (
    "↑ above it, = level, ↓ below (95% interval); no mark: not known to be scored on all boxes."
)
ABOUT = NOTES["published"].format(floor=FLOOR, legend=LEGEND)
ABOUT_SOURCES = "Not run here. Not reviewed: student projects and repositories without a paper."
TITLE = "published results and fixed_box"
NAMES_OF_MEASURES = {"iou": "IoU", "iobb": "IoBB"}
MEASURES = {"IoU": IOU, "IoBB": IOBB}


Hits = tuple[dict[str, FloatArray], list[str], list[str]]
"""Column -> hits (N,), and the finding and patient of each case."""


@dataclass(frozen=True, eq=False)
class Box:
    """Shares of hits of ``fixed_box`` by finding and column."""

    record: Record
    counts: Mapping[str, int]
    """Finding -> number of cases."""
    columns: Mapping[str, resample.Resampled]
    """Column -> shares (F,), resampled by patient."""

    @classmethod
    def of(cls, hits: Hits) -> "Box":
        """Make it from the hits of its cases."""
        columns, findings, patients = hits
        values, names = np.stack([*columns.values()], 1), tuple(sorted({*findings}))
        drawn = resample.bootstrap_draws(
            resample.by_patient(values, np.ones_like(values), findings, patients, names)
        )
        counts = {name: findings.count(name) for name in names}
        return cls(
            of_hits(FIXED_BOX, hits), counts, {name: drawn[:, n] for n, name in enumerate(columns)}
        )

    @property
    def findings(self) -> tuple[str, ...]:
        """The findings, sorted."""
        return tuple(self.counts)

    def over(self, column: str, names: Sequence[str]) -> resample.Resampled:
        """Return the shares of a column for some of the findings."""
        return self.columns[column][[self.findings.index(name) for name in names]]

    @cached_property
    def solved(self) -> tuple[str, ...]:
        """The solved findings: it hits a share of at least ``SOLVED`` of their cases."""
        shares = zip(self.findings, self.columns[MAIN].value.tolist(), strict=True)
        return tuple(name for name, share in shares if share >= SOLVED)

    @property
    def rest(self) -> tuple[str, ...]:
        """The other findings."""
        return tuple(name for name in self.findings if name not in self.solved)


def of_hits(name: str, hits: Hits | None, label: str = "") -> Record:
    """Return a record with the shares of hits by finding; without scores if there are no ``hits``."""
    columns, findings, _ = hits or ({}, [], [])
    parts = {finding: np.array(findings) == finding for finding in sorted({*findings})}
    scores = (  # not rounded
        Score(finding, column, n=int(part.sum()))._replace(value=float(values[part].mean()))
        for column, values in columns.items()
        for finding, part in parts.items()
    )
    return Record(cell=Cell(dataset="", method=name), method_name=label, scores=tuple(scores))


def share(record: Record, column: str, finding: str = MEAN) -> Score | None:
    """Return a share of hits and its number of cases, 0 if that is unknown; papers also call it ``acc``."""
    named = (record.find(name, finding) for name in (column, column.replace("hit@", "acc@")))
    return next((score for score in named if score is not None and score.value is not None), None)


def mean_over(record: Record, column: str, names: Sequence[str], box: Box) -> float | None:
    """Return the mean of a column over the findings ``names``; None if the paper does not give it."""
    if len(names) == len(box.findings) and (mean := share(record, column)) is not None:
        return mean.value
    values = [score.value for name in names if (score := share(record, column, name)) is not None]
    return float(np.mean([value or 0.0 for value in values])) if len(values) == len(names) else None


def gap(record: Record, column: str, names: Sequence[str], box: Box) -> Estimate | None:
    """Return the difference of that mean from the one of ``fixed_box``; None without a value.

    It has no interval unless it was scored on the cases of ``fixed_box``.
    """
    value = mean_over(record, column, names, box)
    if value is None or record is box.record:
        return None
    other, parts = box.over(column, names), [share(record, column, name) for name in names]
    known = [
        part
        for part, name in zip(parts, names, strict=True)
        if part is not None and part.n == box.counts[name]
    ]
    if len(known) == len(names):
        return resample.independent_difference(
            [part.value or 0.0 for part in known], [part.n for part in known], other
        )
    mean = share(record, column)
    scored_all = mean is not None and mean.n == sum(box.counts[name] for name in names)
    return resample.independent_difference(
        value, [box.counts[name] * scored_all for name in names], other
    )


def _findings(record: Record, columns: Sequence[str]) -> set[str]:
    """Return the findings, also ``mean``, that have a share of one of the columns; empty without such a value."""
    scores = (s for s in record.scores if s.value is not None)
    return {score.finding for score in scores if score.metric.replace("acc@", "hit@") in columns}


def _is_second_hand(record: Record) -> bool:
    """Return whether another paper quotes it."""
    return record.reference is not None and record.reference.hand == "second"


def result_name(record: Record) -> str:
    """Return the name of a result; whether it is from an abstract."""
    is_abstract = record.reference is not None and record.reference.table == "abstract"
    return f"{record.method} (abstract)" if is_abstract else record.method


def trained_on(record: Record) -> str:
    """Return what a paper's network was trained on, or what a baseline knows."""
    if record.reference is not None:
        return record.reference.supervision
    if TRAINED_ON in record.rests_on:
        return str(record.rests_on[TRAINED_ON])
    return (
        "yours"
        if record.source == "external"
        else NOT_RANKED[record.cell.method].removeprefix("baseline: ")
    )


@lru_cache(maxsize=16)
def box_of(board: Leaderboard) -> Box | None:
    """Return ``fixed_box`` from the rows per case of a leaderboard; None without them or without published results."""
    rows = board.without_network if of_papers(board) else ()
    row = next((row for row in rows if row.name == FIXED_BOX), None)
    hits = None if row is None else _hits(row, board)
    return None if hits is None else Box.of(hits)


def results(board: Leaderboard, box: Box) -> list[Record]:
    """Return ``fixed_box``, ``prior``, the upper bounds of ``GRIDS`` and the published results."""
    rows = board.without_network
    others = [
        row for row in rows if row.name == PRIOR or (row.name == UPPER_BOUND and row.note in GRIDS)
    ]
    return [
        box.record,
        *(_baseline(row, board) for row in others),
        *ours(board),
        *published(board.records),
    ]


OURS = "nih-boxes"
"""Suite on the same boxes as the published results, beside theirs."""
OUR_METHOD, OUR_POOLING = "fullgrad", "PCAM"
OUR_SUPERVISION = "ours: image labels, after drawn findings that follow NIH's box statistics"


@lru_cache(maxsize=4)
def ours(board: Leaderboard) -> list[Record]:
    """Return the shares of FullGrad on the small CNN with PCAM on all boxes, a mean over training runs.

    Empty for another data set, or if the neighbouring suite ``OURS`` has no results.
    """
    home = board.folders.published or board.folders.own
    folder = home.parent / OURS
    if board.dataset != "NIH" or folder not in suites(folder.parent) or not of_papers(board):
        return []
    scored = [record for record in load(folder) if record.cell.method == OUR_METHOD]
    runs = [record for record in scored if record.cell.global_pool == OUR_POOLING]
    columns = read_columns(runs, CaseFolders(folder), ("iou", "iobb"))
    keys = [record.key for record in runs]
    hits = {name: columns.spread(keys, columns.hits(name)).mean(1) for name in COLUMNS}
    name = f"{OUR_METHOD} (ours), small CNN with {OUR_POOLING}"
    record = of_hits(OUR_METHOD, (hits, columns.findings.tolist(), columns.patients.tolist()), name)
    return [record.model_copy(update={"rests_on": {TRAINED_ON: OUR_SUPERVISION}})]


def published(records: Sequence[Record]) -> list[Record]:
    """Return the ``reviewed`` papers that have a column."""
    return [record for record in reviewed(records) if _findings(record, COLUMNS)]


def reviewed(records: Sequence[Record]) -> list[Record]:
    """Return the first-hand, then the second-hand papers, each by year; none that is grey."""
    return sorted(
        (r for r in records if r.reference is not None and r.reference.hand != "grey"), key=_order
    )


def _order(record: Record) -> tuple[object, ...]:
    reference = record.reference
    return () if reference is None else (reference.hand, reference.year, record.method)


def _baseline(row: Row, board: Leaderboard) -> Record:
    """Return a baseline with its shares by finding."""
    return of_hits(row.name, _hits(row, board), f"{row.name}, {row.note}" if row.note else "")


def _hits(row: Row, board: Leaderboard) -> Hits | None:
    """Return the hits of a baseline's cases; None without rows per case."""
    key, cases = row.runs[0].key, board.cases
    if key not in cases.columns:
        return None
    hits = {name: cases.spread([key], cases.hits(name))[:, 0] for name in COLUMNS}
    scored = np.isfinite(hits[MAIN])
    mine = {name: values[scored] for name, values in hits.items()}
    return mine, cases.findings[scored].tolist(), cases.patients[scored].tolist()


RESULT, TRAINED_ON = NAMES = ("result", "trained on")
RULES = ("hit if", "boxes", "cut chosen on")


def table(title: str, records: Sequence[Record], box: Box, columns: Sequence[str] = IOU) -> Table:
    """Return the table of some columns: a line per result, and one without the findings that ``fixed_box`` solves."""
    head = (RESULT, *headings(columns), TRAINED_ON, *RULES)
    lines: dict[bool, list[tuple[str, ...]]] = {False: [], True: []}
    for record in (record for record in records if _findings(record, columns)):
        lines[_is_second_hand(record)] += _lines(record, box, columns)
    quoted = [(QUOTED, *[""] * (len(head) - 1)), *lines[True]] if lines[True] else []
    return Table(
        title, ABOUT if columns == IOU else NOTES["published_iobb"], head, (*lines[False], *quoted)
    )


def _lines(record: Record, box: Box, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    shares, *without = _with_and_without(record, box, columns, _cell)
    yield (*shares, trained_on(record), *_rules(record.reference))
    if record.cell.method != UPPER_BOUND:
        yield from ((*cells, "", *[""] * len(RULES)) for cells in without)


def _with_and_without(
    record: Record,
    box: Box,
    columns: Sequence[str],
    cell: Callable[[Record, str, Sequence[str], Box], str],
) -> Iterator[tuple[str, ...]]:
    """Yield name and cells of a result over all findings, then without those that ``fixed_box`` solves, if known."""
    yield (result_name(record), *(cell(record, column, box.findings, box) for column in columns))
    if box.solved and _findings(record, columns) - {MEAN}:
        yield (
            f"– without {grouping.listed(box.solved)}",
            *(cell(record, column, box.rest, box) for column in columns),
        )


def _rules(of: Reference | None) -> tuple[str, ...]:
    """Return the hit rule, the boxes and where the score threshold was chosen, in short."""
    if of is None:
        return ("",) * len(RULES)
    cut = of.tuned_on.partition(":")[0].removesuffix(" of the boxed images")
    rules = of.operator, of.n.removesuffix(" boxes"), f"**{cut}**" if cut == SCORED_BOXES else cut
    return tuple(NOTHING if rule == NOT_STATED else rule for rule in rules)


def _cell(record: Record, column: str, names: Sequence[str], box: Box) -> str:
    difference = gap(record, column, names, box)
    return number(mean_over(record, column, names, box)) + (
        MARKS[difference.mark] if difference else ""
    )


def sentence(record: Record, box: Box) -> str:
    """Return what a paper may say of its result at IoU > .3, or at its first threshold."""
    column = (
        MAIN
        if _findings(record, [MAIN])
        else next(column for column in COLUMNS if _findings(record, [column]))
    )
    means = [(box.findings, "")]
    if box.solved:
        means.append((box.rest, f" without {grouping.listed(box.solved)}"))
    words = []
    for names, without in means:
        difference = gap(record, column, names, box)
        if difference is not None:
            both = (
                number(mean_over(record, column, names, box)),
                number(mean_over(box.record, column, names, box)),
            )
            place = f"{PLACES[difference.mark]} fixed_box ({both[1]})"
            words.append(
                f"{both[0]}{without}, {place}, difference {number(difference, sign='value')}"
            )
    measure, _, at = column.removeprefix("hit@").partition(".")
    hits = f"{record.method} hits at {NAMES_OF_MEASURES[measure]} > .{at}"
    return f"{hits}: {'; '.join(words)}."


def headings(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the headings of columns.

    >>> headings(IOU[:2]), headings(IOBB[:2])
    (('IoU > .1', '.2'), ('IoBB > .1', '.25'))
    """
    (measure, _, level), *rest = (column.removeprefix("hit@").partition(".") for column in columns)
    return (f"{NAMES_OF_MEASURES[measure]} > .{level}", *(f".{at}" for _, _, at in rest))


def differences(
    title: str, records: Sequence[Record], box: Box, columns: Sequence[str] = IOU
) -> Table:
    """Return the differences from ``fixed_box`` with their intervals."""
    others = (
        record for record in records if record is not box.record and _findings(record, columns)
    )
    lines = [
        line for record in others for line in _with_and_without(record, box, columns, _difference)
    ]
    return Table(title, NOTES["published_gaps"], (RESULT, *headings(columns)), tuple(lines))


def _difference(record: Record, column: str, names: Sequence[str], box: Box) -> str:
    difference = gap(record, column, names, box)
    if difference is None:
        return NOTHING
    return number(difference, sign="value") + MARKS[difference.mark]


def short_tables(board: Leaderboard) -> tuple[Table, ...]:
    """Return the tables over IoU and over IoBB; empty without published results or without ``fixed_box``."""
    box = box_of(board)
    return () if box is None else by_measure(board.title, results(board, box), box)


def by_measure(dataset: str, rows: Sequence[Record], box: Box) -> tuple[Table, ...]:
    """Return the tables of results over IoU and over IoBB."""
    made = (
        table(f"{dataset}: {TITLE}, {name}", rows, box, columns)
        for name, columns in MEASURES.items()
    )
    return tuple(one for one in made if one.rows)


def more_tables(board: Leaderboard) -> tuple[Table, ...]:
    """Return differences with intervals, average precision, sources, and all published values by finding."""
    papers, box, made = of_papers(board), box_of(board), list[Table]()
    if box is not None:
        rows, title = (
            results(board, box),
            f"{board.title}: {TITLE}, {{}}: difference from fixed_box",
        )
        made += [_by_finding(box, board.title), _baselines_by_finding(board)]
        made += [
            differences(title.format(name), rows, box, columns)
            for name, columns in MEASURES.items()
        ]
    made += [make(papers, board.title) for make in (_precision, _sources, _values)]
    return tuple(one for one in made if one.rows)


def _by_finding(box: Box, dataset: str) -> Table:
    """Return the shares of ``fixed_box`` by finding over the IoU, with intervals over patients."""
    ends = {column: resample.interval(box.columns[column]) for column in IOU}
    lines = [
        (
            name,
            *(number(Estimate(box.columns[c].value[k], *ends[c][k])) for c in IOU),
            str(box.counts[name]),
        )
        for k, name in enumerate(box.findings)
    ]
    about = "Share of truth boxes hit, with a 95% interval over patients."
    return Table(
        f"{dataset}: fixed_box by finding", about, ("finding", *headings(IOU), "n"), tuple(lines)
    )


def _baselines_by_finding(board: Leaderboard) -> Table:
    """Return the shares of all baselines by finding at IoU > .3, with intervals over patients."""
    known = [
        (row, hits) for row in board.without_network if (hits := _hits(row, board)) is not None
    ]
    boxes = [(row, Box.of(({MAIN: hits[0][MAIN]}, *hits[1:]))) for row, hits in known]
    lines = []
    for row, box in boxes:
        intervals = zip(
            box.columns[MAIN].value, *resample.interval(box.columns[MAIN]).T, strict=True
        )
        lines.append(
            (
                f"{row.name} {row.note}".rstrip(),
                *(number(Estimate(*interval)) for interval in intervals),
            )
        )
    head = ("baseline", *boxes[0][1].findings)
    about = "Share of truth boxes hit at IoU > .3, with a 95% interval over patients."
    return Table(f"{board.title}: baselines by finding", about, head, tuple(lines))


def of_papers(board: Leaderboard) -> list[Record]:
    """Return the records of papers on the data set of a leaderboard."""
    return sorted(
        (r for r in board.records if r.source == "paper" and r.cell.dataset == board.dataset),
        key=_order,
    )


def _precision(papers: Sequence[Record], dataset: str) -> Table:
    """Return average precision, and loc-acc as its authors define it."""
    having = [
        record
        for record in papers
        if any(name.startswith("ap@") for name, _ in record.names(finding=MEAN))
    ]
    names = {name for record in having for name, _ in record.names(finding=MEAN)}
    metrics = sorted(name for name in names if name.startswith(("ap@", "loc-acc@")))
    lines = [(r.method, trained_on(r), *(_value(r.find(name)) for name in metrics)) for r in having]
    head = (*NAMES, *metrics)
    return Table(
        f"{dataset}: average precision, from papers", NOTES["precision"], head, tuple(lines)
    )


SOURCE_HEADER = (
    *(RESULT, "authors", "year", "paper", "table", "source", "quoted by", TRAINED_ON, "hit if"),
    *("compared with the truth", "images", "n", "cut chosen on", "note"),
)


def _sources(papers: Sequence[Record], dataset: str) -> Table:
    """Return where each published number is from, and how it was scored."""
    lines = [
        (record.method, *_source(record.reference), record.reason)
        for record in papers
        if record.reference
    ]
    return Table(
        f"{dataset}: sources of the published results", ABOUT_SOURCES, SOURCE_HEADER, tuple(lines)
    )


def _source(of: Reference) -> tuple[str, ...]:
    hand = "not reviewed" if of.hand == "grey" else f"{of.hand}-hand"
    paper = of.authors, str(of.year), of.identifier, of.table, hand, of.quoted_by or NOTHING
    return (*paper, of.supervision, of.operator, of.prediction, of.split, of.n, of.tuned_on)


def _values(papers: Sequence[Record], dataset: str) -> Table:
    """Return all published values, a line per metric, with the values by finding."""
    findings = sorted({score.finding for record in papers for score in record.scores} - {MEAN})
    metrics = [(record, dict.fromkeys(metric for metric, _ in record.names())) for record in papers]
    lines = [
        (
            record.method,
            metric,
            *(_value(record.find(metric, finding)) for finding in (MEAN, *findings)),
        )
        for record, names in metrics
        for metric in names
    ]
    head = (RESULT, "metric", MEAN, *findings)
    return Table(f"{dataset}: all published values", "As published.", head, tuple(lines))


def _value(score: Score | None) -> str:
    return NOTHING if score is None else number(score.value, leading_zero=True)


def lines(board: Leaderboard) -> Iterator[dict[str, str | float | None]]:
    """Yield the lines of the published results in ``leaderboard.csv``."""
    if (box := box_of(board)) is not None:
        for record in published(board.records):
            kind = "published, quoted" if _is_second_hand(record) else "published"
            names = {"dataset": board.dataset, "kind": kind, "method": result_name(record)}
            values = {column: mean_over(record, column, box.findings, box) for column in COLUMNS}
            of_findings = sorted(_findings(record, (MAIN,)) - {MEAN})
            shares = {
                name: of.value
                for name in of_findings
                if (of := share(record, MAIN, name)) is not None
            }
            yield names | values | shares | {"note": trained_on(record)}


def answer(board: Leaderboard) -> tuple[str, ...]:
    """Return what the published results show beside ``fixed_box``, and what they do not show; in Markdown."""
    box = box_of(board)
    first_hand = [record for record in published(board.records) if not _is_second_hand(record)]
    if box is None or not first_hand:
        return ()
    values = [number(mean_over(box.record, MAIN, names, box)) for names in (box.findings, box.rest)]
    without = f" ({values[1]} without {grouping.listed(box.solved)})" if box.solved else ""
    lines = [
        f"**A box that never sees the image** (`{FIXED_BOX}`): {values[0]} at IoU > .3{without}."
    ]
    earliest = next((record for record in first_hand if _findings(record, IOU) - {MEAN}), None)
    if earliest is not None:
        lines.append(
            f"**{result_name(earliest)}** compared with it: {_marks(earliest, box.findings, box)}."
        )
        if box.solved:
            lines[-1] += (
                f" Without {grouping.listed(box.solved)}: {_marks(earliest, box.rest, box)}."
            )
    return (*lines, NOTES["published_limit"])


def _marks(record: Record, names: Sequence[str], box: Box) -> str:
    """Return the thresholds at which a result is above, level with and below ``fixed_box``."""
    gaps = {
        column: of.mark for column in IOU if (of := gap(record, column, names, box)) is not None
    }
    words = {
        mark: [f".{column[-1]}" for column, of in gaps.items() if of == mark]
        for mark in PLACES
        if mark
    }
    return "; ".join(
        f"{mark} at IoU > {', '.join(levels)}" for mark, levels in words.items() if levels
    )


GRIDS = ("7×7 grid", "16×16 grid")
"""Grids whose upper bound is in the chart."""


SEES_NOTHING = "one fixed box per finding, sees no image"
FILE = "published.svg"
"""The chart beside the tables of a suite."""


def chart(board: Leaderboard) -> Chart | None:
    """Draw hits over the IoU threshold; None without published results or ``fixed_box``."""
    box = box_of(board)
    if box is None:
        return None
    about = (
        f"{board.dataset}, published results: share of boxes hit over the IoU threshold, mean over findings. Thick and "
        f"dashed: {FIXED_BOX}, which never sees the image; thin and dashed: {PRIOR}. Solid black: ours. Dotted: the "
        "largest possible share of a map on that grid. "
        "Marks: one threshold is known. Quoted: read in another paper. *: cut chosen on the scored boxes, or not known "
        "to be scored on all boxes. Papers differ in supervision and rules."
    )
    labels = {"xlabel": "IoU threshold", "ylabel": "share of boxes hit"}
    return charts.lines(curves(board, box), about, 4.6, **labels, xlim=(0.08, 0.72), ylim=(0, 1))


def curves(board: Leaderboard, box: Box) -> list[Line2D]:
    """Return both baselines, ours, a line per published result, dotted upper bounds, and results with one point."""
    bounds = [row for row in board.without_network if row.name == UPPER_BOUND and row.note in GRIDS]
    nothing, truths = (
        _curve(box.record, box),
        [_curve(_baseline(row, board), box) for row in bounds],
    )
    priors = [
        _curve(_baseline(row, board), box) for row in board.without_network if row.name == PRIOR
    ][:1]
    own = [_curve(record, box) for record in ours(board)]
    papers = [_curve(record, box) for record in published(board.records) if _findings(record, IOU)]
    known = [curve for curve in papers if np.size(curve.get_xdata()) > 1]
    points = [curve for curve in papers if curve not in known]
    nothing.set(color="black", linestyle=(0, (2, 1)), linewidth=3)
    for curve in priors:
        curve.set(color="black", linestyle="--", linewidth=1.6)
    for curve in own:
        curve.set(color="black", linewidth=2.4)
    for curve, colour in zip(known, itertools.cycle(PALETTE), strict=False):
        curve.set(color=colour, linewidth=1.6)
    for curve, gap in zip(truths, (1, 3), strict=False):
        curve.set(color=GREY, linestyle=(0, (1, gap)), linewidth=1.6)
    for curve, shape in zip(points, itertools.cycle("os^D+vX"), strict=False):
        curve.set(
            color=GREY, marker=shape, markerfacecolor="none", markeredgewidth=1.4, linestyle="none"
        )
    return [nothing, *priors, *own, *known, *truths, *points]


def _curve(record: Record, box: Box) -> Line2D:
    """Return the line of a result over the IoU thresholds at which it has a value."""
    values = [
        (n / 10, mean_over(record, column, box.findings, box)) for n, column in enumerate(IOU, 1)
    ]
    known = [(level, value) for level, value in values if value is not None]
    name = result_name(record).replace(UPPER_BOUND, "best possible") + ", quoted" * _is_second_hand(
        record
    )
    easier = "*" * (record.reference is not None and _is_easier(record, box))
    return Line2D(
        *zip(*known, strict=True), label=SEES_NOTHING if record is box.record else name + easier
    )


def _is_easier(record: Record, box: Box) -> bool:
    """Return whether a result chose its cut on the scored boxes, or is not known to be scored on all boxes."""
    gaps = (gap(record, column, box.findings, box) for column in IOU)
    chosen = record.reference is not None and record.reference.tuned_on.startswith(SCORED_BOXES)
    return chosen or not any(of is not None and of.mark for of in gaps)
