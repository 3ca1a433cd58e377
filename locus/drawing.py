"""Draw an image with a heat map and boxes, in its frame: colours, one panel, and ``locus.overlay``.

``blend``       a heat map coloured over an image
``draw_panel``  an image with a map and boxes, in one panel; all figures use it
``overlay``     the figure of one panel, from plain arrays
``as_grey``     any picture as grey pixels
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.errors import BadValueError
from locus.core.frames import Alignment, Grid, checked_boxes, resize_image
from locus.core.types import FloatArray
from locus.scoring.surface import min_max
from locus.scoring.surface.bilinear import to_frame

if TYPE_CHECKING:  # matplotlib is slow to import, and a blended image does without it
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TRUTH, PREDICTED = "#e69f00", "#56b4e9"
"""Orange and blue: colour-blind readers can distinguish them."""
COLOURS = "turbo"
BACKGROUND = "#eeeeee"
"""Colour of a panel without image."""
MAX_UNSMOOTHED_SIDE = 256
"""Largest side of an image whose pixels are drawn as they are; larger images are smoothed."""
PEAK_OPACITY = 0.7
"""Opacity of the heat map at its peak."""

OVERLAY_INCHES = 5.0
"""Height of the figure of ``overlay``."""


def opacity(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the opacity of a heat map (H, W) in [0,1]: proportional to its square, ``PEAK_OPACITY`` at the peak.

    >>> opacity(np.array([[0.0, 0.5, 1.0]])).round(3).tolist()
    [[0.0, 0.17499999701976776, 0.699999988079071]]
    """
    return np.asarray(PEAK_OPACITY * np.clip(heat, 0, 1) ** 2, dtype=np.float32)


