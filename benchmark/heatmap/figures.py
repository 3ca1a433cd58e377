"""Pictures of one case: the image with boxes, the heat map over it, the heat map alone."""

from pathlib import Path

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmark.heatmap.picture import CasePicture, opacity
from core.files import atomic
from core.types import FloatArray

TRUTH, PREDICTED = "#e8590c", "#38b6ff"
"""Orange and blue, which colour-blind readers can distinguish."""
COLOURS = "turbo"
PANELS = [(left, 0.0091, 0.3062, 0.842) for left in (0.0033, 0.3162, 0.6291)]
BAR = (0.9414, 0.0442, 0.0141, 0.7717)
"""Left, bottom, width and height in the figure, as constants: automatic layout draws everything twice."""
UNDATED: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    ".svg": {"Creator": None, "Date": None},
}
"""Metadata of each file type: none."""


def save(picture: CasePicture, path: Path) -> None:
    """Write the figure of ``draw`` atomically, as .png, .pdf or .svg by the suffix of ``path``.

    The same picture gives the same bytes.
    """
    with atomic(path) as temporary, rc_context({"svg.hashsalt": path.name}):
        draw(picture).savefig(temporary, format=path.suffix[1:], metadata=UNDATED[path.suffix])


def draw(picture: CasePicture) -> Figure:
    """Draw three panels side by side: the image with boxes, the heat map over it, the heat map alone."""
    figure = Figure(figsize=(12.6, 4.6), dpi=100)
    axes = [figure.add_axes(panel) for panel in PANELS]
    figure.suptitle(f"{picture.image_id}\n{picture.caption}", fontsize=11, y=0.99)
    _show(axes[0], picture, "truth orange, the peak's box blue, other boxes dashed")
    _boxes(axes[0], picture)
    _show(axes[1], picture, "heat map over the image")
    axes[1].imshow(picture.heat, cmap=COLOURS, vmin=0, vmax=1, alpha=opacity(picture.heat), extent=_extent(picture))
    axes[2].set_title("heat map", fontsize=9)
    axes[2].set_axis_off()
    drawn = axes[2].imshow(picture.heat, cmap=COLOURS, vmin=0, vmax=1, extent=_extent(picture))
    figure.colorbar(drawn, cax=figure.add_axes(BAR), label="min-max scaled map")
    return figure


def _show(axis: Axes, picture: CasePicture, title: str) -> None:
    axis.imshow(picture.image, cmap="gray", vmin=0, vmax=255, extent=_extent(picture))
    axis.set_title(title, fontsize=9)
    axis.set_axis_off()


def _extent(picture: CasePicture) -> tuple[float, float, float, float]:
    """Return the extent in box coordinates: pixel i covers [i, i+1)."""
    height, width = picture.heat.shape
    return (0, width, height, 0)


def _boxes(axis: Axes, picture: CasePicture) -> None:
    for box in picture.truth if picture.truth is not None else []:
        _box(axis, box, TRUTH, 2)
    for number, box in enumerate(picture.predicted):
        _box(axis, box, PREDICTED, 2 if number == 0 else 1, "-" if number == 0 else "--")


def _box(axis: Axes, box: FloatArray, colour: str, width: float, line: str = "-") -> None:
    x0, y0, x1, y1 = box
    axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=width, linestyle=line))
