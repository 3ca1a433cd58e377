"""Chart of faithfulness against localization."""

from collections.abc import Sequence

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.charts.chart import Row, Spec, by_network, field, mark, scale, tooltip, view
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.entry import mean_records
from benchmark.validity.faithfulness.agreement import agreements, sentence
from core.errors import NotAvailableError
from core.names import FAITHFULNESS, MAIN

WIDTH, HEIGHT = 250, 380
"""Size of the narrowest plot in pixels."""
OFFSET, MARK, LETTER, LINE = 6, 3, 6, 12
"""Pixels: distance of mark and label, half a mark, width of a letter, height of a line."""
Box = tuple[float, float, float, float]


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw a labelled mark per method, with the interval of ``road``; both axes use the same cases.

    Raises ``NotAvailableError`` if no method has both scores.
    """
    scored = select.of_check(leaderboard.records, leaderboard.dataset, FAITHFULNESS)
    rows = [_row(record) for record in mean_records(scored)]
    values = [row for row in rows if row["road"] is not None and row["hits"] is not None]
    if not values:
        raise NotAvailableError(f"no method of {leaderboard.dataset} has both {MAIN} and road")
    label(values)
    colours, shapes = by_network(values)
    base = {
        "x": field("hits:Q", title=f"{MAIN}, on the same cases", **scale(domain=[0, 1])),
        "y": field("road:Q", title="road (higher is more faithful)", **scale(zero=False)),
    }
    interval = {"y": field("low:Q"), "y2": {"field": "high"}}
    hint = tooltip("method:N", "network:N", "hits:Q", "road:Q", "low:Q", "high:Q", "n:Q")
    bars = mark("rule", base, interval, colours, strokeWidth=3, strokeOpacity=0.35)
    points = mark("point", base, shapes, colours, hint, filled=True, opacity=1, size=45)
    names = mark("text", base, {"text": field("label:N")}, align="left", dx=OFFSET, dy=-4)
    agreement = " ".join(map(sentence, agreements(leaderboard)))
    about = (
        f"{leaderboard.dataset}: road with its 95% interval against {MAIN}, a mark per method; labels where there "
        "is space."
    )
    return view(values, f"{about} {agreement}".strip(), HEIGHT, bars, points, names)


def _row(record: Record) -> Row:
    road, hits = record.find("road"), record.find(MAIN, origin="cross-fitted")
    return {
        "method": record.method,
        "network": select.network(record),
        "hits": None if hits is None else hits.value,
        **{name: None if road is None else getattr(road, name) for name in ("low", "high", "n")},
        "road": None if road is None else road.value,
    }


def label(rows: Sequence[Row]) -> None:
    """Label the marks, most faithful first, where the narrowest page has space.

    Marks at the same position share one label.
    """
    groups = select.grouped(rows, lambda row: (row["network"], round(row["hits"], 2), round(row["road"], 2)))
    for row in rows:
        row["label"] = ""
    steps = HEIGHT / max(row["high"] or row["road"] for row in rows)
    marks = [(WIDTH * row["hits"], steps * row["road"]) for row in rows]
    taken = [(x - MARK, x + MARK, y - MARK, y + MARK) for x, y in marks]
    for group in sorted(groups.values(), key=lambda group: -group[0]["road"]):
        words = ", ".join(row["method"] for row in group)
        x, y = WIDTH * group[0]["hits"] + OFFSET, steps * group[0]["road"] - LINE / 4
        box = (x, x + LETTER * len(words), y, y + LINE)
        if not any(_meet(box, other) for other in taken):
            group[0]["label"] = words
            taken.append(box)


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
