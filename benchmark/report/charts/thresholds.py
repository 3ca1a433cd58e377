"""Charts of hits over the IoU threshold, and over the score threshold with the thresholds of each origin."""

from collections.abc import Mapping, Sequence

import numpy as np

from benchmark.records import arrow, cases
from benchmark.records.record import Record
from benchmark.report import select
from benchmark.report.charts.chart import Row, Spec, field, mark, scale, tooltip, view
from benchmark.report.charts.rows import Rows, leading
from benchmark.report.charts.theme import DASHES, LINES, PALETTE, SHAPES
from benchmark.report.entries.aggregate import Leaderboard
from benchmark.report.entries.case_columns import codes
from benchmark.report.entries.entry import NO_NETWORK, Entry
from core.errors import NotAvailableError
from core.names import MAIN
from core.scores import CURVE_THRESHOLDS

STEPS = tuple(round(0.05 * n, 2) for n in range(1, 20))
ORIGINS = ("cross-fitted", "validation", "fixed", "otsu", "oracle")
Curves = list[tuple[float, ...]]
"""``hits_by_threshold`` of some records."""


def draw_iou(leaderboard: Leaderboard) -> Spec:
    """Draw a line per entry over IoU thresholds from .05 to .95.

    Raises ``NotAvailableError`` if no row has cases.
    """
    rows, words = leading(leaderboard)
    values = [value for label, row in rows.items() for value in iou_curve(leaderboard, label, row)]
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
        f"this IoU, for {words}. All use the score thresholds chosen for IoU .3."
    )
    return view(values, about, 300, line, points)


def iou_curve(leaderboard: Leaderboard, label: str, row: Entry) -> list[Row]:
    """Return the share of hits at each of ``STEPS``, mean over findings and training runs; empty without cases.

    A hit has an IoU above the step, at the cross-fitted score threshold chosen for IoU .3.
    """
    cells = [record.cell for record in row.runs]
    tables = [cases.read_columns(cells, folder, ["finding", "iou"]) for folder in leaderboard.folders]
    overlaps = next((table for table in tables if len(table)), None)
    if overlaps is None or "iou" not in overlaps.column_names:
        return []
    (finding, words), iou = codes(overlaps, "finding"), arrow.numbers(overlaps["iou"].combine_chunks())
    order = sorted(np.unique(finding), key=lambda n: words[n])
    hits = [(iou[finding == n, None] > np.array(STEPS, dtype=np.float32)).mean(0) for n in order]
    shares = np.mean(hits, axis=0).tolist()
    return [{"entry": label, "threshold": t, "value": round(v, 6)} for t, v in zip(STEPS, shares, strict=True)]


def draw_score(leaderboard: Leaderboard) -> Spec:
    """Draw a line per entry with a recorded curve, and a mark per entry and origin at the mean threshold."""
    rows, words = leading(leaderboard)
    chosen = [value for label, row in rows.items() for value in points(label, row)]
    runs = leaderboard.runs()
    curves = {label: _curves(runs, row) for label, row in rows.items()}
    lines = [value for label, row in rows.items() for value in score_curve(label, row, curves[label])]
    if not chosen:
        raise NotAvailableError(f"the records of {leaderboard.dataset} contain no thresholds")
    drawn = {value["origin"] for value in chosen}
    shapes = {origin: shape for origin, shape in zip(ORIGINS, SHAPES, strict=False) if origin in drawn}
    legend = {"legend": LINES} if lines else {}
    channels = {
        "x": field("threshold:Q", title="score threshold", **scale(domain=[0, 1])),
        "y": field("value:Q", title=MAIN, **scale(domain=[0, 1])),
        "color": field("entry:N", sort=None, **legend, **scale(domain=[*rows], range=list(PALETTE))),
    }
    shape = {"shape": field("origin:N", sort=None, **scale(domain=[*shapes], range=[*shapes.values()]))}
    dash = {"strokeDash": field("entry:N", **legend, **scale(domain=[*rows], range=DASHES))}
    hint = tooltip("entry:N", "origin:N", "threshold:Q", "value:Q")
    marks = mark("point", channels, shape, hint, filled=True, opacity=1, size=70)
    line = mark("line", channels, dash, tooltip("entry:N", "trainings:N"), strokeWidth=2)
    about = (
        f"{leaderboard.dataset}: {MAIN} (mean over findings) over the score threshold, for {words}. "
        "Marks: the threshold of each origin, mean over findings; oracle thresholds "
        f"are chosen on the test annotations. {_lines_words(rows, curves)}"
    )
    return view([*lines, *chosen], about, 300, *([_only(line, "trainings")] if lines else []), _only(marks, "origin"))


def points(label: str, row: Entry) -> list[Row]:
    """Return the mean threshold of an entry for each origin, and its score there.

    Thresholds are on the min-max scaled map, in [0,1]: the mean over folds, findings and training runs.
    """
    out: list[Row] = []
    for origin in ORIGINS:
        chosen = [list(of[origin].values()) for r in row.runs if any((of := r.thresholds).get(origin, {}).values())]
        value = select.mean(record.find(MAIN, origin=origin) for record in row.runs)
        if chosen and value is not None:
            threshold = float(
                np.mean([np.mean([np.mean(folds) for folds in findings if len(folds)]) for findings in chosen])
            )
            out.append({"entry": label, "origin": origin, "threshold": round(threshold, 4), "value": round(value, 6)})
    return out


def score_curve(label: str, row: Entry, curves: Curves) -> list[Row]:
    """Return the mean of an entry's ``curves`` at ``CURVE_THRESHOLDS``; empty without curves.

    Each curve is the share of hits of one training run, mean over findings.
    """
    if not curves:
        return []
    share = "any" if row.cell.method in NO_NETWORK else f"{len(curves)} of {len(row.runs)}"
    means = np.mean(curves, axis=0).round(6).tolist()
    pairs = zip(CURVE_THRESHOLDS, means, strict=True)
    return [{"entry": label, "threshold": at, "value": value, "trainings": share} for at, value in pairs]


def _curves(runs: Sequence[Record], row: Entry) -> Curves:
    """Return the curves of an entry's training runs; for a baseline without a network, those of all equal rows."""
    if row.cell.method not in NO_NETWORK:
        return [record.hits_by_threshold for record in row.runs if record.hits_by_threshold]
    same = [r for r in runs if r.method == row.method and select.main_value(r) == select.main_value(row)]
    return [record.hits_by_threshold for record in same if record.hits_by_threshold]


def _lines_words(rows: Rows, curves: Mapping[str, Curves]) -> str:
    """Describe the lines, and list those that are missing or cover only some of the training runs."""
    if not any(curves.values()):
        return "The records have hits only at these thresholds. The gallery has a threshold slider for single cases."
    counts = [
        (label, len(curves[label]), len(row.runs)) for label, row in rows.items() if row.cell.method not in NO_NETWORK
    ]
    partly = ", ".join(f"{label} ({n} of {of})" for label, n, of in counts if 0 < n < of)
    without = ", ".join(label for label in rows if not curves[label])
    some = f" Lines from some training runs only: {partly}." if partly else ""
    none = f" Not recorded: {without}." if without else ""
    return f"Lines use one threshold for all findings, so marks may lie above them.{some}{none}"


def _only(layer: Spec, column: str) -> Spec:
    """Restrict a layer to the rows that have a ``column``."""
    return {**layer, "transform": [{"filter": f"isValid(datum.{column})"}]}
