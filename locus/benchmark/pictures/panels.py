"""Pictures of one case: the image with boxes, the heat map over it, the heat map alone; figures without a date."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from locus.benchmark.pictures.case import CasePicture, opacity
from locus.core.files import atomic
from locus.core.types import FloatArray

TRUTH, PREDICTED = "#e69f00", "#56b4e9"
"""Orange and blue: colour-blind readers can distinguish them."""
COLOURS = "turbo"
PANELS = [(left, 0.0091, 0.3062, 0.842) for left in (0.0033, 0.3162, 0.6291)]
BAR = (0.9414, 0.0442, 0.0141, 0.7717)
"""Left, bottom, width and height in the figure. They are constants because automatic layout draws everything twice."""
UNDATED: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    ".svg": {"Creator": None, "Date": None},
}
"""File type -> settings that remove its metadata."""


def save(picture: CasePicture, path: Path) -> None:
    """Write the figure of ``draw`` atomically, as .png, .pdf or .svg by the suffix of ``path``.

    The same picture gives the same bytes.
    """
    with rc_context({"svg.hashsalt": path.name}):
        save_figure(draw(picture), path)


def draw(picture: CasePicture) -> Figure:
    """Draw three panels side by side: the image with boxes, the heat map over it, the heat map alone."""
    figure = Figure(figsize=(12.6, 4.6), dpi=100)
    axes = [figure.add_axes(panel) for panel in PANELS]
    figure.suptitle(f"{picture.image_id}\n{picture.caption}", fontsize=11, y=0.99)
    _show(axes[0], picture, "truth: orange; box of the peak: blue; other boxes: dashed")
    _boxes(axes[0], picture)
    _show(axes[1], picture, "heat map over the image")
    axes[1].imshow(
        picture.heat, cmap=COLOURS, vmin=0, vmax=1, alpha=opacity(picture.heat), extent=extent(picture.heat.shape)
    )
    axes[2].set_title("heat map", fontsize=9)
    axes[2].set_axis_off()
    drawn = axes[2].imshow(picture.heat, cmap=COLOURS, vmin=0, vmax=1, extent=extent(picture.heat.shape))
    figure.colorbar(drawn, cax=figure.add_axes(BAR), label="min-max scaled map")
    return figure


def save_methods(pictures: Sequence[CasePicture], path: Path) -> None:
    """Write one figure of a case atomically: the image with truth boxes, then the heat map of each method over it."""
    figure = Figure(figsize=(3.2 * (len(pictures) + 1), 4.0), dpi=100)
    axes = figure.subplots(1, len(pictures) + 1)
    first = pictures[0]
    figure.suptitle(f"{first.image_id}: {first.finding}", fontsize=11)
    _show(axes[0], first, "truth" if first.truth is not None and len(first.truth) else "image")
    for box in first.truth if first.truth is not None else []:
        add_box(axes[0], box, TRUTH, "-", 2)
    for axis, picture in zip(axes[1:], pictures, strict=True):
        _show(axis, picture, picture.raw.method)
        heat = picture.heat
        axis.imshow(heat, cmap=COLOURS, vmin=0, vmax=1, alpha=opacity(heat), extent=extent(heat.shape))
        _boxes(axis, picture)
    with rc_context({"svg.hashsalt": path.name}):
        save_figure(figure, path)


def _show(axis: Axes, picture: CasePicture, title: str) -> None:
    axis.imshow(picture.image, cmap="gray", vmin=0, vmax=255, extent=extent(picture.heat.shape))
    axis.set_title(title, fontsize=9)
    axis.set_axis_off()


def _boxes(axis: Axes, picture: CasePicture) -> None:
    for box in picture.truth if picture.truth is not None else []:
        add_box(axis, box, TRUTH, "-", 2)
    for number, box in enumerate(picture.predicted):
        add_box(axis, box, PREDICTED, "--" if number else "-", 1 if number else 2)


def extent(frame: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the extent of pixels (H, W) in box coordinates: pixel i covers [i, i+1)."""
    return 0, frame[1], frame[0], 0


def add_box(axes: Axes, box: FloatArray, colour: str, line: str, width: float) -> None:
    """Outline a box (x0, y0, x1, y1) in the frame."""
    x0, y0, x1, y1 = box
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linestyle=line, linewidth=width))


def save_figure(figure: Figure, path: Path, **more: Any) -> None:
    """Write a figure atomically, as .png, .pdf or .svg by the suffix of ``path``; ``more`` goes to ``savefig``.

    The same figure gives the same bytes if ``svg.hashsalt`` is set.
    """
    with atomic(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=UNDATED[path.suffix], **more)
