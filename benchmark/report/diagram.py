"""Critical-difference diagrams as one SVG whose bytes depend on the numbers alone. Demšar, JMLR 7 (2006), figure 1."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from core.files import atomic
from core.names import BASELINES

if TYPE_CHECKING:
    from benchmark.statistics.nemenyi import Diagram

SAME_BYTES: dict[Any, str] = {"svg.hashsalt": "ranks", "svg.fonttype": "path", "font.family": "DejaVu Sans"}
INK, PALE, BAR = "#1d2733", "#8a94a3", "#2f6fb5"
AXIS, ROW, LETTER = 5.4, 0.23, 0.085
"""Inches: of the axis, of a line of text, of a letter."""
ABOVE, STEP = 4.2, 0.5
"""Lines above the axis (title, ruler, numbers), and lines per bar."""


def save(diagrams: Sequence[tuple[str, "Diagram"]], path: Path) -> None:
    """One panel per (title, diagram), below each other; written atomically. At least one."""
    heights = [_height(diagram) for _, diagram in diagrams]
    longest = max(len(method) for _, diagram in diagrams for method in diagram.methods)
    room = 1 + LETTER * longest  # for the names on either side
    figure = Figure(figsize=(AXIS + 2 * room, ROW * sum(heights)), facecolor="white")
    with mpl.rc_context(SAME_BYTES):
        ratios = {"height_ratios": heights, "hspace": 0}
        panels = figure.subplots(len(diagrams), 1, squeeze=False, gridspec_kw=ratios)
        figure.subplots_adjust(left=0, right=1, top=1, bottom=0)
        for axes, height, (title, diagram) in zip(panels[:, 0], heights, diagrams, strict=True):
            _panel(axes, height, room / AXIS, title, diagram)
        with atomic(path) as temporary:
            figure.savefig(temporary, format="svg", metadata={"Date": None, "Creator": None})


def _height(diagram: "Diagram") -> float:
    """Lines that a panel takes."""
    return ABOVE + _depth(diagram) + (len(diagram.methods) + 1) // 2 + 0.6


def _depth(diagram: "Diagram") -> float:
    """Lines from the axis to the first name: the bars are between them."""
    return 1.1 + STEP * len(diagram.groups)


def _panel(axes: Axes, height: float, room: float, title: str, diagram: "Diagram") -> None:
    count = len(diagram.methods)
    side = room * (count - 1)
    axes.set_xlim(1 - side, count + side)
    axes.set_ylim(ABOVE - height, ABOVE)
    axes.set_axis_off()
    summary = f"{count} methods, {diagram.findings} findings, Friedman p {diagram.friedman:.2g}"
    axes.text(1 - side * 0.94, ABOVE - 1, title, fontsize=11, fontweight="bold", color=INK, va="center")
    axes.text(count + side * 0.94, ABOVE - 1, summary, fontsize=9, color=PALE, va="center", ha="right")
    _axis(axes, count)
    _ruler(axes, diagram.critical, count)
    _bars(axes, diagram)
    for position in range(count):
        _name(axes, diagram, position)


def _axis(axes: Axes, count: int) -> None:
    axes.plot([1, count], [0, 0], color=INK, linewidth=1.2, solid_capstyle="butt")
    for rank in range(1, count + 1):
        axes.plot([rank, rank], [0, 0.28], color=INK, linewidth=1)
        axes.text(rank, 0.45, str(rank), fontsize=8.5, color=INK, ha="center", va="bottom")
    axes.text(1 - 0.02 * count, 0.45, "best", fontsize=8.5, color=PALE, ha="right", va="bottom", style="italic")


def _ruler(axes: Axes, critical: float, count: int) -> None:
    """How far apart two average ranks must be."""
    end = min(1 + critical, count)
    axes.plot([1, end], [1.75, 1.75], color=BAR, linewidth=1.5)
    for x in (1, end):
        axes.plot([x, x], [1.6, 1.9], color=BAR, linewidth=1.5)
    axes.text(1, 2.05, f"critical difference {critical:.2f}", fontsize=8.5, color=BAR, va="bottom")


def _bars(axes: Axes, diagram: "Diagram") -> None:
    """Over methods none of which differs from another."""
    rank = dict(zip(diagram.methods, diagram.ranks, strict=True))
    for n, group in enumerate(diagram.groups):
        ends = [rank[group[0]], rank[group[-1]]]
        axes.plot(ends, [-0.6 - STEP * n] * 2, color=BAR, linewidth=3.4, solid_capstyle="round", zorder=3)


def _name(axes: Axes, diagram: "Diagram", position: int) -> None:
    """A method's name beside the axis, the better half on the left, with a line to its average rank."""
    count, method, rank = len(diagram.methods), diagram.methods[position], float(diagram.ranks[position])
    left = position < (count + 1) // 2
    row = -_depth(diagram) - (position if left else count - 1 - position)
    end, gap = (1 - 0.03 * count, -0.012 * count) if left else (count + 0.03 * count, 0.012 * count)
    colour, style = (PALE, "italic") if method in BASELINES else (INK, "normal")
    axes.plot([rank, rank, end], [0, row, row], color=colour, linewidth=0.9, solid_joinstyle="miter")
    words = f"{method}  {rank:.2f}" if left else f"{rank:.2f}  {method}"
    axes.text(
        end + gap, row, words, fontsize=9.5, color=colour, style=style, va="center", ha="right" if left else "left"
    )
