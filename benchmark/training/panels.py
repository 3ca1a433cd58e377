"""What the pictures of a run share: a grid of one panel per finding, colours for any colour vision, stable bytes."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from benchmark.training.metrics.predictions import Predictions
from core.files import atomic

BLUE, ORANGE, GREEN = "#0072b2", "#d55e00", "#009e73"
"""Of Okabe and Ito's palette, told apart with any colour vision; "Color universal design", 2008."""
INK, PALE = "#1d2733", "#8a94a3"
COLUMNS = 4
SIDE, ACROSS, DOWN = 2.4, 0.3, 0.42
"""Inches of a panel, and between panels."""
LEFT, BELOW, ABOVE = 0.55, 0.5, 0.6
"""Inches around them all."""
STYLE: dict[Any, Any] = {
    **{"font.family": "DejaVu Sans", "font.size": 8, "axes.titlesize": 9},
    **{"axes.spines.top": False, "axes.spines.right": False},
}

Ranked = tuple[str, Axes, dict[str, Any], NDArray[np.float64], NDArray[np.float64]]
"""A finding, its panel, its row of metrics.json, and labels and scores of the images whose label is known."""


def panel_grid(findings: Sequence[str], title: str) -> tuple[Figure, list[Axes]]:
    """A figure with one square panel per finding under a title, laid out in inches: much faster than by trial."""
    each, columns = range(len(findings)), min(COLUMNS, len(findings))
    rows = -(-len(findings) // columns)
    width = max(LEFT + columns * (SIDE + ACROSS), 4.8)
    height = ABOVE + rows * SIDE + (rows - 1) * DOWN + BELOW
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), dpi=120, facecolor="white")
        xs = [(LEFT + (k % columns) * (SIDE + ACROSS)) / width for k in each]
        ys = [(height - ABOVE - SIDE - (k // columns) * (SIDE + DOWN)) / height for k in each]
        panels = [figure.add_axes((xs[k], ys[k], SIDE / width, SIDE / height)) for k in each]
    figure.text(LEFT / width, 1 - 0.22 / height, title, fontsize=10, color=INK, va="center")
    for axes, finding in zip(panels, findings, strict=True):
        axes.set_title(finding.replace("_", " "), color=INK, fontsize=9, pad=4)
    return figure, panels


def side_by_side(count: int, size: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of ``size`` (width, height) in inches with ``count`` panels in a row."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=size, dpi=120, layout="constrained", facecolor="white")
        return figure, [*figure.subplots(1, count, squeeze=False)[0]]


def label_axes(panels: Sequence[Axes], x: str, y: str, ticks: Sequence[float], words: Sequence[str]) -> None:
    """Give all panels the same axes; the outer ones have names, and words at their ticks."""
    for k, axes in enumerate(panels):
        below, left = k >= len(panels) - COLUMNS, k % COLUMNS == 0
        axes.set_xticks(ticks, words if below else [])
        axes.set_yticks(ticks, words if left else [])
        axes.set_xlabel(x if below else "", labelpad=1, fontsize=8)
        axes.set_ylabel(y if left else "", labelpad=1, fontsize=8)


def set_unit_axes(panels: Sequence[Axes], x: str, y: str) -> None:
    """All axes from 0 to 1."""
    for axes in panels:
        axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    label_axes(panels, x, y, (0, 0.25, 0.5, 0.75, 1), ("0", ".25", ".5", ".75", "1"))


def legend(axes: Axes, corner: Literal["lower right", "upper right", "upper left"]) -> None:
    """A small legend on white."""
    axes.legend(loc=corner, fontsize=7, framealpha=0.85, edgecolor="none", handlelength=1.4, borderpad=0.2)


def write_reason(axes: Axes, reason: str) -> None:
    """Say in place of a curve why there is none."""
    words, lines = reason.split(), [""]
    for word in words:
        lines = [*lines[:-1], f"{lines[-1]} {word}".strip()] if len(lines[-1]) + len(word) < 28 else [*lines, word]
    axes.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", color=PALE, fontsize=8, transform=axes.transAxes)


def with_interval(row: dict[str, Any], name: str) -> str:
    """A number with its interval: ``.713 [.650, .771]``.

    >>> with_interval({"auroc": 0.7131, "intervals": {"auroc": [0.65, 1.0]}}, "auroc")
    '.713 [.650, 1.000]'
    """
    ends = row["intervals"].get(name)
    return _short(row[name]) + (f" [{_short(ends[0])}, {_short(ends[1])}]" if ends else "")


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")


def save(figure: Figure, path: Path) -> None:
    """Write the PNG atomically; no date or version in it."""
    with mpl.rc_context(STYLE), atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def ranked(test: Predictions, metrics: dict[str, Any], each: Sequence[Axes], metric: str) -> Iterator[Ranked]:
    """The findings whose ``metric`` is defined, one after the other; the panels of the others say why it is not."""
    for k, axes in enumerate(each):
        row = metrics["test"]["findings"][test.findings[k]]
        if np.isnan(row[metric]):
            write_reason(axes, row["reasons"][metric])
        else:
            known = ~test.labels[:, k].isnan()
            yield test.findings[k], axes, row, test.labels[known, k].numpy(), test.ranked[known, k].numpy()
