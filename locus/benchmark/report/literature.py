"""Published results beside ``fixed_box``, a box that never sees the image: tables, sentences and a chart.

``Box``      shares of hits of ``fixed_box``, resampled by patient
``Result``   shares of hits of a paper, a baseline or a user, by finding where they are known
``results``  baselines and papers of a leaderboard
``short_tables``, ``more_tables``  the tables over IoU and IoBB; differences, average precision, sources, all values
``answer``, ``chart``  the conclusions in sentences, and the chart

Nothing is interpolated: a column has a value where the paper gives one. See docs/nih_audit.md.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from locus.benchmark.records.record import NOT_STATED, SCORED_BOXES, Record, Reference
from locus.benchmark.report import charts, select
from locus.benchmark.report.charts import GREY, PALETTE, Chart
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.row import IOBB, IOU, SOLVED, Row
from locus.benchmark.report.select import NOT_RANKED
from locus.benchmark.report.table import NOTHING, Table, of_interval, share, short, signed_short
from locus.benchmark.scoring.statistics.published import Gap, independent_difference
from locus.benchmark.scoring.statistics.resample import Resampled, bootstrap_draws, by_patient, interval
from locus.core.names import FIXED_BOX, MAIN, PRIOR, UPPER_BOUND
from locus.core.types import FloatArray

COLUMNS = (*IOU, *IOBB)
MARKS = {"above": " ↑", "level": " =", "below": " ↓", "": ""}
"""Mark of a gap -> its sign behind a value."""
MEAN = "mean"
QUOTED = "**Second-hand**"
ABOUT = (
    "Share of truth boxes hit, mean over findings; below it, without the findings that `fixed_box` solves. "
    "`fixed_box` is one box per finding, chosen on other patients, and never sees the image. ↑ above it, = level, "
    "↓ below (95% interval); no mark: not known to be scored on all boxes. Bold: chosen on the truth that "
    "is scored. –: not stated. Papers differ in training, hit rule and boxes: docs/nih_audit.md. Other baselines: "
    "leaderboard.csv."
)
ABOUT_IOBB = (
    "As above. `fixed_box` was chosen at IoU > .3, not at an IoBB, which divides by the area of the predicted box."
)
ABOUT_GAPS = (
    "Result minus `fixed_box`, mean over findings, with a 95% interval: the published share of each finding is "
    "binomial, that of the box is resampled by patient, and the two are taken as independent. If only the mean is "
    "published, the interval is the widest that any values by finding allow. No interval: not known to be on all boxes."
)
ABOUT_PRECISION = (
    "Average precision of boxes with confidences, on half of the boxed images. loc-acc counts findings without truth "
    "and without prediction as correct: it is not the share of boxes hit."
)
ABOUT_SOURCES = "Not run here. Not reviewed: student projects and repositories without a paper."
LIMIT = (
    "This does not show that networks find nothing: the box knows where each finding usually is, and papers differ in "
    "supervision, boxes and rules (docs/nih_audit.md)."
)
TITLE = "published results and fixed_box"
MEASURES = {"IoU": IOU, "IoBB": IOBB}


@dataclass(frozen=True, eq=False)
class Box:
    """Shares of hits of ``fixed_box`` by finding and column."""

    findings: tuple[str, ...]
    counts: Mapping[str, int]
    """Finding -> number of cases."""
    columns: Mapping[str, Resampled]
    """Column -> shares (F,), resampled by patient."""

    @classmethod
    def of(cls, hits: Mapping[str, ArrayLike], findings: Sequence[str], patients: Sequence[str]) -> "Box":
        """Make it from ``hits`` (N,) of N cases by column, and the finding and patient of each case."""
        values = np.stack([np.asarray(of, dtype=np.float64) for of in hits.values()], 1)
        names = tuple(sorted({*findings}))
        sums = by_patient(values, np.ones_like(values), findings, patients, names)
        drawn = bootstrap_draws(sums)
        counts = dict(zip(names, sums.denominator[..., 0].sum(0).astype(int).tolist(), strict=True))
        return cls(names, counts, {name: drawn[:, n] for n, name in enumerate(hits)})

    def over(self, column: str, names: Sequence[str]) -> Resampled:
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


class Share(NamedTuple):
    """A share of hits and the number of cases; 0 if that is unknown."""

    value: float
    n: int


@dataclass(frozen=True, eq=False)
class Result:
    """Shares of hits that are compared with ``fixed_box``."""

    name: str
    trained_on: str
    shares: Mapping[str, Mapping[str, Share]]
    """Column -> finding -> share; ``mean`` is the mean over findings."""
    reference: Reference | None = None
    is_fixed_box: bool = False

    def value(self, column: str, names: Sequence[str], box: Box) -> float | None:
        """Return the mean of a column over the findings ``names``; None if the paper does not give it."""
        shares = self.shares.get(column, {})
        if MEAN in shares and len(names) == len(box.findings):
            return shares[MEAN].value
        return float(np.mean([shares[name].value for name in names])) if shares.keys() >= {*names} else None

    def gap(self, column: str, names: Sequence[str], box: Box) -> Gap | None:
        """Return the difference of that mean from the one of ``fixed_box``; None without a value.

        It has no interval unless it was scored on the cases of ``fixed_box``.
        """
        value, shares = self.value(column, names, box), self.shares.get(column, {})
        if value is None or self.is_fixed_box:
            return None
        parts, other = [shares.get(name, Share(0, 0)) for name in names], box.over(column, names)
        if all(share.n == box.counts[name] for name, share in zip(names, parts, strict=True)):
            return independent_difference([share.value for share in parts], [share.n for share in parts], other)
        scored_all = MEAN in shares and shares[MEAN].n == sum(box.counts[name] for name in names)
        return independent_difference(value, [box.counts[name] * scored_all for name in names], other)

    def has(self, columns: Sequence[str]) -> bool:
        """Whether it has a value of one of the columns."""
        return any(column in self.shares for column in columns)

    def has_findings(self, columns: Sequence[str]) -> bool:
        """Whether one of the columns has shares by finding."""
        return any({*self.shares.get(column, {})} - {MEAN} for column in columns)

    @property
    def is_second_hand(self) -> bool:
        """Whether another paper quotes it."""
        return self.reference is not None and self.reference.hand == "second"


@lru_cache(maxsize=16)
def box_of(board: Leaderboard) -> Box | None:
    """Return ``fixed_box`` from the rows per case of a leaderboard; None without them or without published results."""
    rows = board.without_network if of_papers(board) else ()
    row = next((row for row in rows if row.name == FIXED_BOX), None)
    hits = None if row is None else _hits(row, board)
    return None if hits is None else Box.of(*hits)


def results(board: Leaderboard, box: Box) -> list[Result]:
    """Return ``fixed_box``, ``prior``, the upper bounds of ``GRIDS`` and the published results."""
    rows = board.without_network
    others = [row for row in rows if row.name == PRIOR or (row.name == UPPER_BOUND and row.note in GRIDS)]
    return [fixed(box), *(_baseline(row, board) for row in others), *published(board.records)]


def published(records: Sequence[Record]) -> list[Result]:
    """Return the first-hand, then the second-hand papers that have a column, each by year; none that is grey."""
    papers = [r for r in records if r.source == "paper" and r.reference is not None and r.reference.hand != "grey"]
    ordered = sorted(papers, key=_order)
    return [result for record in ordered if (result := _published(record)).shares]


def fixed(box: Box) -> Result:
    """Return ``fixed_box`` as a result."""
    shares = {
        column: {name: Share(share, box.counts[name]) for name, share in zip(box.findings, of.value, strict=True)}
        for column, of in box.columns.items()
    }
    return Result(FIXED_BOX, _knows(FIXED_BOX), shares, is_fixed_box=True)


def _order(record: Record) -> tuple[object, ...]:
    reference = record.reference
    return () if reference is None else (reference.hand, reference.year, record.method)


def _published(record: Record) -> Result:
    """Return the columns that a paper gives."""
    shares: dict[str, dict[str, Share]] = {}
    for score in record.scores:
        column = score.metric.replace("acc@", "hit@")
        if column in COLUMNS and score.value is not None:
            shares.setdefault(column, {})[score.finding] = Share(score.value, score.n)
    of = record.reference
    name = f"{record.method} (abstract)" if of is not None and of.table == "abstract" else record.method
    return Result(name, "" if of is None else of.supervision, shares, of)


def _baseline(row: Row, board: Leaderboard) -> Result:
    """Return a baseline with its shares by finding; without shares if it has no rows per case."""
    name, hits = f"{row.name}, {row.note}" if row.note else row.name, _hits(row, board)
    return Result(name, "", {}) if hits is None else from_hits(name, _knows(row.name), hits)


def _knows(baseline: str) -> str:
    return NOT_RANKED[baseline].removeprefix("baseline: ")


Hits = tuple[dict[str, FloatArray], list[str], list[str]]
"""Column -> hits (N,), and the finding and patient of each case."""


def from_hits(name: str, trained_on: str, hits: Hits) -> Result:
    """Return a result with the shares of hits by finding."""
    columns, findings, _ = hits
    parts = {finding: np.array(findings) == finding for finding in sorted({*findings})}
    shares = {
        column: {finding: Share(float(values[part].mean()), int(part.sum())) for finding, part in parts.items()}
        for column, values in columns.items()
    }
    return Result(name, trained_on, shares)


def _hits(row: Row, board: Leaderboard) -> Hits | None:
    """Return the hits of a baseline's cases; None without rows per case."""
    key, cases = row.runs[0].key, board.cases
    if cases is None or key not in cases.columns:
        return None
    hits = {name: cases.spread([key], cases.hits(name))[:, 0] for name in COLUMNS}
    scored = np.isfinite(hits[MAIN])
    mine = {name: values[scored] for name, values in hits.items()}
    return mine, cases.findings[scored].tolist(), cases.patients[scored].tolist()


