"""What a better score costs."""

from typing import TYPE_CHECKING

from benchmark.report.charts.base import Chart, ChartData, tooltip
from benchmark.report.charts.rows import entries, plain
from benchmark.report.charts.theme import PALETTE
from core.errors import NotAvailableError
from core.names import MAIN

if TYPE_CHECKING:
    from benchmark.report.charts.base import Drawing

TIME, MEMORY = "ms an image", "MiB an image"
"""Words of ``Record.rests_on``."""


class Cost(Chart):
    """The main column against time and memory that an image takes, where records state them."""

    name = "cost"
    title = "Cost against score"
    order = 7

    def draw(self, data: ChartData) -> "Drawing":
        """A mark per entry, its size the memory."""
        import altair as alt

        rows = [row for row in entries(data) if TIME in row.record.rests_on]
        if not rows:
            raise NotAvailableError(
                f"the records of {data.dataset} state no time or memory of an image: "
                "docs/speed.md has those of the methods on three networks"
            )
        values = [
            plain(row) | {name: row.record.rests_on.get(word) for name, word in (("ms", TIME), ("mib", MEMORY))}
            for row in rows
        ]
        about = f"{data.dataset}: {MAIN} against the time that an image takes; larger marks take more memory."
        return (
            alt.Chart(alt.InlineData(values=values))
            .mark_point(filled=True, opacity=0.8)
            .encode(
                x=alt.X("ms:Q", title=TIME, scale=alt.Scale(type="log")),
                y=alt.Y("value:Q", title=MAIN, scale=alt.Scale(domain=[0, 1])),
                size=alt.Size("mib:Q", title=MEMORY),
                color=alt.Color("kind:N", scale=alt.Scale(range=list(PALETTE))),
                tooltip=tooltip("entry:N", "value:Q", "ms:Q", "mib:Q"),
            )
            .properties(description=about, height=300)
        )
