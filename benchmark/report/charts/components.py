"""Chart of the components of variance: network, method, training run, patient."""

from benchmark.report.charts.chart import Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.theme import BLUE, ROW
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.leaderboard.components import basis, in_a_score, name_of
from core.errors import NotAvailableError

AXIS_FACTOR = 1.25
"""Length of the axis relative to the longest bar, which leaves space for its label."""


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw a bar per component, in the unit of the main column.

    Raises ``NotAvailableError`` if no network has two training runs.
    """
    if leaderboard.design is None:
        raise NotAvailableError(
            f"components of variance need a network with two training runs, and {leaderboard.dataset} has none: "
            "run more seeds"
        )
    values = [
        {"component": name_of(term), "value": round(sd, 6)} for term, sd in in_a_score(leaderboard.design).items()
    ]
    reach = AXIS_FACTOR * (max(in_a_score(leaderboard.design).values()) or 1.0)
    base = {
        "x": field("value:Q", title="sd in the score of one training run", **scale(domain=[0, round(reach, 6)])),
        "y": field("component:N", sort=None, title=None),
    }
    bars = mark("bar", base, tooltip("component:N", "value:Q"), color=BLUE, height=11)
    numbers = mark("text", base, {"text": field("value:Q", format=".3f")}, align="left", dx=4)
    about = (
        f"{leaderboard.dataset}: what each component of variance contributes to a score. {basis(leaderboard.design)}"
    )
    return view(values, about, ROW * len(values), bars, numbers)
