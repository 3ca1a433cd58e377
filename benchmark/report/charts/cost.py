"""Chart and table of the cost of a method against its score."""

from collections.abc import Mapping
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
from core.names import MAIN, NOT_IN_METHODS, PEOPLE

AXIS = "ms per image, one method alone"
NEAR = 1.5
"""Smallest ratio of two times that counts as a difference: times vary by 25% or more on a busy machine."""
NAMED = (
    f"A method is labelled if it scores higher than every other one that takes at most {NEAR:g} times as long. The "
    "tooltip and the table `cost` show the peak memory of tensors in MiB."
)


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw a mark per entry with its interval; label the best one at each cost."""
    measured, about = _measured(leaderboard)
    if not measured:
        raise NotAvailableError(
            f"no costs were measured on {leaderboard.dataset}: run `python -m benchmark.run --suite NAME --costs`"
        )
    values = _values(measured)
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
        for row, cost in measured.values()
    )
    keys = tuple((row.key,) for row, _ in measured.values())
    return Table("cost", about, ("network", "method", MAIN, "ms", "MiB"), cells, keys)


def _measured(leaderboard: Leaderboard) -> tuple[dict[str, tuple[Entry, Cost]], str]:
    """Return label -> measured row and its cost, cheapest first, and a description; empty without costs.

    Costs are those of the first folder that has any, so that a chart never mixes machines. The rows are those on the
    largest part that slow methods explain. The description names the axes, the processor and the methods without costs.
    """
    read = next((measured for folder in leaderboard.folders if (measured := costs.read(Path(folder)))), [])
    by_key = {(row.model, row.method): row for row in read if row.dataset == leaderboard.dataset}
    if not by_key:
        return {}, ""
    images = max(select.parts(leaderboard.records, leaderboard.dataset), default=None)
    rows = {
        k: row for k, row in entries(leaderboard, images).items() if row.cell.method not in (*NOT_IN_METHODS, *PEOPLE)
    }
    of_rows = {label: by_key.get((row.cell.model_of_any_seed, row.cell.method)) for label, row in rows.items()}
    absent = dict.fromkeys(rows[label].method for label, cost in of_rows.items() if cost is None)
    first = next(iter(by_key.values()))
    clock = f"one core of {first.processor}" if first.device == "cpu" else first.device
    part = f" on the {images} images on which slow methods were also scored" if images else ""
    about = (
        f"{MAIN} and its interval{part}, against the run time of the method alone: milliseconds per image on {clock}, "
        f"including the forward pass and all {first.findings} findings. "
        + (f"Not measured: {', '.join(absent)}." if absent else "Every method was measured.")
    )
    with_costs = {label: (rows[label], cost) for label, cost in of_rows.items() if cost is not None}
    return dict(sorted(with_costs.items(), key=lambda pair: pair[1][1].ms)), about


def _values(measured: Mapping[str, tuple[Entry, Cost]]) -> list[Row]:
    """Return the marks; a mark has a label if no other of similar or lower cost scores as high."""
    drawn = chart_rows({label: row for label, (row, _) in measured.items()})
    values = [
        scored | {"network": select.network(row), "method": row.method, "ms": cost.ms, "MiB": cost.mib}
        for scored, (row, cost) in zip(drawn, measured.values(), strict=True)
    ]
    for row in values:
        near = (other for other in values if other["ms"] <= NEAR * row["ms"])
        row["label"] = row["method"] if max(near, key=lambda other: other["value"]) is row else ""
    return values