def blend(image: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Blend (H,W) grey pixels and a heat map in [0,1] into (H,W,3) colours of the colour map turbo.

    >>> blend(np.full((1, 2), 200, np.uint8), np.array([[0.0, 1.0]], np.float32)).tolist()
    [[[200, 200, 200], [145, 63, 62]]]
    """
    levels = np.minimum(heat * 256, 255).astype(np.uint8)
    colour = cv2.applyColorMap(levels, cv2.COLORMAP_TURBO)[..., ::-1]
    alpha = opacity(heat)[..., None]
    return np.rint((1 - alpha) * image[..., None] + alpha * colour).astype(np.uint8)


def draw_panel(
    axes: "Axes",
    frame: tuple[int, int],
    image: NDArray[np.uint8] | None = None,
    heat: NDArray[np.float32] | None = None,
    truth: Iterable[FloatArray] = (),
    predicted: Iterable[FloatArray] = (),
    width: float = 1.8,
) -> None:
    """Draw an image over its frame, a heat map over the image, predicted boxes in blue and truth in orange.

    The first predicted box is solid, the others are thin and dashed.

    Args:
        axes: the axes to draw on.
        frame: (H, W).
        image: grey pixels of any size; None: boxes alone.
        heat: (H, W) heat map in [0,1]; None: no map.
        truth: truth boxes (4,) xyxy in the frame.
        predicted: predicted boxes (4,) xyxy in the frame, the scored one first.
        width: width of the lines of truth boxes, in points.
    """
    axes.set(
        xticks=[],
        yticks=[],
        xlim=(0, frame[1]),
        ylim=(frame[0], 0),
        aspect="equal",
        facecolor=BACKGROUND,
    )
    if image is not None:
        pixels = image if heat is None else blend(resize_image(image, heat.shape), heat)
        smoothing = "none" if max(pixels.shape) <= MAX_UNSMOOTHED_SIDE else None
        axes.imshow(
            pixels, cmap="gray", vmin=0, vmax=255, extent=extent(frame), interpolation=smoothing
        )
    for rank, box in enumerate(predicted):
        if rank == 0:
            add_box(axes, box, PREDICTED, line="-", width=width + 0.7)
        else:
            add_box(axes, box, PREDICTED, line="--", width=0.6 * width)
    for box in truth:
        add_box(axes, box, TRUTH, line="-", width=width)


def extent(frame: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return Matplotlib's ``extent`` of a frame (H, W), so that pixel i covers [i, i+1) as in boxes."""
    return 0, frame[1], frame[0], 0


def add_box(axes: "Axes", box: FloatArray, colour: str, line: str, width: float) -> None:
    """Outline a box in the frame.

    Args:
        axes: the axes to draw on.
        box: (4,) xyxy in the frame.
        colour: colour of the line.
        line: style of the line, as in Matplotlib.
        width: width of the line in points.
    """
    from matplotlib.patches import Rectangle

    x0, y0, x1, y1 = box
    axes.add_patch(
        Rectangle(
            (x0, y0),
            x1 - x0,
            y1 - y0,
            fill=False,
            edgecolor=colour,
            linestyle=line,
            linewidth=width,
        )
    )


def overlay(
    image: Any,
    heat_map: ArrayLike | None = None,
    boxes: ArrayLike | None = None,
    truth: ArrayLike | None = None,
    grid: Grid | Alignment = "conventional",
    title: str = "",
) -> "Figure":
    """Draw an image with a heat map and boxes over it.

    Args:
        image: (H,W) or (H,W,C) pixels of any type, a tensor (C,H,W), or a PIL image; shown in grey.
        heat_map: (h,w) map of any size; its lowest value is transparent, its highest one red. None: no map.
        boxes: (M,4) predicted boxes xyxy in pixels of ``image``, in blue; the first is solid, the others are dashed.
        truth: (M,4) truth boxes xyxy in pixels of ``image``, in orange.
        grid: positions of the map in the image: a ``locus.Grid`` such as ``maps.grids[name]``, or ``conventional``.
        title: text above the picture.

    Returns:
        A matplotlib figure, which a notebook shows; ``figure.savefig("overlay.png")`` writes it.

    Raises:
        BadValueError: for an image, a map or boxes of another shape, with NaN or infinite values, or a box outside the
            image.

    Example:
        >>> overlay(np.zeros((40, 60)), [[0, 1], [0, 0]], boxes=[[30, 0, 60, 20]]).get_size_inches().tolist()
        [7.5, 5.0]
    """
    from matplotlib.figure import Figure

    pixels = as_grey(image)
    frame = (pixels.shape[0], pixels.shape[1])
    heat = None if heat_map is None else to_frame(min_max(heat_map), frame, grid)
    figure = Figure(figsize=(OVERLAY_INCHES * frame[1] / frame[0], OVERLAY_INCHES), dpi=100)
    axes = figure.add_axes((0, 0, 1, 0.94 if title else 1))
    predicted = np.zeros((0, 4)) if boxes is None else checked_boxes(boxes, frame, "predicted")
    truth_boxes = np.zeros((0, 4)) if truth is None else checked_boxes(truth, frame, "truth")
    draw_panel(axes, frame, pixels, heat, truth_boxes, predicted)
    figure.suptitle(title, fontsize=11, y=0.985)
    return figure


def as_grey(image: Any) -> NDArray[np.uint8]:
    """Return a picture as (H,W) grey pixels.

    Channels are averaged. Values that are not uint8 are scaled so that the lowest becomes 0 and the highest 255.

    Raises ``BadValueError`` for another shape, and for NaN or infinite values.

    >>> as_grey(np.array([[-1.0, 0.0, 1.0]])).tolist()
    [[0, 128, 255]]
    """
    array = np.asarray(image.detach().cpu() if hasattr(image, "detach") else image)
    channels_first = (
        array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3, 4)
    )
    if channels_first:
        array = array.transpose(1, 2, 0)
    if array.ndim == 3 and array.shape[2] in (1, 3, 4):
        array = array[..., :3].mean(-1).astype(array.dtype)
    if array.ndim != 2 or 0 in array.shape:
        raise BadValueError(
            f"the image has the shape {array.shape}: give (H,W), (H,W,C) or a tensor (C,H,W)"
        )
    return array if array.dtype == np.uint8 else np.rint(255 * min_max(array)).astype(np.uint8)
