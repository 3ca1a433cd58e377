"""A grid of images and methods: a typical case of each finding, with all maps on the same scale."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from benchmark.pictures import selected_cases
from benchmark.pictures.panels import add_box, extent, save_figure
from benchmark.report.charts.figures import DPI, FORMATS, WIDTHS
from benchmark.report.charts.theme import FONT, ORANGE, SKY
from benchmark.report.select import is_method
from benchmark.scoring.localize import boxes, to_frame
from benchmark.scoring.protocols.base import Case
from benchmark.scoring.surface import min_max
from benchmark.suite.gallery.page import MethodCases, OpenedModel, choices, method_cases

METHODS, CASES = {"1col": 4, "2col": 6}, 8
"""Maximum number of methods (by width) and of cases, so that all are readable."""
MARGINS = 0.72, 0.42, 0.55, 0.25
"""Inches for labels: left, right, above and below the panels."""
STEPS = 256
"""Pixels of the side of a panel; at most twice as many."""
COLOURS, OPAQUE, SMALL, WIDTH = "viridis", 0.75, 6, 0.9
LETTERS: Any = {"font.family": FONT, "font.size": 7, "svg.hashsalt": "grid"}


def save(model: OpenedModel, folder: Path, stem: str) -> None:
    """Write the grid in all formats and widths to ``folder``: ``<stem>-grid-1col.pdf``.

    The same maps give the same bytes. Raises ``LocusError`` if a map cannot be read, ``WriteError`` if a file cannot be
    written.
    """
    ranked = [method for method in method_cases(model) if is_method(method.record) and method.rows]
    typical = [choice for choice in choices(ranked, model.store.findings) if choice.rank == "median"][:CASES]
    samples = {sample.image_id: sample for run in model.store.trained for sample in run.scorable_images}
    images = {choice.image: samples[choice.image].image for choice in typical}
    for name, inches in WIDTHS.items():
        with mpl.rc_context(LETTERS):
            figure = draw(images, ranked[: METHODS[name]], typical, inches)
            for kind in FORMATS:
                save_figure(figure, folder / f"{stem}-grid-{name}.{kind}", dpi=DPI)


def draw(
    images: Mapping[str, NDArray[np.uint8]],
    methods: Sequence[MethodCases],
    cases: Sequence[selected_cases.SelectedCase],
    inches: float,
) -> Figure:
    """Draw a row per case, with the image and a column per method; ``images``: image -> (H, W) grey pixels."""
    left, right, top, bottom = MARGINS
    side = (inches - left - right) / (len(methods) + 1)
    height = side * len(cases) + top + bottom
    figure = Figure(figsize=(inches, height), facecolor="white")
    panels = figure.subplots(len(cases), len(methods) + 1, squeeze=False)
    figure.subplots_adjust(left / inches, bottom / height, 1 - right / inches, 1 - top / height, 0.03, 0.03)
    for row, choice in zip(panels, cases, strict=True):
        key = choice.image, choice.finding
        row[0].set_ylabel(choice.finding, fontsize=SMALL, rotation=0, ha="right", va="center")
        for axes, method in zip(row, (methods[0], *methods), strict=True):
            _image(axes, method.cases[key], images[choice.image])
        for axes, method in zip(row[1:], methods, strict=True):
            _map(axes, method.cases[key], float(method.rows[key]["threshold"]))
    for axes, word in zip(panels[0], ("image", *(method.record.method for method in methods)), strict=True):
        axes.set_title(word, fontsize=SMALL, pad=3, rotation=30, ha="left", rotation_mode="anchor", x=0.2)
    _legend(figure, (1 - (right - 0.05) / inches, bottom / height, 0.07 / inches, side * len(cases) / height))
    return figure


def _legend(figure: Figure, bar: tuple[float, float, float, float]) -> None:
    """Draw the legend of all panels: the scale of the maps on the right, the lines of the boxes below."""
    scale = figure.colorbar(ScalarMappable(cmap=COLOURS), cax=figure.add_axes(bar))
    scale.ax.tick_params(labelsize=SMALL, pad=1, length=2)
    scale.set_label("map, from minimum to maximum", fontsize=SMALL, labelpad=1)
    truth = Line2D([], [], color=SKY, label="truth")
    scored = Line2D([], [], color=ORANGE, ls="--", label="scored box")
    figure.legend(handles=[truth, scored], loc="lower center", ncols=2, frameon=False, borderpad=0)


def _image(axes: Axes, case: Case, image: NDArray[np.uint8]) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.imshow(_thinned(image), cmap="gray", vmin=0, vmax=255, extent=extent(case.frame), interpolation="none")
    for box in case.boxes:
        add_box(axes, box, SKY, "-", WIDTH)


def _map(axes: Axes, case: Case, threshold: float) -> None:
    """Draw the map over the image, and the box around its peak; ``no box`` for a map that is flat or not finite."""
    if case.map is None or not np.isfinite(threshold):
        _note(axes, "no box")
        return
    scaled = min_max(case.map)
    heat = _thinned(to_frame(scaled, case.frame, case.grid))
    coloured = mpl.colormaps[COLOURS](heat)
    coloured[..., 3] = OPAQUE * heat  # in the array: PDF and SVG ignore a separate ``alpha``
    axes.imshow(coloured, extent=extent(case.frame), interpolation="none")
    scored = boxes(scaled, threshold, case.frame, case.grid)[:1]
    for box in scored:
        add_box(axes, box, ORANGE, "--", WIDTH)
    if not len(scored):
        _note(axes, "no box")


def _note(axes: Axes, words: str) -> None:
    ground = {"facecolor": "black", "linewidth": 0, "pad": 1}
    axes.text(0.5, 0.05, words, transform=axes.transAxes, ha="center", color="white", fontsize=SMALL - 1, bbox=ground)


def _thinned(pixels: NDArray[Any]) -> NDArray[Any]:
    """Subsample a large picture, which is shown smaller in print."""
    step = max(1, max(pixels.shape) // STEPS)
    return pixels[::step, ::step]
