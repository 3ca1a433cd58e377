"""Chart of the entries by finding."""

from benchmark.report.charts.base import Chart, ChartData, Row, Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import count, entries, shown
from benchmark.report.charts.theme import ROW
from core.names import MAIN

READABLE = "width > 44 * 10"
"""Condition on the width for showing numbers in the cells."""


class Matrix(Chart):
    """The main column of each entry finding by finding."""

    name = "matrix"
    title = "Findings and methods"
    order = 2

    def draw(self, data: ChartData) -> Spec:
        """Draw a row per entry and a column per finding, the mean first; findings without cases are empty.

        Colour is the main column from 0 to 1; the tooltip shows n.
        """
        rows = entries(data)
        values: list[Row] = [
            {"entry": row.label, "finding": score.finding, "value": score.value, "n": score.n}
            for row in shown(rows)
            for score in row.record.select(MAIN)
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
        about = f"{count(rows)} of {data.dataset} and baselines, best first: {MAIN} by finding."
        lines = len({value["entry"] for value in values})
        return view(values, about, ROW * lines, cells, numbers)
