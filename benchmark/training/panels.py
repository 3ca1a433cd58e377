"""Shared parts of the plots of a run: a grid of panels, colours for colour-blind readers, reproducible files."""

import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmark.training.metrics.predictions import Predictions
from core.files import atomic

BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
"""From Okabe and Ito's palette for colour-blind readers; "Color universal design", 2008."""
INK, PALE = "#1d2733", "#8a94a3"
COLUMNS = 4
SIDE, ACROSS, DOWN = 2.4, 0.3, 0.42
"""Inches: side of a panel, and gaps between panels."""
LEFT, BELOW, ABOVE = 0.55, 0.5, 0.6
"""Inches around the grid."""
STYLE: dict[Any, Any] = {
    **{"font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 9},
    **{"axes.spines.top": False, "axes.spines.right": False},
}

Draw = Callable[[Axes, int, dict[str, Any]], None]
"""Draws into the panel of a finding, given its index and its row of metrics.json."""
Corner = Literal["lower right", "upper right", "upper left"]


def panel_grid(findings: Sequence[str], title: str) -> tuple[Figure, list[Axes]]:
    """Return a figure with a square panel per finding; fixed positions are faster than Matplotlib's layout."""
    indices, columns = range(len(findings)), min(COLUMNS, len(findings))
    rows = -(-len(findings) // columns)
    width = max(LEFT + columns * (SIDE + ACROSS), 4.8)
    height = ABOVE + rows * SIDE + (rows - 1) * DOWN + BELOW
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
        xs = [(LEFT + (k % columns) * (SIDE + ACROSS)) / width for k in indices]
        ys = [(height - ABOVE - SIDE - (k // columns) * (SIDE + DOWN)) / height for k in indices]
        panels = [figure.add_axes((xs[k], ys[k], SIDE / width, SIDE / height)) for k in indices]
    figure.text(LEFT / width, 1 - 0.22 / height, title, fontsize=10, color=INK, va="center")
    for axes, finding in zip(panels, findings, strict=True):
        axes.set_title(finding.replace("_", " "), color=INK, fontsize=9, pad=4)
    return figure, panels


def side_by_side(count: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """Return a figure of ``size`` (width, height) in inches with ``count`` panels in a row."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, dpi=120, layout="constrained", facecolor="white")
        return figure, [*figure.subplots(1, count, squeeze=False)[0]]


def label_axes(panels: Sequence[Axes], x: str, y: str, ticks: Sequence[float], words: Sequence[str]) -> None:
    """Give all panels the same axes; only the outer ones have labels and tick labels."""
    for k, axes in enumerate(panels):
        is_bottom, is_left = k >= len(panels) - COLUMNS, k % COLUMNS == 0
        axes.set_xticks(ticks, words if is_bottom else [])
        axes.set_yticks(ticks, words if is_left else [])
        axes.set_xlabel(x if is_bottom else "", labelpad=1, fontsize=8)
        axes.set_ylabel(y if is_left else "", labelpad=1, fontsize=8)


def curves(
    test: Predictions, metrics: dict[str, Any], metric: str, draw: Draw, words: tuple[str, str, str], corner: Corner
) -> Figure:
    """Return a figure with axes from 0 to 1 in which ``draw`` has drawn each finding, with a legend in a ``corner``.

    A finding whose ``metric`` is undefined has the reason instead. ``words`` are the title and the labels of both axes.
    """
    title, x, y = words
    figure, grid = panel_grid(test.findings, f"{title} on test ({metrics['test']['n']} images)")
    for k, axes in enumerate(grid):
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        row = metrics["test"]["findings"][test.findings[k]]
        if np.isnan(row[metric]):
            write_reason(axes, row["reasons"][metric])
            continue
        draw(axes, k, row)
        axes.legend(loc=corner, fontsize=7, framealpha=0.85, edgecolor="none", handlelength=1.4, borderpad=0.2)
    label_axes(grid, x, y, (0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))
    return figure


def write_reason(axes: Axes, reason: str) -> None:
    """Write into a panel why it has no curve."""
    text = textwrap.fill(reason, 28, break_long_words=False, break_on_hyphens=False)
    axes.text(0.5, 0.5, text, ha="center", va="center", color=PALE, fontsize=8, transform=axes.transAxes)


def with_interval(row: dict[str, Any], name: str) -> str:
    """Format a value with its interval: ``.713 [.650, .771]``.

    >>> with_interval({"auroc": 0.7131, "intervals": {"auroc": [0.65, 1.0]}}, "auroc")
    '.713 [.650, 1.000]'
    """
    ends = row["intervals"].get(name)
    return _short(row[name]) + (f" [{_short(ends[0])}, {_short(ends[1])}]" if ends else "")


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def save(figure: Figure, path: Path) -> None:
    """Write the PNG atomically, without date or version."""
    with mpl.rc_context(STYLE), atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