RESULT, TRAINED_ON = NAMES = ("result", "trained on")
RULES = ("hit if", "boxes", "cut chosen on")


def table(title: str, rows: Sequence[Result], box: Box, columns: Sequence[str] = IOU) -> Table:
    """Return the table of some columns: a line per result, and one without the findings that ``fixed_box`` solves."""
    first = [row for row in rows if not row.is_second_hand and row.has(columns)]
    second = [row for row in rows if row.is_second_hand and row.has(columns)]
    head = (RESULT, *headings(columns), TRAINED_ON, *RULES)
    lines = [line for row in first for line in _lines(row, box, columns)]
    lines += [(QUOTED, *[""] * (len(head) - 1))] if second else []
    lines += [line for row in second for line in _lines(row, box, columns)]
    return Table(title, ABOUT if columns == IOU else ABOUT_IOBB, head, tuple(lines))


def _lines(row: Result, box: Box, columns: Sequence[str]) -> Iterator[tuple[str, ...]]:
    shares, rest = ([_cell(row, column, names, box) for column in columns] for names in (box.findings, box.rest))
    yield (row.name, *shares, row.trained_on, *_rules(row.reference))
    if box.solved and row.has_findings(columns) and row.trained_on != _knows(UPPER_BOUND):
        yield (f"– without {select.listed(box.solved)}", *rest, "", *[""] * len(RULES))


