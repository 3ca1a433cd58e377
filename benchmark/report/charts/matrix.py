"""Chart of the entries by finding."""

from benchmark.report.charts.chart import Row, Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import count, entries, limited
from benchmark.report.charts.theme import ROW
from benchmark.report.entries.aggregate import Leaderboard
from core.names import MAIN

READABLE = "width > 44 * 10"
"""Condition on the width for showing numbers in the cells."""


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw a row per entry and a column per finding, the mean first; findings without cases are empty.

    Colour is the main column from 0 to 1; the tooltip shows n.
    """
    rows = entries(leaderboard)
    values: list[Row] = [
        {"entry": label, "finding": score.finding, "value": score.value, "n": score.n}
        for label, row in limited(rows).items()
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
    about = f"{count(rows)} of {leaderboard.dataset}, and the baselines, best first: {MAIN} by finding."
    lines = len({value["entry"] for value in values})
    return view(values, about, ROW * lines, cells, numbers)
