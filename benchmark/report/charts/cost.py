"""What a better score costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark.records import costs
from benchmark.records.costs import Cost
from benchmark.report import select
from benchmark.report.charts.base import Chart, ChartData, Row, by_network, tooltip
from benchmark.report.charts.rows import EntryRow, entries, plain
from core.errors import NotAvailableError
from core.names import BESIDE, MAIN, READERS

if TYPE_CHECKING:
    from benchmark.report.charts.base import Drawing

AXIS = "ms an image, one method alone"
NEAR = 1.5
"""Times that lie closer together are not told apart: a busy machine moves one by a quarter and more."""
Key = tuple[str, str]
"""Network of any seed, method."""


class CostChart(Chart):
    """The main column against the time that an image takes with one method alone, where that was measured."""

    name = "cost"
    title = "Cost against score"
    order = 7

    def draw(self, data: ChartData) -> "Drawing":
        """A mark per entry with its interval; names of those that nothing of about their cost or less reaches."""
        import altair as alt

        known = _known(data)
        images = max(select.parts(data.records, data.dataset), default=None)
        rows = [row for row in entries(data, images) if row.record.cell.method not in (*BESIDE, READERS)]
        values = _values(rows, known)
        if not values:
            raise NotAvailableError(
                f"no method of {data.dataset} was measured alone: `benchmark.run --suite NAME --costs` does"
            )
        colours, shapes = by_network(values)
        ends = [values[0]["ms"] / 6, values[-1]["ms"] * 1.5]  # names stand on the left of their marks
        base = alt.Chart(alt.InlineData(values=values)).encode(
            x=alt.X(
                "ms:Q", title=AXIS, scale=alt.Scale(type="log", domain=ends, nice=False), axis=alt.Axis(tickCount=3)
            ),
            y=alt.Y("value:Q", title=MAIN, scale=alt.Scale(domain=[0, 1])),
        )
        bars = base.mark_rule(strokeWidth=3, strokeOpacity=0.15).encode(y="low:Q", y2="high:Q", color=colours)
        shown = tooltip("entry:N", "value:Q", "low:Q", "high:Q", "ms:Q", "MiB:Q", "n:Q")
        points = base.mark_point(filled=True, opacity=0.9, size=50).encode(shape=shapes, color=colours, tooltip=shown)
        names = base.mark_text(align="right", dx=-6, dy=-5).encode(text="label:N")
        about = f"{data.dataset}: {_about(rows, known, images)}"
        return alt.layer(bars, points, names).properties(description=about, height=340)


def _known(data: ChartData) -> dict[Key, Cost]:
    """The costs of the first of the folders that has any: no chart mixes machines."""
    read = next((rows for folder in data.folders if (rows := costs.read(Path(folder)))), [])
    return {(row.model, row.method): row for row in read if row.dataset == data.dataset}


def _key(row: EntryRow) -> Key:
    return row.record.cell.model_of_any_seed, row.record.cell.method


def _values(rows: Sequence[EntryRow], known: Mapping[Key, Cost]) -> list[Row]:
    """The rows that were measured, cheapest first; those that none of about the same cost or less reaches are named."""
    measured = sorted(((known[_key(row)], row) for row in rows if _key(row) in known), key=lambda pair: pair[0].ms)
    values = [
        plain(row)
        | {"network": select.network(row.record), "method": row.record.method, "ms": cost.ms, "MiB": cost.mib}
        for cost, row in measured
    ]
    for row in values:
        near = (other for other in values if other["ms"] <= NEAR * row["ms"])
        row["label"] = row["method"] if max(near, key=lambda other: other["value"]) is row else ""
    return values


def _about(rows: Sequence[EntryRow], known: Mapping[Key, Cost], images: int | None) -> str:
    cost = next(iter(known.values()))
    clock = f"one core of {cost.processor}" if cost.device == "cpu" else cost.device
    part = f" on the {images} images that slow methods explain too" if images else ""
    missing = [row for row in rows if _key(row) not in known]
    words = dict.fromkeys(row.record.method for row in missing)
    return (
        f"{MAIN} and its interval{part}, against the milliseconds of {clock} that an image takes with one method "
        f"alone, its forward pass and all {cost.findings} findings among them. Named is what scores more than all that "
        f"takes at most {NEAR:g} times as long; under the pointer: MiB of tensors at the peak. "
        + (f"Not measured: {', '.join(words)}." if words else "Every method was measured.")
    )
