"""Charts with a line per row: entries, their findings, training runs and groups of cases."""

from benchmark.report import select
from benchmark.report.charts.chart import Row, Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import KINDS, MAY_BE_BEST, MOST, chart_rows, entries, leading, limited
from benchmark.report.charts.theme import BLUE, GREEN, GREY, ORANGE, PALETTE, PURPLE, ROW, SHAPES, VERMILION
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import Entry
from benchmark.report.leaderboard.breakdown import within
from core.errors import NotAvailableError
from core.names import MAIN

READABLE = "width > 44 * 10"
"""Condition on the width for showing numbers in the cells."""


def draw_intervals(leaderboard: Leaderboard) -> Spec:
    """Draw a line per entry: interval as a bar, value as a mark, a band if it may be the best of its network.

    Intervals cover training runs and patients if there are several runs, else patients only.
    """
    rows, words = limited(leaderboard)
    values = chart_rows(rows)
    present = [kind for kind in KINDS if kind in {value["kind"] for value in values}]
    colours = dict(zip(KINDS, (BLUE, VERMILION, ORANGE, GREY, GREEN, PURPLE), strict=True))
    marks = dict(zip(KINDS, SHAPES, strict=False))
    colour = {"color": field("kind:N", **scale(domain=present, range=[colours[kind] for kind in present]))}
    shape = {"shape": field("kind:N", **scale(domain=present, range=[marks[kind] for kind in present]))}
    y = {"y": field("entry:N", sort=None, title=None)}
    x = {"x": field("low:Q", title=f"{MAIN} [95%]", **scale(domain=[0, 1])), "x2": {"field": "high"}}
    hint = tooltip("entry:N", "kind:N", "value:Q", "low:Q", "high:Q", "interval:N", "n:Q")
    best = {"transform": [{"filter": f"(datum.kind === '{MAY_BE_BEST}')"}]}
    band = mark("rect", y, color=BLUE, opacity=0.13) | best
    bar = mark("rule", y, x, colour, strokeWidth=4, strokeOpacity=0.55)
    point = mark("point", y, {"x": field("value:Q")}, colour, shape, hint, filled=True, opacity=1, size=45)
    about = (
        f"{words} of {leaderboard.dataset}, and the baselines, by network: {MAIN} with its 95% interval. "
        "Shaded: no other method of the network is significantly better (5%, Holm). The interval of an entry with "
        "one training run covers new patients only, not other runs."
    )
    return view(values, about, ROW * len(values), band, bar, point)


def draw_matrix(leaderboard: Leaderboard) -> Spec:
    """Draw a row per entry and a column per finding, the mean first; findings without cases are empty.

    Colour is the main column from 0 to 1; the tooltip shows n.
    """
    rows, words = limited(leaderboard)
    values: list[Row] = [
        {"entry": label, "finding": score.finding, "value": score.value, "n": score.n}
        for label, row in rows.items()
        for score in row.select(MAIN)
        if score.threshold_origin == "cross-fitted" and score.value is not None
    ]
    findings = ["mean", *sorted({value["finding"] for value in values} - {"mean"})]
    base = {
        "x": field("finding:N", sort=findings, title=None, axis={"orient": "top", "labelAngle": -90}),
        "y": field("entry:N", sort=None, title=None),
    }
    shade = {"color": field("value:Q", title=MAIN, **scale(scheme="cividis", domain=[0, 1]))}
    cells = mark("rect", base, shade, tooltip("entry:N", "finding:N", "value:Q", "n:Q"))
    ink = {"color": {"condition": {"test": "(datum.value > 0.55)", "value": "black"}, "value": "white"}}
    numbers = mark("text", base, ink, text={"expr": f"{READABLE} ? format(datum.value, '.2f') : ''"})
    about = f"{words} of {leaderboard.dataset}, and the baselines, best first: {MAIN} by finding."
    lines = len({value["entry"] for value in values})
    return view(values, about, ROW * lines, cells, numbers)


def draw_seeds(leaderboard: Leaderboard) -> Spec:
    """Draw a line per entry with several training runs: a dot per run and a stroke at the mean.

    Raises ``NotAvailableError`` if every entry has one training run.
    """
    rows = [(label, row) for label, row in entries(leaderboard).items() if len(row.runs) > 1 and select.is_method(row)]
    if not rows:
        raise NotAvailableError(
            f"every entry of {leaderboard.dataset} has one training run: run the suite with more seeds"
        )
    values = [
        {"entry": label, "seed": run.cell.seed, "value": select.main_value(run), "mean": select.main_value(row)}
        for label, row in rows[:MOST]
        for run in row.runs
    ]
    y = {"y": field("entry:N", sort=None, title=None)}
    x = {"x": field("value:Q", title=f"{MAIN} of each training run", **scale(zero=False, nice=True))}
    hint = tooltip("entry:N", "seed:O", "value:Q", "mean:Q")
    mean = mark("tick", y, {"x": field("mean:Q")}, thickness=2, size=13, color=GREY)
    dots = mark("point", y, x, hint, filled=True, size=38, opacity=0.75, color=BLUE)
    about = (
        f"{leaderboard.dataset}: {MAIN} of each training run. Dots: training runs; tick: their mean. Shown: "
        f"{min(MOST, len(rows))} of {len(rows)} entries with several training runs, network by network."
    )
    return view(values, about, ROW * min(MOST, len(rows)), mean, dots)


def draw_strata(leaderboard: Leaderboard) -> Spec:
    """Draw a line per group and a mark per entry, with an interval if the entry has one training run.

    Raises ``NotAvailableError`` if no record has groups.
    """
    rows, words = leading(leaderboard)
    values = [value for label, row in rows.items() for value in groups(label, row)]
    if not values:
        raise NotAvailableError(f"the records of {leaderboard.dataset} have no groups of cases")
    order = [*rows]
    base = {
        "y": field("group:N", sort=None, title=None),
        "yOffset": field("entry:N", sort=order),
        "color": field("entry:N", sort=None, **scale(domain=order, range=list(PALETTE))),
    }
    position = {
        "x": field("value:Q", title=MAIN, **scale(domain=[0, 1])),
        "shape": field("entry:N", sort=None, **scale(domain=order, range=list(SHAPES))),
    }
    hint = tooltip("entry:N", "group:N", "value:Q", "low:Q", "high:Q", "n:Q")
    rule = mark("rule", base, {"x": field("low:Q"), "x2": {"field": "high"}}, strokeOpacity=0.6)
    point = mark("point", base, position, hint, filled=True, size=34, opacity=1)
    about = (
        f"{leaderboard.dataset}: {MAIN} within groups of the cases, for {words}. Groups may contain different findings."
    )
    if any("low" in value for value in values):
        about += " Only entries with one training run have an interval here."
    lines = len({value["group"] for value in values})
    return view(values, about, 9 * (len(rows) + 1) * lines, rule, point)


def groups(label: str, row: Entry) -> list[Row]:
    """Return a row's value in each group, the mean over its training runs; with the interval if there is one run."""
    names = dict.fromkeys((s.variable, s.group) for record in row.runs for s in record.strata)
    out: list[Row] = []
    for variable, group in names:
        scores = [score for record in row.runs if (score := within((variable, group), record)) is not None]
        value = select.mean(scores)
        if value is not None:
            ends = {"low": scores[0].low, "high": scores[0].high} if len(row.runs) == 1 else {}
            about: Row = {"entry": label, "group": f"{variable}: {group}", "n": scores[0].n}
            out.append(about | {"value": round(value, 6)} | ends)
    return out
