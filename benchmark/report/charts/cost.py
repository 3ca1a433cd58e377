"""What a better score costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.records import costs
from benchmark.records.costs import Cost
from benchmark.report import select
from benchmark.report.charts.base import Chart, ChartData, Row, Spec, by_network, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import EntryRow, chart_row, entries
from benchmark.report.table import Table, number
from core.errors import NotAvailableError
from core.names import BESIDE, MAIN, PEOPLE

AXIS = "ms an image, one method alone"
NEAR = 1.5
"""Times that lie closer together are not told apart: a busy machine moves one by a quarter and more."""
NAMED = (
    f"Named is what scores more than all that takes at most {NEAR:g} times as long; MiB of tensors at the peak stand "
    "under the pointer and in the table `cost`."
)
Key = tuple[str, str]
"""Network of any seed, method."""


class CostChart(Chart):
    """The main column against the time that an image takes with one method alone, where that was measured."""

    name = "cost"
    title = "Cost against score"
    order = 7

    def draw(self, data: ChartData) -> Spec:
        """A mark per entry with its interval; names of those that nothing of about their cost or less reaches."""
        known = _known(data)
        images, rows = _rows(data)
        values = _values(_measured(rows, known))
        if not values:
            raise NotAvailableError(
                f"no method of {data.dataset} was measured alone: `benchmark.run --suite NAME --costs` does"
            )
        colours, shapes = by_network(values)
        cheapest, dearest = values[0]["ms"], values[-1]["ms"]
        reach = max(2, dearest / cheapest)
        ends = [cheapest / reach**0.3, dearest * reach**0.1]  # names stand on the left of their marks
        log = scale(type="log", domain=ends, nice=False)
        base = {
            "x": field("ms:Q", title=AXIS, axis={"tickCount": 3}, **log),
            "y": field("value:Q", title=MAIN, **scale(domain=[0, 1])),
        }
        interval = {"y": field("low:Q"), "y2": {"field": "high"}}
        shown = tooltip("entry:N", "value:Q", "low:Q", "high:Q", "ms:Q", "MiB:Q", "n:Q")
        bars = mark("rule", base, interval, colours, strokeWidth=3, strokeOpacity=0.3)
        points = mark("point", base, shapes, colours, shown, filled=True, opacity=0.9, size=50)
        names = mark("text", base, {"text": field("label:N")}, align="right", dx=-6, dy=-5)
        about = f"{data.dataset}: {_about(rows, known, images)} {NAMED}"
        return view(values, about, 340, bars, points, names)


def cost_tables(data: ChartData) -> list[Table]:
    """What the chart shows in figures, cheapest first, with MiB of tensors at the peak; nothing was measured: none.

    Milliseconds per image with one method alone, on the machine that ``costs.parquet`` names.
    """
    if not (known := _known(data)):
        return []
    images, rows = _rows(data)
    measured = _measured(rows, known)
    cells = tuple(
        (select.network(row.record), row.record.method, number(row.main.value), f"{cost.ms:.1f}", f"{cost.mib:.1f}")
        for cost, row in measured
    )
    keys = tuple((row.record.key,) for _, row in measured)
    return [Table("cost", _about(rows, known, images), ("network", "method", MAIN, "ms", "MiB"), cells, keys)]


def _rows(data: ChartData) -> tuple[int | None, list[EntryRow]]:
    """The images that slow methods explain too, and the rows whose scores stand beside the costs."""
    images = max(select.parts(data.records, data.dataset), default=None)
    return images, [row for row in entries(data, images) if row.record.cell.method not in (*BESIDE, *PEOPLE)]


def _known(data: ChartData) -> dict[Key, Cost]:
    """The costs of the first of the folders that has any: no chart mixes machines."""
    read = next((rows for folder in data.folders if (rows := costs.read(Path(folder)))), [])
    return {(row.model, row.method): row for row in read if row.dataset == data.dataset}


def _key(row: EntryRow) -> Key:
    return row.record.cell.model_of_any_seed, row.record.cell.method


def _measured(rows: Sequence[EntryRow], known: Mapping[Key, Cost]) -> list[tuple[Cost, EntryRow]]:
    """The rows that were measured, cheapest first."""
    return sorted(((known[_key(row)], row) for row in rows if _key(row) in known), key=lambda pair: pair[0].ms)


def _values(measured: Sequence[tuple[Cost, EntryRow]]) -> list[Row]:
    """The marks; those that none of about the same cost or less reaches are named."""
    values = [
        chart_row(row)
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
        f"alone, its forward pass and all {cost.findings} findings among them. "
        + (f"Not measured: {', '.join(words)}." if words else "Every method was measured.")
    )
