"""Chart and table of the cost of a method against its score."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmark.records import costs
from benchmark.records.costs import Cost
from benchmark.report import select
from benchmark.report.charts.chart import Row, Spec, by_network, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import chart_rows, entries
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import Entry
from benchmark.report.table import Table, number
from core.errors import NotAvailableError
from core.names import BESIDE, MAIN, PEOPLE

AXIS = "ms per image, one method alone"
NEAR = 1.5
"""Smallest ratio of two times that counts as a difference: times vary by 25% or more on a busy machine."""
NAMED = (
    f"A method is labelled if it scores higher than every other one that takes at most {NEAR:g} times as long. The "
    "tooltip and the table `cost` show the peak memory of tensors in MiB."
)
Key = tuple[str, str]
"""Network without its seed, and method."""


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw a mark per entry with its interval; label the best one at each cost."""
    measured, about = _measured(leaderboard)
    values = _values(measured)
    if not values:
        raise NotAvailableError(
            f"no costs were measured on {leaderboard.dataset}: run `python -m benchmark.run --suite NAME --costs`"
        )
    colours, shapes = by_network(values)
    cheapest, dearest = values[0]["ms"], values[-1]["ms"]
    reach = max(2, dearest / cheapest)
    ends = [cheapest / reach**0.3, dearest * reach**0.1]  # labels are left of their marks
    log = scale(type="log", domain=ends, nice=False)
    base = {
        "x": field("ms:Q", title=AXIS, axis={"tickCount": 3}, **log),
        "y": field("value:Q", title=MAIN, **scale(domain=[0, 1])),
    }
    interval = {"y": field("low:Q"), "y2": {"field": "high"}}
    hint = tooltip("entry:N", "value:Q", "low:Q", "high:Q", "ms:Q", "MiB:Q", "n:Q")
    bars = mark("rule", base, interval, colours, strokeWidth=3, strokeOpacity=0.3)
    points = mark("point", base, shapes, colours, hint, filled=True, opacity=0.9, size=50)
    names = mark("text", base, {"text": field("label:N")}, align="right", dx=-6, dy=-5)
    return view(values, f"{leaderboard.dataset}: {about} {NAMED}", 340, bars, points, names)


def cost_table(leaderboard: Leaderboard) -> Table:
    """Return the numbers of the chart, cheapest first, with the peak memory in MiB.

    Milliseconds per image with one method, on the machine that ``costs.parquet`` names.
    """
    measured, about = _measured(leaderboard)
    cells = tuple(
        (select.network(row), row.method, number(select.main_value(row)), f"{cost.ms:.1f}", f"{cost.mib:.1f}")
        for cost, _, row in measured
    )
    keys = tuple((row.key,) for _, _, row in measured)
    return Table("cost", about, ("network", "method", MAIN, "ms", "MiB"), cells, keys)


def _key(row: Entry) -> Key:
    return row.cell.model_of_any_seed, row.cell.method


def _measured(leaderboard: Leaderboard) -> tuple[list[tuple[Cost, str, Entry]], str]:
    """Return the measured rows with costs and labels, cheapest first, and what they show; empty without costs.

    Costs are those of the first folder that has any, so that a chart never mixes machines. The rows are those on the
    largest part that slow methods explain.
    """
    read = next((measured for folder in leaderboard.folders if (measured := costs.read(Path(folder)))), [])
    costs_by_key = {(row.model, row.method): row for row in read if row.dataset == leaderboard.dataset}
    if not costs_by_key:
        return [], ""
    images = max(select.parts(leaderboard.records, leaderboard.dataset), default=None)
    rows = {k: row for k, row in entries(leaderboard, images).items() if row.cell.method not in (*BESIDE, *PEOPLE)}
    pairs = [(costs_by_key[_key(row)], label, row) for label, row in rows.items() if _key(row) in costs_by_key]
    about = _about([*rows.values()], costs_by_key, images)
    return sorted(pairs, key=lambda pair: pair[0].ms), about


def _values(measured: Sequence[tuple[Cost, str, Entry]]) -> list[Row]:
    """Return the marks; a mark has a label if no other of similar or lower cost scores as high."""
    drawn = chart_rows({label: row for _, label, row in measured})
    values = [
        scored | {"network": select.network(row), "method": row.method, "ms": cost.ms, "MiB": cost.mib}
        for scored, (cost, _, row) in zip(drawn, measured, strict=True)
    ]
    for row in values:
        near = (other for other in values if other["ms"] <= NEAR * row["ms"])
        row["label"] = row["method"] if max(near, key=lambda other: other["value"]) is row else ""
    return values


def _about(rows: Sequence[Entry], costs_by_key: Mapping[Key, Cost], images: int | None) -> str:
    """Describe the chart: its axes, the processor, and the methods without a measured time."""
    cost = next(iter(costs_by_key.values()))
    clock = f"one core of {cost.processor}" if cost.device == "cpu" else cost.device
    part = f" on the {images} images that slow methods explain too" if images else ""
    words = dict.fromkeys(row.method for row in rows if _key(row) not in costs_by_key)
    return (
        f"{MAIN} and its interval{part}, against milliseconds per image on {clock} with one method, including "
        f"the forward pass and all {cost.findings} findings. "
        + (f"Not measured: {', '.join(words)}." if words else "Every method was measured.")
    )
