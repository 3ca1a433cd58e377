"""Entries with their intervals, those that are tied with the first one shaded."""

from typing import TYPE_CHECKING

from benchmark.report.charts.base import Chart, ChartData, tooltip
from benchmark.report.charts.rows import KINDS, TIED, count, entries, plain, shown
from benchmark.report.charts.theme import BLUE, GREEN, GREY, ORANGE, ROW, SHAPES, VERMILION
from core.names import MAIN

if TYPE_CHECKING:
    from benchmark.report.charts.base import Drawing


class Intervals(Chart):
    """The main column of each entry with its 95 % interval."""

    name = "intervals"
    title = "Entries with their intervals"
    order = 1

    def draw(self, data: ChartData) -> "Drawing":
        """A line per entry: interval as a bar, value as a mark; a band behind those tied with the first."""
        import altair as alt

        rows = entries(data)
        values = [plain(row) for row in shown(rows)]
        present = [kind for kind in KINDS if kind in {value["kind"] for value in values}]
        colours = dict(zip(KINDS, (BLUE, VERMILION, ORANGE, GREY, GREEN), strict=True))
        marks = dict(zip(KINDS, SHAPES, strict=False))
        scale = alt.Scale(domain=present, range=[colours[kind] for kind in present])
        shapes = alt.Scale(domain=present, range=[marks[kind] for kind in present])
        y = alt.Y("entry:N", sort=None, title=None)
        base = alt.Chart(alt.InlineData(values=values)).encode(y=y)
        band = base.transform_filter(alt.datum.kind == TIED).mark_rect(color=BLUE, opacity=0.13)
        bar = base.mark_rule(strokeWidth=4, strokeOpacity=0.55).encode(
            x=alt.X("low:Q", title=f"{MAIN} [95 %]", scale=alt.Scale(domain=[0, 1])),
            x2=alt.X2("high:Q"),
            color=alt.Color("kind:N", scale=scale),
        )
        point = base.mark_point(filled=True, opacity=1, size=45).encode(
            x=alt.X("value:Q"),
            color=alt.Color("kind:N", scale=scale),
            shape=alt.Shape("kind:N", scale=shapes),
            tooltip=tooltip("entry:N", "kind:N", "value:Q", "low:Q", "high:Q", "interval:N", "n:Q"),
        )
        about = (
            f"{count(rows)} of {data.dataset} and what stands beside them, best first: {MAIN} with its 95 % interval. "
            "Shaded: no difference to the first (5 %, Holm). An entry of one training has the interval of that network "
            "alone, which says nothing of another training."
        )
        return alt.layer(band, bar, point).properties(description=about, height=ROW * len(values))
