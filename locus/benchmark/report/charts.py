"""Charts of a page as SVG: curves in one panel, and dots per network.

``lines``, ``dots``, ``arrows``, ``intervals``  draw a ``Chart``; the same values give the same bytes
``PALETTE``           colour-blind safe colours of Okabe and Ito, without yellow, which is hard to see on white
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from locus.core.scores import Estimate

BLUE, VERMILION, *_ = PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
GREY = "#8a8f98"
"""For lines that are not named; readable on white and on black."""
CHART_INCHES = 5.2
"""Width in inches; a page makes a chart as wide as its column."""
WIDE_INCHES = 11.5
"""Width of a chart that is as wide as the page."""
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.handlelength": 2,
    "legend.fontsize": 8.5,
    "legend.columnspacing": 1,
    "svg.fonttype": "none",
    "text.parse_math": False,  # a dollar sign in a name is text
}
UNDATED = dict.fromkeys(("Creator", "Date", "Format", "Type"))


@dataclass(frozen=True)
class Chart:
    """A drawn chart."""

    svg: str
    about: str
    """Caption, which also says what the chart shows to readers who do not see it."""
    is_wide: bool = False
    """Whether it takes the whole width of a page, not one column."""


class Arrow(NamedTuple):
    """A row of a chart of arrows."""

    name: str
    start: float
    end: float
    text: str
    """Text at the right of the row."""
    is_marked: bool


def lines(curves: Sequence[Line2D], about: str, height: float, **axes: Any) -> Chart:
    """Draw curves in one panel; those with a label are in the legend below it.

    ``height``: inches, with the legend. ``axes``: settings of the panel, such as ``xlabel`` and ``ylim``.
    """
    with rc_context(STYLE):
        figure, panel = _panels(height)
        for curve in curves:
            panel.add_line(curve)
        panel.set(**axes)
        if "xticklabels" in axes:
            for label in panel.get_xticklabels():
                label.set(rotation=40, ha="right", rotation_mode="anchor")
        labelled_curves = [curve for curve in curves if not str(curve.get_label()).startswith("_")]
        if labelled_curves:
            figure.legend(handles=labelled_curves, loc="outside lower left", ncols=2)
        return Chart(_svg(figure, about), about)


def dots(
    values: Sequence[tuple[str, float, bool]],
    levels: Sequence[tuple[float, float | None, float | None]],
    title: str,
    about: str,
) -> Chart:
    """Draw a dot per named value; levels as lines, the first one with a band, others dashed.

    Args:
        values: name, value, and whether the dot is hollow.
        levels: value and ends of the interval of each line.
        title: label of the axis.
        about: caption.
    """
    with rc_context(STYLE):
        figure, panel = _panels(0.8 + 0.2 * len(values))
        for n, (value, low, high) in enumerate(levels):
            panel.axvline(
                value, color=GREY if n else VERMILION, linewidth=2, linestyle="--" if n else "-"
            )
            if not n and low is not None and high is not None:
                panel.axvspan(low, high, color=VERMILION, alpha=0.2, linewidth=0)
        for y, (_, x, hollow) in enumerate(values):
            panel.plot([x], [y], "o", color=BLUE, markerfacecolor="white" if hollow else BLUE)
        _name_rows(panel, [name for name, *_ in values])
        panel.set(xlabel=title, xlim=(0, None))
        return Chart(_svg(figure, about), about)


def arrows(
    rows: Sequence[Arrow], level: float, legend_names: tuple[str, str, str], title: str, about: str
) -> Chart:
    """Draw an arrow per row, from a hollow dot to a triangle, blue if it is marked; a line at a level.

    Args:
        rows: the arrows.
        level: position of the line.
        legend_names: names of the dots, of the triangles and of the line.
        title: label of the axis.
        about: caption.
    """
    with rc_context(STYLE):
        figure, panel = _panels(1.0 + 0.25 * len(rows), WIDE_INCHES)
        panel.axvline(level, color=VERMILION, linewidth=1.5)
        for y, row in enumerate(rows):
            colour = BLUE if row.is_marked else GREY
            head = ">" if row.end >= row.start else "<"
            panel.plot([row.start, row.end], [y, y], color=colour, linewidth=1.6)
            panel.plot([row.start], [y], "o", color=colour, markerfacecolor="white", markersize=5)
            panel.plot([row.end], [y], head, color=colour, markersize=6)
            panel.text(
                1.01, y, row.text, transform=panel.get_yaxis_transform(), color=colour, va="center"
            )
        _name_rows(panel, [row.name for row in rows])
        panel.set(xlabel=title, xlim=(0, 1.05 * max(max(row.start, row.end) for row in rows)))
        line_styles: tuple[dict[str, Any], ...] = (
            {"marker": "o", "markerfacecolor": "white", "color": GREY, "linestyle": "none"},
            {"marker": ">", "color": GREY, "linestyle": "none"},
            {"color": VERMILION},
        )
        handles = [
            Line2D([], [], label=name, **style)
            for name, style in zip(legend_names, line_styles, strict=True)
        ]
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
        return Chart(_svg(figure, about), about, is_wide=True)


def intervals(
    panels: Mapping[str, Mapping[str, Sequence[Estimate | None]]], names: Sequence[str], about: str
) -> Chart:
    """Draw panels, title -> group -> a value per name: a row per name, a colour per group, bars for the intervals."""
    with rc_context(STYLE):
        figure, panes = _panels(
            1.0 + 0.25 * len(names), WIDE_INCHES, ncols=len(panels), sharey=True, squeeze=False
        )
        for panel, (title, groups) in zip(panes[0], panels.items(), strict=True):
            for n, (values, colour) in enumerate(zip(groups.values(), PALETTE, strict=False)):
                shift = 0.22 * (n - (len(groups) - 1) / 2)
                for row, estimate in enumerate(values):
                    if estimate is not None:
                        _draw_estimate(panel, estimate, row + shift, colour)
            _name_rows(panel, names)
            panel.set_title(title, fontsize=9)
            panel.axvline(0, color=GREY, linewidth=0.8)
        of_groups = zip(next(iter(panels.values())), PALETTE, strict=False)
        handles = [
            Line2D([], [], color=colour, marker="o", label=name) for name, colour in of_groups
        ]
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))
        return Chart(_svg(figure, about), about, is_wide=True)


def _draw_estimate(panel: Axes, estimate: Estimate, y: float, colour: str) -> None:
    """Draw a dot at the value, and a bar for the interval."""
    if estimate.value is not None:
        panel.plot([estimate.value], [y], "o", color=colour, markersize=3)
    if estimate.low is not None and estimate.high is not None:
        panel.plot([estimate.low, estimate.high], [y, y], color=colour, linewidth=1.2)


def _panels(height: float, width: float = CHART_INCHES, **layout: Any) -> tuple[Figure, Any]:
    figure = Figure(figsize=(width, height), facecolor="white", layout="constrained")
    return figure, figure.subplots(**layout)


def _name_rows(panel: Axes, names: Sequence[str], **tick_style: Any) -> None:
    """Label the rows of a panel, the first one at the top."""
    panel.set(yticks=range(len(names)), yticklabels=names, ylim=(len(names) - 0.5, -0.5))
    panel.tick_params(axis="y", length=0, **tick_style)


def _svg(figure: Figure, about: str) -> str:
    """Return an ``svg`` element without a date, whose ids no other chart of its page has."""
    with rc_context({"svg.hashsalt": about}):
        file = io.StringIO()
        figure.savefig(file, format="svg", metadata=UNDATED)
    text = file.getvalue()
    return re.sub(r' id="[\w.]+_\d+"', "", text[text.index("<svg") :])
