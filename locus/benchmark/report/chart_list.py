"""The charts of a suite in Vega-Lite: ``CHARTS``. The ``draw`` function of each chart returns a specification.

The first ones have a line per row: entries, their findings, training runs and groups of cases. Then come hits over the
IoU threshold, and over the score threshold with the thresholds of each origin.

A page includes 0.9 MB of scripts, and 2 to 40 kB per chart. In return, charts follow the reader's colour scheme and
window width and show value, interval and n in a tooltip. ``charts`` has their parts and saves them as PDF, SVG or PNG.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from locus.benchmark.records import cases, storage
from locus.benchmark.records.record import Record
from locus.benchmark.report import charts, select
from locus.benchmark.report.case_columns import codes
from locus.benchmark.report.detail_tables import within
from locus.benchmark.report.entry import NO_NETWORK, Entry
from locus.benchmark.report.leaderboard import Leaderboard
from locus.core.errors import NotAvailableError
from locus.core.names import MAIN
from locus.core.scores import CURVE_THRESHOLDS

READABLE = "width > 44 * 10"
"""Condition on the width for showing numbers in the cells."""


def draw_intervals(leaderboard: Leaderboard) -> charts.Spec:
    """Draw a line per entry: interval as a bar, value as a mark, a band if it may be the best of its network.

    Intervals cover training runs and patients if there are several runs, else patients only.
    """
    rows, words = charts.limited(leaderboard)
    values = charts.chart_rows(rows)
    present = [kind for kind in charts.KINDS if kind in {value["kind"] for value in values}]
    colours = dict(
        zip(
            charts.KINDS,
            (charts.BLUE, charts.VERMILION, charts.ORANGE, charts.GREY, charts.GREEN, charts.PURPLE),
            strict=True,
        )
    )
    marks = dict(zip(charts.KINDS, charts.SHAPES, strict=False))
    colour = {
        "color": charts.field("kind:N", **charts.scale(domain=present, range=[colours[kind] for kind in present]))
    }
    shape = {"shape": charts.field("kind:N", **charts.scale(domain=present, range=[marks[kind] for kind in present]))}
    y = {"y": charts.field("entry:N", sort=None, title=None)}
    x = {"x": charts.field("low:Q", title=f"{MAIN} [95%]", **charts.scale(domain=[0, 1])), "x2": {"field": "high"}}
    hint = charts.tooltip("entry:N", "kind:N", "value:Q", "low:Q", "high:Q", "interval:N", "n:Q")
    best = {"transform": [{"filter": f"(datum.kind === '{charts.MAY_BE_BEST}')"}]}
    band = charts.mark("rect", y, color=charts.BLUE, opacity=0.13) | best
    bar = charts.mark("rule", y, x, colour, strokeWidth=4, strokeOpacity=0.55)
    point = charts.mark(
        "point", y, {"x": charts.field("value:Q")}, colour, shape, hint, filled=True, opacity=1, size=45
    )
    about = (
        f"{words} of {leaderboard.dataset}, and the baselines, by network: {MAIN} with its 95% interval. "
        "Shaded: no other method of the network is significantly better (5%, Holm). The interval of an entry with "
        "one training run covers new patients only, not other runs."
    )
    return charts.view(values, about, charts.ROW * len(values), band, bar, point)


def draw_matrix(leaderboard: Leaderboard) -> charts.Spec:
    """Draw a row per entry and a column per finding, the mean first; findings without cases are empty.

    Colour is the main column from 0 to 1; the tooltip shows n.
    """
    rows, words = charts.limited(leaderboard)
    values: list[charts.Row] = [
        {"entry": label, "finding": score.finding, "value": score.value, "n": score.n}
        for label, row in rows.items()
        for score in row.select(MAIN)
        if score.threshold_origin == "cross-fitted" and score.value is not None
    ]
    findings = ["mean", *sorted({value["finding"] for value in values} - {"mean"})]
    base = {
        "x": charts.field("finding:N", sort=findings, title=None, axis={"orient": "top", "labelAngle": -90}),
        "y": charts.field("entry:N", sort=None, title=None),
    }
    shade = {"color": charts.field("value:Q", title=MAIN, **charts.scale(scheme="cividis", domain=[0, 1]))}
    cells = charts.mark("rect", base, shade, charts.tooltip("entry:N", "finding:N", "value:Q", "n:Q"))
    ink = {"color": {"condition": {"test": "(datum.value > 0.55)", "value": "black"}, "value": "white"}}
    numbers = charts.mark("text", base, ink, text={"expr": f"{READABLE} ? format(datum.value, '.2f') : ''"})
    about = f"{words} of {leaderboard.dataset}, and the baselines, best first: {MAIN} by finding."
    lines = len({value["entry"] for value in values})
    return charts.view(values, about, charts.ROW * lines, cells, numbers)


def draw_seeds(leaderboard: Leaderboard) -> charts.Spec:
    """Draw a line per entry with several training runs: a dot per run and a stroke at the mean.

    Raises ``NotAvailableError`` if every entry has one training run.
    """
    rows = [
        (label, row)
        for label, row in charts.entries(leaderboard).items()
        if len(row.runs) > 1 and select.is_method(row)
    ]
    if not rows:
        raise NotAvailableError(
            f"every entry of {leaderboard.dataset} has one training run: run the suite with more seeds"
        )
    values = [
        {"entry": label, "seed": run.cell.seed, "value": select.main_value(run), "mean": select.main_value(row)}
        for label, row in rows[: charts.MOST]
        for run in row.runs
    ]
    y = {"y": charts.field("entry:N", sort=None, title=None)}
    x = {"x": charts.field("value:Q", title=f"{MAIN} of each training run", **charts.scale(zero=False, nice=True))}
    hint = charts.tooltip("entry:N", "seed:O", "value:Q", "mean:Q")
    mean = charts.mark("tick", y, {"x": charts.field("mean:Q")}, thickness=2, size=13, color=charts.GREY)
    dots = charts.mark("point", y, x, hint, filled=True, size=38, opacity=0.75, color=charts.BLUE)
    about = (
        f"{leaderboard.dataset}: {MAIN} of each training run. Dots: training runs; tick: their mean. Shown: "
        f"{min(charts.MOST, len(rows))} of {len(rows)} entries with several training runs, network by network."
    )
    return charts.view(values, about, charts.ROW * min(charts.MOST, len(rows)), mean, dots)


def draw_strata(leaderboard: Leaderboard) -> charts.Spec:
    """Draw a line per group and a mark per entry, with an interval if the entry has one training run.

    Raises ``NotAvailableError`` if no record has groups.
    """
    rows, words = charts.leading(leaderboard)
    values = [value for label, row in rows.items() for value in groups(label, row)]
    if not values:
        raise NotAvailableError(f"the records of {leaderboard.dataset} have no groups of cases")
    order = [*rows]
    base = {
        "y": charts.field("group:N", sort=None, title=None),
        "yOffset": charts.field("entry:N", sort=order),
        "color": charts.field("entry:N", sort=None, **charts.scale(domain=order, range=list(charts.PALETTE))),
    }
    position = {
        "x": charts.field("value:Q", title=MAIN, **charts.scale(domain=[0, 1])),
        "shape": charts.field("entry:N", sort=None, **charts.scale(domain=order, range=list(charts.SHAPES))),
    }
    hint = charts.tooltip("entry:N", "group:N", "value:Q", "low:Q", "high:Q", "n:Q")
    rule = charts.mark("rule", base, {"x": charts.field("low:Q"), "x2": {"field": "high"}}, strokeOpacity=0.6)
    point = charts.mark("point", base, position, hint, filled=True, size=34, opacity=1)
    about = (
        f"{leaderboard.dataset}: {MAIN} within groups of the cases, for {words}. Groups may contain different findings."
    )
    if any("low" in value for value in values):
        about += " Only entries with one training run have an interval here."
    lines = len({value["group"] for value in values})
    return charts.view(values, about, 9 * (len(rows) + 1) * lines, rule, point)


def groups(label: str, row: Entry) -> list[charts.Row]:
    """Return a row's value in each group, the mean over its training runs; with the interval if there is one run."""
    names = dict.fromkeys((s.variable, s.group) for record in row.runs for s in record.strata)
    out: list[charts.Row] = []
    for variable, group in names:
        scores = [score for record in row.runs if (score := within((variable, group), record)) is not None]
        value = select.mean(scores)
        if value is not None:
            ends = {"low": scores[0].low, "high": scores[0].high} if len(row.runs) == 1 else {}
            about: charts.Row = {"entry": label, "group": f"{variable}: {group}", "n": scores[0].n}
            out.append(about | {"value": round(value, 6)} | ends)
    return out


