"""What each way to choose the score threshold gives."""

import numpy as np

from benchmark.report import select
from benchmark.report.charts.base import Chart, ChartData, Row, Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import EntryRow, leading, leading_words
from benchmark.report.charts.theme import PALETTE, SHAPES
from core.errors import NotAvailableError
from core.names import MAIN

ORIGINS = ("cross-fitted", "validation", "fixed", "otsu", "oracle")


class ScoreThresholds(Chart):
    """The share of hits at each threshold for which the records state it."""

    name = "score_thresholds"
    title = "Hits over the score threshold"
    order = 4

    def draw(self, data: ChartData) -> Spec:
        """A mark per entry and origin of the threshold: its mean over findings, and the hits there."""
        rows = leading(data)
        values = [value for row in rows for value in points(row)]
        if not values:
            raise NotAvailableError(f"the records of {data.dataset} state no thresholds")
        labels = [row.label for row in rows]
        drawn = {value["origin"] for value in values}
        shapes = {origin: shape for origin, shape in zip(ORIGINS, SHAPES, strict=False) if origin in drawn}
        channels = {
            "x": field("threshold:Q", title="score threshold", **scale(domain=[0, 1])),
            "y": field("value:Q", title=MAIN, **scale(domain=[0, 1])),
            "color": field("entry:N", sort=None, **scale(domain=labels, range=list(PALETTE))),
            "shape": field("origin:N", sort=None, **scale(domain=[*shapes], range=[*shapes.values()])),
        }
        shown = tooltip("entry:N", "origin:N", "threshold:Q", "value:Q")
        about = (
            f"{data.dataset}: {MAIN} against the score threshold (mean over findings) by where the threshold comes "
            f"from, for {leading_words(data)}. oracle is chosen on the truth that it is scored on. "
            "Records hold the hits at these thresholds alone; the gallery's slider moves them case by case."
        )
        return view(values, about, 300, mark("point", channels, shown, filled=True, opacity=1, size=70))


def points(row: EntryRow) -> list[Row]:
    """The thresholds of a row's trainings, a mean for each origin, and what they score."""
    out: list[Row] = []
    for origin in ORIGINS:
        chosen = [list(of[origin].values()) for r in row.group if any((of := r.thresholds).get(origin, {}).values())]
        value = select.mean(record.find(MAIN, origin=origin) for record in row.group)
        if chosen and value is not None:
            threshold = float(
                np.mean([np.mean([np.mean(each) for each in findings if len(each)]) for findings in chosen])
            )
            out.append(
                {"entry": row.label, "origin": origin, "threshold": round(threshold, 4), "value": round(value, 6)}
            )
    return out
