"""How far the trainings of an entry lie apart."""

from typing import TYPE_CHECKING

from benchmark.report import select
from benchmark.report.charts.base import Chart, ChartData, tooltip
from benchmark.report.charts.rows import MOST, entries
from benchmark.report.charts.theme import BLUE, GREY, ROW
from core.errors import NotAvailableError
from core.names import MAIN

if TYPE_CHECKING:
    from benchmark.report.charts.base import Drawing


class Seeds(Chart):
    """The main column of each training, a dot for each seed."""

    name = "seeds"
    title = "Trainings one by one"
    order = 5

    def draw(self, data: ChartData) -> "Drawing":
        """A line per entry of several trainings: a dot each, a stroke at their mean."""
        import altair as alt

        rows = [row for row in entries(data) if len(row.group) > 1 and select.is_method(row.record)]
        if not rows:
            raise NotAvailableError(
                f"every entry of {data.dataset} rests on one training: run the suite with more seeds"
            )
        values = [
            {"entry": row.label, "seed": record.cell.seed, "value": select.main_value(record), "mean": row.main.value}
            for row in rows[:MOST]
            for record in row.group
        ]
        base = alt.Chart(alt.InlineData(values=values)).encode(y=alt.Y("entry:N", sort=None, title=None))
        mean = base.mark_tick(thickness=2, size=13, color=GREY).encode(x=alt.X("mean:Q"))
        dots = base.mark_point(filled=True, size=38, opacity=0.75, color=BLUE).encode(
            x=alt.X("value:Q", title=f"{MAIN} of each training", scale=alt.Scale(zero=False, nice=True)),
            tooltip=tooltip("entry:N", "seed:O", "value:Q", "mean:Q"),
        )
        about = (
            f"{data.dataset}: {MAIN} of each training, a dot per seed, a stroke at their mean; "
            f"the first {min(MOST, len(rows))} of {len(rows)} entries of several trainings, best first."
        )
        return alt.layer(mean, dots).properties(description=about, height=ROW * min(MOST, len(rows)))