def _rules(of: Reference | None) -> tuple[str, ...]:
    """Return the hit rule, the boxes and where the score threshold was chosen, in short."""
    if of is None:
        return ("",) * len(RULES)
    cut = of.tuned_on.partition(":")[0].removesuffix(" of the boxed images")
    rules = of.operator, of.n.removesuffix(" boxes"), f"**{cut}**" if cut == SCORED_BOXES else cut
    return tuple(NOTHING if rule == NOT_STATED else rule for rule in rules)


def _cell(row: Result, column: str, names: Sequence[str], box: Box) -> str:
    gap = row.gap(column, names, box)
    return short(row.value(column, names, box)) + (MARKS[gap.mark] if gap else "")


def headings(columns: Sequence[str]) -> tuple[str, ...]:
    """Return the headings of columns.

    >>> headings(IOU[:2]), headings(IOBB[:2])
    (('IoU > .1', '.2'), ('IoBB > .1', '.25'))
    """
    words = {"iou": "IoU", "iobb": "IoBB"}
    parts = [column.removeprefix("hit@").partition(".") for column in columns]
    return tuple(f"{words[measure]} > .{at}" if n == 0 else f".{at}" for n, (measure, _, at) in enumerate(parts))


def differences(title: str, rows: Sequence[Result], box: Box, columns: Sequence[str] = IOU) -> Table:
    """Return the differences from ``fixed_box`` with their intervals."""
    lines = []
    for row in (row for row in rows if row.name != FIXED_BOX and row.has(columns)):
        lines.append((row.name, *(_gap(row.gap(column, box.findings, box)) for column in columns)))
        if box.solved and row.has_findings(columns):
            without = f"– without {select.listed(box.solved)}"
            lines.append((without, *(_gap(row.gap(column, box.rest, box)) for column in columns)))
    return Table(title, ABOUT_GAPS, (RESULT, *headings(columns)), tuple(lines))


