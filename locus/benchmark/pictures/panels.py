"""All pictures of images with maps and boxes: ``draw_panel``; figures of one case; figures without a date."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from locus.benchmark.pictures.case import CasePicture, blend
from locus.core.files import atomic
from locus.core.frames import resize_image
from locus.core.types import FloatArray

TRUTH, PREDICTED = "#e69f00", "#56b4e9"
"""Orange and blue: colour-blind readers can distinguish them."""
COLOURS = "turbo"
GROUND = "#eeeeee"
"""Colour of a panel without image."""
SHARP = 256
"""Largest side of an image whose pixels are drawn as they are; larger images are smoothed."""
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


def draw_panel(
    axes: Axes,
    frame: tuple[int, int],
    image: NDArray[np.uint8] | None = None,
    heat: NDArray[np.float32] | None = None,
    truth: Iterable[FloatArray] = (),
    predicted: Iterable[FloatArray] = (),
    width: float = 1.8,
) -> None:
    """Draw an image over its frame (H, W), a heat map over the image, predicted boxes in blue and truth in orange.

    The first predicted box is solid, the others are thin and dashed. ``image`` has any size; ``heat`` (H, W) is in
    [0,1]. Without image, only the boxes are drawn. ``width``: of the lines of truth boxes, in points.
    """
    axes.set(xticks=[], yticks=[], xlim=(0, frame[1]), ylim=(frame[0], 0), aspect="equal", facecolor=GROUND)
    if image is not None:
        pixels = image if heat is None else blend(resize_image(image, heat.shape), heat)
        smoothing = "none" if max(pixels.shape) <= SHARP else None
        axes.imshow(pixels, cmap="gray", vmin=0, vmax=255, extent=extent(frame), interpolation=smoothing)
    for number, box in enumerate(predicted):
        add_box(axes, box, PREDICTED, "--" if number else "-", 0.6 * width if number else width + 0.7)
    for box in truth:
        add_box(axes, box, TRUTH, "-", width)


def draw(picture: CasePicture) -> Figure:
    """Draw three panels side by side: the image with boxes, the heat map over it, the heat map alone."""
    figure, frame = Figure(figsize=(12.6, 4.6), dpi=100), picture.heat.shape
    axes = [figure.add_axes(panel) for panel in PANELS]
    figure.suptitle(f"{picture.image_id}\n{picture.caption}", fontsize=11, y=0.99)
    draw_panel(axes[0], frame, picture.image, None, picture.truth_boxes, picture.predicted)
    draw_panel(axes[1], frame, picture.image, picture.heat)
    axes[2].set(xticks=[], yticks=[])
    drawn = axes[2].imshow(picture.heat, cmap=COLOURS, vmin=0, vmax=1, extent=extent(frame))
    words = "truth: orange; box of the peak: blue; other boxes: dashed", "heat map over the image", "heat map"
    for panel, word in zip(axes, words, strict=True):
        panel.set_title(word, fontsize=9)
    figure.colorbar(drawn, cax=figure.add_axes(BAR), label="min-max scaled map")
    return figure


def save_methods(pictures: Sequence[CasePicture], path: Path) -> None:
    """Write one figure of a case atomically: the image with truth boxes, then the heat map of each method over it."""
    figure = Figure(figsize=(3.2 * (len(pictures) + 1), 4.0), dpi=100)
    axes, first = figure.subplots(1, len(pictures) + 1), pictures[0]
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.85, 0.03)
    figure.suptitle(f"{first.image_id}: {first.finding}", fontsize=11)
    draw_panel(axes[0], first.heat.shape, first.image, None, first.truth_boxes)
    axes[0].set_title("truth" if len(first.truth_boxes) else "image", fontsize=9)
    for axis, picture in zip(axes[1:], pictures, strict=True):
        draw_panel(axis, picture.heat.shape, picture.image, picture.heat, picture.truth_boxes, picture.predicted)
        axis.set_title(picture.raw.method, fontsize=9)
    with rc_context({"svg.hashsalt": path.name}):
        save_figure(figure, path)


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