STEPS = tuple(round(0.05 * n, 2) for n in range(1, 20))
ORIGINS = ("cross-fitted", "validation", "fixed", "otsu", "oracle")
Curves = list[tuple[float, ...]]
"""``hits_by_threshold`` of some records."""


def draw_iou(leaderboard: Leaderboard) -> charts.Spec:
    """Draw a line per entry over IoU thresholds from .05 to .95.

    Raises ``NotAvailableError`` if no row has cases.
    """
    rows, words = charts.leading(leaderboard)
    values = [value for label, row in rows.items() for value in iou_curve(leaderboard, label, row)]
    if not values:
        raise NotAvailableError(
            f"{leaderboard.dataset} has no per-case rows: run the suite again with --overwrite always"
        )
    order = [*rows]
    shares = charts.scale(domain=[0, 1])
    base = {
        "x": charts.field("threshold:Q", title="smallest IoU of a hit", axis={"format": ".1f"}, **shares),
        "y": charts.field("value:Q", title="share of cases hit", **shares),
        "color": charts.field(
            "entry:N", legend=charts.LINES, sort=None, **charts.scale(domain=order, range=list(charts.PALETTE))
        ),
    }
    dash = {
        "strokeDash": charts.field("entry:N", legend=charts.LINES, **charts.scale(domain=order, range=charts.DASHES))
    }
    line = charts.mark("line", base, dash, strokeWidth=2)
    points = charts.mark(
        "point", base, charts.tooltip("entry:N", "threshold:Q", "value:Q"), filled=True, size=25, opacity=1
    )
    about = (
        f"{leaderboard.dataset}: share of cases (mean over findings) whose box overlaps an annotation by more than "
        f"this IoU, for {words}. All use the score thresholds chosen for IoU .3."
    )
    return charts.view(values, about, 300, line, points)


