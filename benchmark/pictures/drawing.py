"""Shared parts of all figures: boxes and pixels in the coordinates of the frame, and files without a date."""

from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from core.files import atomic
from core.types import FloatArray

UNDATED: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    ".svg": {"Creator": None, "Date": None},
}
"""File type -> settings that remove its metadata."""


def extent(frame: tuple[int, int]) -> tuple[float, float, float, float]:
    """Return the extent of pixels (H, W) in box coordinates: pixel i covers [i, i+1)."""
    return 0, frame[1], frame[0], 0


def add_box(axes: Axes, box: FloatArray, colour: str, line: str, width: float) -> None:
    """Outline a box (x0, y0, x1, y1) in the frame."""
    x0, y0, x1, y1 = box
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linestyle=line, linewidth=width))


def save(figure: Figure, path: Path, **more: Any) -> None:
    """Write a figure atomically, as .png, .pdf or .svg by the suffix of ``path``; ``more`` goes to ``savefig``.

    The same figure gives the same bytes if ``svg.hashsalt`` is set.
    """
    with atomic(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=UNDATED[path.suffix], **more)
