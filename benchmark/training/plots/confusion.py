"""Confusion matrices: truth in rows, what was called in columns, counts and shares of the row."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.training.metrics.decisions import decided
from benchmark.training.metrics.predictions import Predictions
from benchmark.training.plots import panels

COLOURS = "Blues"


def draw(test: Predictions, metrics: dict[str, Any], path: Path) -> None:
    """Two by two per finding at its threshold; of exclusive classes one matrix of all."""
    if test.exclusive:
        return _classes(test, np.array(metrics["test"]["confusion_matrix"]), path)
    chosen = [metrics["thresholds"][name] for name in test.findings]
    called, true, known = decided(test, [one["logit"] for one in chosen])
    title = f"Confusion on test ({metrics['test']['n']} images), thresholds: {chosen[0]['origin']}"
    figure, each = panels.grid(test.findings, title)
    for k, axes in enumerate(each):
        axes.set(xlim=(-0.5, 1.5), ylim=(1.5, -0.5))
        if np.isnan(chosen[k]["logit"]):
            panels.write_reason(axes, chosen[k]["reason"])
            continue
        sides = (False, True)
        counts = np.array([[(known & (true == t) & (called == s))[:, k].sum() for s in sides] for t in sides])
        _matrix(axes, counts)
    panels.axes_of(each, "called", "truth", (0, 1), ("no", "yes"))
    return panels.save(figure, path)


def _classes(test: Predictions, counts: NDArray[np.int64], path: Path) -> None:
    names, side = [name.replace("_", " ") for name in test.findings], 2.4 + 0.5 * len(test.findings)
    with mpl.rc_context(panels.STYLE):
        figure = Figure(figsize=(side + 0.4, side), dpi=120, layout="constrained", facecolor="white")
        axes = figure.add_subplot()
    title = f"Confusion on test: {counts.sum()} images with one class,\nthe likeliest is called"
    axes.set_title(title, color=panels.INK, fontsize=9)
    _matrix(axes, counts)
    panels.axes_of([axes], "called", "truth", range(len(names)), names)
    axes.tick_params(axis="x", rotation=90 if len(names) > 2 else 0)
    panels.save(figure, path)


def _matrix(axes: Axes, counts: NDArray[np.int64]) -> None:
    rows = counts.sum(1, keepdims=True)
    shares = np.divide(counts, rows, out=np.full(counts.shape, np.nan), where=rows > 0)
    axes.imshow(np.nan_to_num(shares), cmap=COLOURS, vmin=0, vmax=1)
    for (row, column), count in np.ndenumerate(counts):
        share = "" if np.isnan(shares[row, column]) else f"\n{100 * shares[row, column]:.0f} %"
        colour = "white" if shares[row, column] > 0.55 else panels.INK
        axes.text(column, row, f"{count}{share}", ha="center", va="center", color=colour, fontsize=8)