def iou_curve(leaderboard: Leaderboard, label: str, row: Entry) -> list[charts.Row]:
    """Return the share of hits at each of ``STEPS``, mean over findings and training runs; empty without cases.

    A hit has an IoU above the step, at the cross-fitted score threshold chosen for IoU .3.
    """
    cells = [record.cell for record in row.runs]
    tables = [cases.read_columns(cells, folder, ["finding", "iou"]) for folder in leaderboard.folders]
    overlaps = next((table for table in tables if len(table)), None)
    if overlaps is None or "iou" not in overlaps.column_names:
        return []
    (finding, words), iou = codes(overlaps, "finding"), storage.numbers(overlaps["iou"].combine_chunks())
    order = sorted(np.unique(finding), key=lambda n: words[n])
    hits = [(iou[finding == n, None] > np.array(STEPS, dtype=np.float32)).mean(0) for n in order]
    shares = np.mean(hits, axis=0).tolist()
    return [{"entry": label, "threshold": t, "value": round(v, 6)} for t, v in zip(STEPS, shares, strict=True)]


def draw_score(leaderboard: Leaderboard) -> charts.Spec:
    """Draw a line per entry with a recorded curve, and a mark per entry and origin at the mean threshold."""
    rows, words = charts.leading(leaderboard)
    chosen = [value for label, row in rows.items() for value in points(label, row)]
    runs = leaderboard.runs()
    curves = {label: _curves(runs, row) for label, row in rows.items()}
    lines = [value for label, row in rows.items() for value in score_curve(label, row, curves[label])]
    if not chosen:
        raise NotAvailableError(f"the records of {leaderboard.dataset} contain no thresholds")
    drawn = {value["origin"] for value in chosen}
    shapes = {origin: shape for origin, shape in zip(ORIGINS, charts.SHAPES, strict=False) if origin in drawn}
    legend = {"legend": charts.LINES} if lines else {}
    channels = {
        "x": charts.field("threshold:Q", title="score threshold", **charts.scale(domain=[0, 1])),
        "y": charts.field("value:Q", title=MAIN, **charts.scale(domain=[0, 1])),
        "color": charts.field(
            "entry:N", sort=None, **legend, **charts.scale(domain=[*rows], range=list(charts.PALETTE))
        ),
    }
    shape = {"shape": charts.field("origin:N", sort=None, **charts.scale(domain=[*shapes], range=[*shapes.values()]))}
    dash = {"strokeDash": charts.field("entry:N", **legend, **charts.scale(domain=[*rows], range=charts.DASHES))}
    hint = charts.tooltip("entry:N", "origin:N", "threshold:Q", "value:Q")
    marks = charts.mark("point", channels, shape, hint, filled=True, opacity=1, size=70)
    line = charts.mark("line", channels, dash, charts.tooltip("entry:N", "trainings:N"), strokeWidth=2)
    about = (
        f"{leaderboard.dataset}: {MAIN} (mean over findings) over the score threshold, for {words}. "
        "Marks: the threshold of each origin, mean over findings; oracle thresholds "
        f"are chosen on the test annotations. {_lines_words(rows, curves)}"
    )
    return charts.view(
        [*lines, *chosen], about, 300, *([_only(line, "trainings")] if lines else []), _only(marks, "origin")
    )