def _gap(gap: Gap | None) -> str:
    if gap is None:
        return NOTHING
    ends = of_interval((abs(gap.difference), gap.low, gap.high)) if gap.mark else short(abs(gap.difference))
    return signed_short(gap.difference) + ends.removeprefix(short(abs(gap.difference))) + MARKS[gap.mark]


def short_tables(board: Leaderboard) -> tuple[Table, ...]:
    """Return the tables over IoU and over IoBB; empty without published results or without ``fixed_box``."""
    box = box_of(board)
    return () if box is None else by_measure(board.title, results(board, box), box)


def by_measure(dataset: str, rows: Sequence[Result], box: Box) -> tuple[Table, ...]:
    """Return the tables of results over IoU and over IoBB."""
    made = (table(f"{dataset}: {TITLE}, {name}", rows, box, columns) for name, columns in MEASURES.items())
    return tuple(one for one in made if one.rows)


def more_tables(board: Leaderboard) -> tuple[Table, ...]:
    """Return differences with intervals, average precision, sources, and all published values by finding."""
    papers = of_papers(board)
    box = box_of(board)
    rows = [] if box is None else results(board, box)
    gaps = [
        differences(f"{board.title}: {TITLE}, {name}: difference from fixed_box", rows, box, columns)
        for name, columns in MEASURES.items()
        if box is not None
    ]
    boxes = [] if box is None else [_by_finding(box, board.title), _baselines_by_finding(board)]
    made = (
        *boxes,
        *gaps,
        _precision(papers, board.title),
        _sources(papers, board.title),
        _values(papers, board.title),
    )
    return tuple(one for one in made if one.rows)


def _by_finding(box: Box, dataset: str) -> Table:
    """Return the shares of ``fixed_box`` by finding over the IoU, with intervals over patients."""
    ends = {column: interval(box.columns[column]) for column in IOU}
    lines = [
        (name, *(of_interval((box.columns[c].value[k], *ends[c][k])) for c in IOU), str(box.counts[name]))
        for k, name in enumerate(box.findings)
    ]
    head = ("finding", *headings(IOU), "n")
    return Table(
        f"{dataset}: fixed_box by finding",
        "Share of truth boxes hit, with a 95% interval over patients.",
        head,
        tuple(lines),
    )


