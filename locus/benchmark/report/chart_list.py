"""The charts of a suite in Vega-Lite: ``CHARTS``. The ``draw`` function of each chart returns a specification.

The first ones have a line per row: entries, their findings, training runs and groups of cases. Then come hits over the
IoU threshold, and over the score threshold with the thresholds of each origin.

``charts`` has their parts and saves them as PDF, SVG or PNG; a page shows the first one as SVG.
"""

from collections.abc import Mapping

import numpy as np

from locus.benchmark.report import charts, literature, select
from locus.benchmark.report.detail_tables import within
from locus.benchmark.report.leaderboard import Leaderboard
from locus.benchmark.report.main_table import best_network
from locus.benchmark.report.row import IOU, NO_NETWORK, Row
from locus.core.errors import NotAvailableError
from locus.core.names import MAIN, PRIOR, UPPER_BOUND
from locus.core.scores import CURVE_THRESHOLDS

READABLE = "width > 44 * 10"
"""Condition on the width for showing numbers in the cells."""


def draw_intervals(leaderboard: Leaderboard) -> charts.Spec:
    """Draw a line per entry: interval as a bar, value as a mark, a band if it may be the best of its network.

    Intervals cover training runs and patients if there are several runs, else patients only.
    """
    rows, words = charts.limited(leaderboard)
    values = charts.values_of(rows)
    present = [kind for kind in charts.KINDS if kind in {value["kind"] for value in values}]
    colours = dict(
        zip(
            charts.KINDS,
            (charts.BLUE, charts.VERMILION, charts.SKY, charts.GREY, charts.GREEN),
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
    values: list[charts.Values] = [
        {"entry": label, "finding": finding, "value": share.value, "n": share.n}
        for label, row in rows.items()
        for finding, share in {"mean": row.main, **row.findings}.items()
        if share.value is not None
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
    rows = [(label, row) for label, row in charts.rows_of(leaderboard).items() if row.is_method and len(row.runs) > 1]
    if not rows:
        raise NotAvailableError(
            f"every entry of {leaderboard.dataset} has one training run: run the suite with more seeds"
        )
    values = [
        {"entry": label, "seed": run.cell.seed, "value": select.main_value(run), "mean": row.main.value}
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


def groups(label: str, row: Row) -> list[charts.Values]:
    """Return a row's value in each group, the mean over its training runs; with the interval if there is one run."""
    names = dict.fromkeys((s.variable, s.group) for record in row.runs for s in record.strata)
    out: list[charts.Values] = []
    for variable, group in names:
        scores = [score for record in row.runs if (score := within((variable, group), record)) is not None]
        value = select.mean(scores)
        if value is not None:
            ends = {"low": scores[0].low, "high": scores[0].high} if len(row.runs) == 1 else {}
            about: charts.Values = {"entry": label, "group": f"{variable}: {group}", "n": scores[0].n}
            out.append(about | {"value": round(value, 6)} | ends)
    return out


COLOURED = 5
"""Number of methods with a colour of their own."""
ORIGINS = ("cross-fitted", "validation", "fixed", "otsu", "oracle")
Curves = list[tuple[float, ...]]
"""``hits_by_threshold`` of some records."""


def draw_iou(leaderboard: Leaderboard) -> charts.Spec:
    """Draw hits over the IoU threshold: a line per method of the best row's network, ``prior`` and ``truth`` dashed.

    The best ``COLOURED`` methods have colours, the others are grey. Raises ``NotAvailableError`` without a method.
    """
    methods = best_network(leaderboard)
    if not methods:
        raise NotAvailableError(f"{leaderboard.dataset} has no scored method")
    baselines = [row for name in (PRIOR, UPPER_BOUND) if (row := leaderboard.baseline(name, methods[0])) is not None]
    named = [*methods[:COLOURED], *baselines]
    values = [
        {"entry": row.name, "threshold": round(n / 10, 1), "value": row.scores[name].value, "named": row in named}
        for row in (*methods, *baselines)
        for n, name in enumerate(IOU, 1)
        if name in row.scores
    ]
    order, grey = [row.name for row in named], charts.GREY
    colours = [*charts.PALETTE[: len(named) - len(baselines)], *["black"] * len(baselines)]
    dashes = [*[[1, 0]] * (len(named) - len(baselines)), *[[5, 3], [2, 2]][: len(baselines)]]
    axis = charts.scale(domain=[0.1, 0.7], nice=False)
    base = {
        "x": charts.field("threshold:Q", title="a hit has more than this IoU", axis={"format": ".1f"}, **axis),
        "y": charts.field("value:Q", title="share of cases hit", **charts.scale(domain=[0, 1])),
    }
    pale = charts.mark("line", base, {"detail": charts.field("entry:N")}, color=grey, opacity=0.35, strokeWidth=1)
    legend = {**charts.LINES, "orient": "right", "columns": 1}
    look = {
        "color": charts.field("entry:N", legend=legend, sort=None, **charts.scale(domain=order, range=colours)),
        "strokeDash": charts.field("entry:N", legend=legend, sort=None, **charts.scale(domain=order, range=dashes)),
    }
    line = charts.mark("line", base, look, strokeWidth=2)
    layers = [
        layer | {"transform": [{"filter": test}]} for layer, test in ((pale, "!datum.named"), (line, "datum.named"))
    ]
    rest = f" Grey: the other {len(methods) - COLOURED} methods." if len(methods) > COLOURED else ""
    about = f"{leaderboard.dataset}, {methods[0].network}: share of cases whose box has more than this IoU.{rest}"
    return charts.view(values, about, 260, *layers)


def draw_score(leaderboard: Leaderboard) -> charts.Spec:
    """Draw a line per entry with a recorded curve, and a mark per entry and origin at the mean threshold."""
    rows, words = charts.leading(leaderboard)
    chosen = [value for label, row in rows.items() for value in points(label, row)]
    curves = {label: _curves(row) for label, row in rows.items()}
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


def points(label: str, row: Row) -> list[charts.Values]:
    """Return the mean threshold of an entry for each origin, and its score there.

    Thresholds are on the min-max scaled map, in [0,1]: the mean over folds, findings and training runs.
    """
    out: list[charts.Values] = []
    for origin in ORIGINS:
        chosen = [list(of[origin].values()) for r in row.runs if any((of := r.thresholds).get(origin, {}).values())]
        value = select.mean(record.find(MAIN, origin=origin) for record in row.runs)
        if chosen and value is not None:
            threshold = float(
                np.mean([np.mean([np.mean(folds) for folds in findings if len(folds)]) for findings in chosen])
            )
            out.append({"entry": label, "origin": origin, "threshold": round(threshold, 4), "value": round(value, 6)})
    return out


def score_curve(label: str, row: Row, curves: Curves) -> list[charts.Values]:
    """Return the mean of an entry's ``curves`` at ``CURVE_THRESHOLDS``; empty without curves.

    Each curve is the share of hits of one training run, mean over findings.
    """
    if not curves:
        return []
    share = "any" if row.cell.method in NO_NETWORK else f"{len(curves)} of {len(row.runs)}"
    means = np.mean(curves, axis=0).round(6).tolist()
    pairs = zip(CURVE_THRESHOLDS, means, strict=True)
    return [{"entry": label, "threshold": at, "value": value, "trainings": share} for at, value in pairs]


def _curves(row: Row) -> Curves:
    """Return the curves of a row's training runs."""
    return [record.hits_by_threshold for record in row.runs if record.hits_by_threshold]


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


HITS = charts.Chart("iou_thresholds", "Hits over the IoU threshold", draw_iou)
"""The chart of a suite's page."""
CHARTS = (
    HITS,
    charts.Chart("intervals", "Rows with their intervals", draw_intervals),
    charts.Chart("matrix", "Findings and methods", draw_matrix),
    charts.Chart("score_thresholds", "Hits over the score threshold", draw_score),
    charts.Chart("seeds", "Individual training runs", draw_seeds),
    charts.Chart("strata", "Groups of cases", draw_strata),
    literature.CHART,
)
"""Charts of a leaderboard. Checks have other charts: see ``CheckReport.charts``."""