def points(label: str, row: Entry) -> list[charts.Row]:
    """Return the mean threshold of an entry for each origin, and its score there.

    Thresholds are on the min-max scaled map, in [0,1]: the mean over folds, findings and training runs.
    """
    out: list[charts.Row] = []
    for origin in ORIGINS:
        chosen = [list(of[origin].values()) for r in row.runs if any((of := r.thresholds).get(origin, {}).values())]
        value = select.mean(record.find(MAIN, origin=origin) for record in row.runs)
        if chosen and value is not None:
            threshold = float(
                np.mean([np.mean([np.mean(folds) for folds in findings if len(folds)]) for findings in chosen])
            )
            out.append({"entry": label, "origin": origin, "threshold": round(threshold, 4), "value": round(value, 6)})
    return out


def score_curve(label: str, row: Entry, curves: Curves) -> list[charts.Row]:
    """Return the mean of an entry's ``curves`` at ``CURVE_THRESHOLDS``; empty without curves.

    Each curve is the share of hits of one training run, mean over findings.
    """
    if not curves:
        return []
    share = "any" if row.cell.method in NO_NETWORK else f"{len(curves)} of {len(row.runs)}"
    means = np.mean(curves, axis=0).round(6).tolist()
    pairs = zip(CURVE_THRESHOLDS, means, strict=True)
    return [{"entry": label, "threshold": at, "value": value, "trainings": share} for at, value in pairs]


def _curves(runs: Sequence[Record], row: Entry) -> Curves:
    """Return the curves of an entry's training runs; for a baseline without a network, those of all equal rows."""
    if row.cell.method not in NO_NETWORK:
        return [record.hits_by_threshold for record in row.runs if record.hits_by_threshold]
    same = [r for r in runs if r.method == row.method and select.main_value(r) == select.main_value(row)]
    return [record.hits_by_threshold for record in same if record.hits_by_threshold]


def _lines_words(rows: charts.Rows, curves: Mapping[str, Curves]) -> str:
    """Describe the lines, and list those that are missing or cover only some of the training runs."""
    if not any(curves.values()):
        return "The records have hits only at these thresholds. The gallery has a threshold slider for single cases."
    counts = [
        (label, len(curves[label]), len(row.runs)) for label, row in rows.items() if row.cell.method not in NO_NETWORK
    ]
    partly = ", ".join(f"{label} ({n} of {of})" for label, n, of in counts if 0 < n < of)
    without = ", ".join(label for label in rows if not curves[label])
    some = f" Lines from some training runs only: {partly}." if partly else ""
    none = f" Not recorded: {without}." if without else ""
    return f"Lines use one threshold for all findings, so marks may lie above them.{some}{none}"


def _only(layer: charts.Spec, column: str) -> charts.Spec:
    """Restrict a layer to the rows that have a ``column``."""
    return {**layer, "transform": [{"filter": f"isValid(datum.{column})"}]}


CHARTS = (
    charts.Chart("intervals", "Entries with their intervals", draw_intervals),
    charts.Chart("matrix", "Findings and methods", draw_matrix),
    charts.Chart("iou_thresholds", "Hits over the IoU threshold", draw_iou),
    charts.Chart("score_thresholds", "Hits over the score threshold", draw_score),
    charts.Chart("seeds", "Individual training runs", draw_seeds),
    charts.Chart("strata", "Groups of cases", draw_strata),
)
"""Charts of a leaderboard, in the order of the page. Checks have other charts: see ``CheckReport.charts``."""
