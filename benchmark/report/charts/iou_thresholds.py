"""How the share of hits falls as more overlap is asked for."""

from typing import TYPE_CHECKING

import numpy as np

from benchmark.records import cases
from benchmark.report.charts.base import Chart, ChartData, Row, tooltip
from benchmark.report.charts.rows import EntryRow, leading
from benchmark.report.charts.theme import PALETTE
from core.errors import NotAvailableError

if TYPE_CHECKING:
    from benchmark.report.charts.base import Drawing

STEPS = tuple(round(0.05 * n, 2) for n in range(1, 20))


class IoUThresholds(Chart):
    """The share of cases whose box overlaps truth by more."""

    name = "iou_thresholds"
    title = "Hits over the IoU threshold"
    order = 3

    def draw(self, data: ChartData) -> "Drawing":
        """A line per entry over IoU thresholds from .05 to .95."""
        import altair as alt

        rows = leading(data)
        values = [value for row in rows for value in curve(data, row)]
        if not values:
            raise NotAvailableError(f"{data.dataset} has no rows per case: run the suite again with --overwrite always")
        order = [row.label for row in rows]
        lines = alt.Legend(symbolType="stroke", symbolStrokeWidth=2, symbolSize=300)
        base = alt.Chart(alt.InlineData(values=values)).encode(
            x=alt.X(
                "threshold:Q", title="IoU that makes a hit", axis=alt.Axis(format=".1f"), scale=alt.Scale(domain=[0, 1])
            ),
            y=alt.Y("value:Q", title="share of cases hit", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("entry:N", scale=alt.Scale(domain=order, range=list(PALETTE)), sort=None, legend=lines),
        )
        dashes = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4], [1, 3]]
        line = base.mark_line(strokeWidth=2).encode(
            strokeDash=alt.StrokeDash("entry:N", scale=alt.Scale(domain=order, range=dashes), legend=lines),
        )
        points = base.mark_point(filled=True, size=25, opacity=1).encode(
            tooltip=tooltip("entry:N", "threshold:Q", "value:Q"),
        )
        about = (
            f"{data.dataset}: share of cases (mean over findings) whose "
            "box overlaps truth by more than this IoU, for the "
            "best entry of each network "
            "and two baselines. Score thresholds were chosen for IoU .3, and stay."
        )
        return alt.layer(line, points).properties(description=about, height=300)


def curve(data: ChartData, row: EntryRow) -> list[Row]:
    """A row's share of hits at each of ``STEPS``: mean over findings, then over trainings; nothing without cases."""
    cells = [record.cell for record in row.group]
    frames = [cases.read_columns(cells, folder, ["finding", "iou"]) for folder in data.folders]
    overlaps = next((frame for frame in frames if len(frame)), None)
    if overlaps is None or "iou" not in overlaps:
        return []
    findings = [part.to_numpy() for _, part in overlaps.groupby("finding")["iou"]]
    return [
        {
            "entry": row.label,
            "threshold": step,
            "value": round(float(np.mean([(v > step).mean() for v in findings])), 6),
        }
        for step in STEPS
    ]