def _baselines_by_finding(board: Leaderboard) -> Table:
    """Return the shares of all baselines by finding at IoU > .3, with intervals over patients."""
    known = [(row, hits) for row in board.without_network if (hits := _hits(row, board)) is not None]
    boxes = [(row, Box.of({MAIN: columns[MAIN]}, *cases)) for row, (columns, *cases) in known]
    lines = []
    for row, box in boxes:
        shares = box.columns[MAIN]
        intervals = zip(shares.value, *interval(shares).T, strict=True)
        lines.append((" ".join(filter(None, (row.name, row.note))), *map(of_interval, intervals)))
    head = ("baseline", *boxes[0][1].findings)
    about = "Share of truth boxes hit at IoU > .3, with a 95% interval over patients."
    return Table(f"{board.title}: baselines by finding", about, head, tuple(lines))


def of_papers(board: Leaderboard) -> list[Record]:
    """Return the records of papers on the data set of a leaderboard."""
    return sorted((r for r in board.records if r.source == "paper" and r.cell.dataset == board.dataset), key=_order)


def _precision(papers: Sequence[Record], dataset: str) -> Table:
    """Return average precision, and loc-acc as its authors define it."""
    having = [record for record in papers if any(name.startswith("ap@") for name, _ in record.names(finding=MEAN))]
    metrics = sorted(
        {name for r in having for name, _ in r.names(finding=MEAN) if name.startswith(("ap@", "loc-acc@"))}
    )
    lines = [(r.method, _supervision(r), *(share(r.find(name)) for name in metrics)) for r in having]
    head = (*NAMES, *metrics)
    return Table(f"{dataset}: average precision, from papers", ABOUT_PRECISION, head, tuple(lines))


SOURCE_HEADER = (
    *(RESULT, "authors", "year", "paper", "table", "source", "quoted by", TRAINED_ON, "hit if"),
    *("compared with the truth", "images", "n", "cut chosen on", "note"),
)


def _sources(papers: Sequence[Record], dataset: str) -> Table:
    """Return where each published number is from, and how it was scored."""
    lines = [(record.method, *_source(record.reference), record.reason) for record in papers if record.reference]
    return Table(f"{dataset}: sources of the published results", ABOUT_SOURCES, SOURCE_HEADER, tuple(lines))


def _source(of: Reference) -> tuple[str, ...]:
    hand = "not reviewed" if of.hand == "grey" else f"{of.hand}-hand"
    paper = of.authors, str(of.year), of.identifier, of.table, hand, of.quoted_by or NOTHING
    return (*paper, of.supervision, of.operator, of.prediction, of.split, of.n, of.tuned_on)


def _values(papers: Sequence[Record], dataset: str) -> Table:
    """Return all published values, a line per metric, with the values by finding."""
    findings = sorted({score.finding for record in papers for score in record.scores} - {MEAN})
    metrics = [(record, dict.fromkeys(metric for metric, _ in record.names())) for record in papers]
    lines = [
        (record.method, metric, *(share(record.find(metric, finding)) for finding in (MEAN, *findings)))
        for record, names in metrics
        for metric in names
    ]
    head = (RESULT, "metric", MEAN, *findings)
    return Table(f"{dataset}: all published values", "As published.", head, tuple(lines))


def lines(board: Leaderboard) -> Iterator[dict[str, str | float | None]]:
    """Yield the lines of the published results in ``leaderboard.csv``."""
    if (box := box_of(board)) is not None:
        for row in published(board.records):
            kind = "published, quoted" if row.is_second_hand else "published"
            names = {"dataset": board.dataset, "kind": kind, "method": row.name}
            values = {column: row.value(column, box.findings, box) for column in COLUMNS}
            shares = {name: of.value for name, of in row.shares.get(MAIN, {}).items() if name != MEAN}
            yield names | values | shares | {"note": row.trained_on}


def _supervision(record: Record) -> str:
    return record.reference.supervision if record.reference else NOT_STATED


