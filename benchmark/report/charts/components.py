"""What moves a score: network, method, training, patient."""

from typing import TYPE_CHECKING

from benchmark.report.charts.base import Chart, ChartData, tooltip
from benchmark.report.charts.theme import BLUE, ROW
from benchmark.report.components import basis, in_a_score, name_of
from core.errors import NotAvailableError

if TYPE_CHECKING:
    from benchmark.report.charts.base import Drawing


ROOM = 1.25
"""How far the axis reaches beyond the longest bar, whose number stands behind it."""


class Components(Chart):
    """The standard deviation that each component of variance has in the score of one training."""

    name = "components"
    title = "Components of variance"
    order = 6

    def draw(self, data: ChartData) -> "Drawing":
        """A bar per component."""
        import altair as alt

        if data.design is None:
            raise NotAvailableError(
                f"no network of {data.dataset} has two trainings, which components of variance need: run more seeds"
            )
        values = [{"component": name_of(term), "value": round(sd, 6)} for term, sd in in_a_score(data.design).items()]
        reach = ROOM * (max(in_a_score(data.design).values()) or 1.0)
        base = alt.Chart(alt.InlineData(values=values)).encode(
            x=alt.X("value:Q", title="sd in one training's score", scale=alt.Scale(domain=[0, round(reach, 6)])),
            y=alt.Y("component:N", sort=None, title=None),
        )
        bars = base.mark_bar(color=BLUE, height=11).encode(tooltip=tooltip("component:N", "value:Q"))
        numbers = base.mark_text(align="left", dx=4).encode(text=alt.Text("value:Q", format=".3f"))
        about = f"{data.dataset}: what each component of variance contributes to a score. {basis(data.design)}"
        return alt.layer(bars, numbers).properties(description=about, height=ROW * len(values))
