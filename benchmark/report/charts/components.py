"""What moves a score: network, method, training, patient."""

from benchmark.report.charts.base import Chart, ChartData, Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.theme import BLUE, ROW
from benchmark.report.variance.components import basis, in_a_score, name_of
from core.errors import NotAvailableError

ROOM = 1.25
"""How far the axis reaches beyond the longest bar, whose number stands behind it."""


class Components(Chart):
    """The standard deviation that each component of variance has in the score of one training."""

    name = "components"
    title = "Components of variance"
    order = 6

    def draw(self, data: ChartData) -> Spec:
        """A bar per component.

        In the unit of the main column. Raises ``NotAvailableError`` where no network has two trainings.
        """
        if data.design is None:
            raise NotAvailableError(
                f"no network of {data.dataset} has two trainings, which components of variance need: run more seeds"
            )
        values = [{"component": name_of(term), "value": round(sd, 6)} for term, sd in in_a_score(data.design).items()]
        reach = ROOM * (max(in_a_score(data.design).values()) or 1.0)
        base = {
            "x": field("value:Q", title="sd in one training's score", **scale(domain=[0, round(reach, 6)])),
            "y": field("component:N", sort=None, title=None),
        }
        bars = mark("bar", base, tooltip("component:N", "value:Q"), color=BLUE, height=11)
        numbers = mark("text", base, {"text": field("value:Q", format=".3f")}, align="left", dx=4)
        about = f"{data.dataset}: what each component of variance contributes to a score. {basis(data.design)}"
        return view(values, about, ROW * len(values), bars, numbers)