def answer(board: Leaderboard) -> tuple[str, ...]:
    """Return what the published results show beside ``fixed_box``, and what they do not show; in Markdown."""
    box = box_of(board)
    rows = [] if box is None else [r for r in published(board.records) if not r.is_second_hand]
    if box is None or not rows:
        return ()
    values = [short(fixed(box).value(MAIN, names, box)) for names in (box.findings, box.rest)]
    without = f" ({values[1]} without {select.listed(box.solved)})" if box.solved else ""
    lines = [f"**A box that never sees the image** (`{FIXED_BOX}`): {values[0]} at IoU > .3{without}."]
    earliest = next((row for row in rows if row.has(IOU) and row.has_findings(IOU)), None)
    if earliest is not None:
        lines.append(f"**{earliest.name}** compared with it: {_marks(earliest, box.findings, box)}.")
        if box.solved:
            lines[-1] += f" Without {select.listed(box.solved)}: {_marks(earliest, box.rest, box)}."
    return (*lines, LIMIT)


def _marks(row: Result, names: Sequence[str], box: Box) -> str:
    """Return the thresholds at which a result is above, level with and below ``fixed_box``."""
    gaps = {column: gap.mark for column in IOU if (gap := row.gap(column, names, box)) is not None}
    words = {
        mark: [f".{column[-1]}" for column, of in gaps.items() if of == mark] for mark in ("above", "level", "below")
    }
    return "; ".join(f"{mark} at IoU > {', '.join(levels)}" for mark, levels in words.items() if levels)


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
        f"dashed: {FIXED_BOX}, which never sees the image. Dotted: the largest possible share of a map on that grid. "
        "Marks: one threshold is known. Quoted: read in another paper. *: cut chosen on the scored boxes, or not known "
        "to be scored on all boxes. Papers differ in supervision and rules."
    )
    labels = {"xlabel": "IoU threshold", "ylabel": "share of boxes hit"}
    return charts.lines(curves(board, box), about, 4.6, **labels, xlim=(0.08, 0.72), ylim=(0, 1))


def curves(board: Leaderboard, box: Box) -> list[Line2D]:
    """Return ``fixed_box`` dashed, a line per published result, dotted upper bounds, and results with one point."""
    bounds = [row for row in board.without_network if row.name == UPPER_BOUND and row.note in GRIDS]
    nothing, truths = _curve(fixed(box), box), [_curve(_baseline(row, board), box) for row in bounds]
    papers = [_curve(row, box) for row in published(board.records) if row.has(IOU)]
    known = [curve for curve in papers if np.size(curve.get_xdata()) > 1]
    points = [curve for curve in papers if curve not in known]
    nothing.set(color="black", linestyle=(0, (2, 1)), linewidth=3)
    for curve, colour in zip(known, itertools.cycle(PALETTE), strict=False):
        curve.set(color=colour, linewidth=1.6)
    for curve, gap in zip(truths, (1, 3), strict=False):
        curve.set(color=GREY, linestyle=(0, (1, gap)), linewidth=1.6)
    for curve, shape in zip(points, itertools.cycle("os^D+vX"), strict=False):
        curve.set(color=GREY, marker=shape, markerfacecolor="none", markeredgewidth=1.4, linestyle="none")
    return [nothing, *known, *truths, *points]


def _curve(row: Result, box: Box) -> Line2D:
    """Return the line of a result over the IoU thresholds at which it has a value."""
    values = [(n / 10, row.value(column, box.findings, box)) for n, column in enumerate(IOU, 1)]
    known = [(level, value) for level, value in values if value is not None]
    name = row.name.replace(UPPER_BOUND, "best possible") + ", quoted" * row.is_second_hand
    easier = "*" * (row.reference is not None and _is_easier(row, box))
    return Line2D(*zip(*known, strict=True), label=SEES_NOTHING if row.is_fixed_box else name + easier)


def _is_easier(row: Result, box: Box) -> bool:
    """Return whether a result chose its cut on the scored boxes, or is not known to be scored on all boxes."""
    gaps = (row.gap(column, box.findings, box) for column in IOU)
    chosen = row.reference is not None and row.reference.tuned_on.startswith(SCORED_BOXES)
    return chosen or not any(gap is not None and gap.mark for gap in gaps)
