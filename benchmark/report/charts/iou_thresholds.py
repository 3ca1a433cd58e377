"""Chart of hits over the IoU threshold."""

import numpy as np

from benchmark.records import cases, packed
from benchmark.report.charts.chart import Row, Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import leading, leading_words
from benchmark.report.charts.theme import DASHES, LINES, PALETTE
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.case_columns import codes
from benchmark.report.entries.entry import Entry
from core.errors import NotAvailableError

STEPS = tuple(round(0.05 * n, 2) for n in range(1, 20))


def draw(leaderboard: Leaderboard) -> Spec:
    """Draw a line per entry over IoU thresholds from .05 to .95.

    Raises ``NotAvailableError`` if no row has cases.
    """
    rows = leading(leaderboard)
    values = [value for label, row in rows.items() for value in curve(leaderboard, label, row)]
    if not values:
        raise NotAvailableError(
            f"{leaderboard.dataset} has no per-case rows: run the suite again with --overwrite always"
        )
    order = [*rows]
    shares = scale(domain=[0, 1])
    base = {
        "x": field("threshold:Q", title="smallest IoU of a hit", axis={"format": ".1f"}, **shares),
        "y": field("value:Q", title="share of cases hit", **shares),
        "color": field("entry:N", legend=LINES, sort=None, **scale(domain=order, range=list(PALETTE))),
    }
    dash = {"strokeDash": field("entry:N", legend=LINES, **scale(domain=order, range=DASHES))}
    line = mark("line", base, dash, strokeWidth=2)
    points = mark("point", base, tooltip("entry:N", "threshold:Q", "value:Q"), filled=True, size=25, opacity=1)
    about = (
        f"{leaderboard.dataset}: share of cases (mean over findings) whose box overlaps an annotation by more than "
        f"this IoU, for {leading_words(leaderboard)}. All use the score thresholds chosen for IoU .3."
    )
    return view(values, about, 300, line, points)


def curve(leaderboard: Leaderboard, label: str, row: Entry) -> list[Row]:
    """Return the share of hits at each of ``STEPS``, mean over findings and training runs; empty without cases.

    A hit has an IoU above the step, at the cross-fitted score threshold chosen for IoU .3.
    """
    cells = [record.cell for record in row.runs]
    tables = [cases.read_columns(cells, folder, ["finding", "iou"]) for folder in leaderboard.folders]
    overlaps = next((table for table in tables if len(table)), None)
    if overlaps is None or "iou" not in overlaps.column_names:
        return []
    (finding, words), iou = codes(overlaps, "finding"), packed.numbers(overlaps["iou"].combine_chunks())
    order = sorted(np.unique(finding), key=lambda n: words[n])
    hits = [(iou[finding == n, None] > np.array(STEPS, dtype=np.float32)).mean(0) for n in order]
    shares = np.mean(hits, axis=0).tolist()
    return [{"entry": label, "threshold": t, "value": round(v, 6)} for t, v in zip(STEPS, shares, strict=True)]
