"""Which entry is good at which finding."""

from typing import TYPE_CHECKING

from benchmark.report.charts.base import Chart, ChartData, Row, tooltip
from benchmark.report.charts.rows import count, entries, shown
from benchmark.report.charts.theme import ROW
from core.names import MAIN

if TYPE_CHECKING:
    from benchmark.report.charts.base import Drawing

READABLE = "width > 44 * 10"
"""How wide the matrix must be for numbers in its cells."""


class Matrix(Chart):
    """The main column of each entry finding by finding."""

    name = "matrix"
    title = "Findings and methods"
    order = 2

    def draw(self, data: ChartData) -> "Drawing":
        """A line per entry, a column per finding, the mean first; a finding without cases has an empty cell."""
        import altair as alt

        rows = entries(data)
        values: list[Row] = [
            {"entry": row.label, "finding": score.finding, "value": score.value, "n": score.n}
            for row in shown(rows)
            for score in row.record.scores
            if (score.metric, score.threshold_origin) == (MAIN, "cross-fitted") and score.value is not None
        ]
        findings = ["mean", *sorted({value["finding"] for value in values} - {"mean"})]
        base = alt.Chart(alt.InlineData(values=values)).encode(
            x=alt.X("finding:N", sort=findings, title=None, axis=alt.Axis(orient="top", labelAngle=-90)),
            y=alt.Y("entry:N", sort=None, title=None),
        )
        cells = base.mark_rect().encode(
            color=alt.Color("value:Q", scale=alt.Scale(scheme="cividis", domain=[0, 1]), title=MAIN),
            tooltip=tooltip("entry:N", "finding:N", "value:Q", "n:Q"),
        )
        numbers = base.mark_text(text={"expr": f"{READABLE} ? format(datum.value, '.2f') : ''"}).encode(
            color=alt.condition(alt.datum.value > 0.55, alt.value("black"), alt.value("white")),
        )
        about = f"{count(rows)} of {data.dataset} and what stands beside them, best first: {MAIN} finding by finding."
        lines = len({value["entry"] for value in values})
        return alt.layer(cells, numbers).properties(description=about, height=ROW * lines)
