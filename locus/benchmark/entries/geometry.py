"""The position of maps in the image, as declared by their authors with ``--alignment``."""

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from locus.benchmark.entries.files import Map
from locus.core import limits
from locus.core.errors import BadValueError, DataError
from locus.core.frames import Alignment, Grid, conventional, resolve

ADVICE = (
    "use --alignment conventional (for maps that you would enlarge by plain interpolation), pixels (for maps of the "
    "size of the image or of a resized copy), padded (of the image padded to a square), cropped (of its central "
    "square), or FILE.json (size, stride and offset of the grid, each [y, x])"
)
SQUARES: dict[str, Callable[[tuple[int, int]], int]] = {"padded": max, "cropped": min}
"""Alignment of maps of a square around the middle of the image -> side of the square in an image of (H, W)."""


@dataclass(frozen=True)
class Geometry:
    """A declared alignment or grid."""

    declared: Any
    """Value in the cell's recipe (not ``Record.geometry``): conventional, pixels, padded, cropped, none (boxes), or the
    grid as a dict of size, stride and offset."""
    grid: Grid | Alignment

    @property
    def alignment(self) -> Alignment:
        """Alignment in a record's cell. Pixels and boxes have exact positions, so they count as aligned."""
        return "conventional" if self.declared == "conventional" else "aligned"

    @property
    def is_square(self) -> bool:
        """Whether maps show a square around the middle of the image."""
        return isinstance(self.declared, str) and self.declared in SQUARES

    @property
    def sentence(self) -> str:
        """Description in a sentence."""
        if isinstance(self.declared, str):
            return f"alignment {self.declared}"
        return f"grid {json.dumps(self.declared)}"

    def on(self, shape: tuple[int, int]) -> Grid:
        """Return the grid of maps of ``shape`` (h, w) on frames of any size.

        Without a declared grid, positions divide the frame evenly, each in the middle of its part.
        """
        return self.grid if isinstance(self.grid, Grid) else conventional(shape, shape)

    def on_image(self, shape: tuple[int, int], frame: tuple[int, int]) -> Grid | Alignment:
        """Return the grid of a map of ``shape`` (h, w), after ``covering``, on an image of ``frame`` (H, W)."""
        if not self.is_square:
            return self.grid
        stride = SQUARES[self.declared](frame) / min(shape)
        height, width = frame
        rows, columns = shape
        down = (height - rows * stride) / 2 + (stride - 1) / 2
        right = (width - columns * stride) / 2 + (stride - 1) / 2
        return Grid(size=frame, stride=(stride, stride), offset=(down, right))

    def covering(self, values: Map, frame: tuple[int, int]) -> Map:
        """Return a map of the central square with its lowest value around it, up to the edges of the image.

        Without them, its outermost values would continue to the edges. Other maps are unchanged.
        """
        if self.declared != "cropped":
            return values
        stride = min(frame) / min(values.shape)
        rows, columns = (math.ceil((side - min(frame)) / 2 / stride) for side in frame)
        return np.pad(values, ((rows, rows), (columns, columns)), constant_values=values.min())


BOX_GEOMETRY = Geometry("none", "conventional")
"""Geometry of entries of boxes."""


def geometry_of(name: str | None) -> Geometry:
    """Return the geometry of ``--alignment``. Raises ``BadValueError`` if it is missing or its file is broken.

    >>> geometry_of("conventional").sentence, geometry_of("pixels").alignment
    ('alignment conventional', 'aligned')
    """
    if name is None:
        raise BadValueError(f"--maps requires --alignment: {ADVICE}")
    if name in ("conventional", "pixels", *SQUARES):
        # pixels divide the frame evenly, so both names have the same grid
        return Geometry(name, "conventional")
    try:
        content = json.loads(limits.require_size(Path(name)).read_text(encoding="utf-8"))
        size, stride, offset = (_two_numbers(content[key]) for key in ("size", "stride", "offset"))
        if min(*size, *stride) <= 0:
            raise ValueError("size and stride must be above 0")
    except (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise BadValueError(
            f"--alignment {name!r} is neither conventional, pixels, padded nor cropped and cannot be read as a grid "
            f"({type(error).__name__}: {error}): {ADVICE}"
        ) from error
    declared = {"size": list(size), "stride": list(stride), "offset": list(offset)}
    return Geometry(declared, Grid((int(size[0]), int(size[1])), stride, offset))


def _two_numbers(values: Any) -> tuple[float, float]:
    """Return the first two of ``values`` as finite numbers. Raises ``ValueError``, ``TypeError`` or ``LookupError``."""
    y = float(values[0])
    x = float(values[1])
    if not (math.isfinite(y) and math.isfinite(x)):
        raise ValueError("all numbers must be finite")
    return y, x


def check_shape(values: Map, frame: tuple[int, int], geometry: Geometry, name: str) -> None:
    """Check that a map fits its image and its declared positions.

    Args:
        values: the map (h,w).
        frame: height and width (H, W) of its image in pixels.
        geometry: what is declared about the positions of the map.
        name: name of the map in errors.

    Raises:
        DataError: the sides of the image are swapped, the map must be square, or its grid does not fit it.
    """
    height, width = values.shape
    if geometry.declared == "pixels" and (height, width) == frame[::-1] != frame:
        raise DataError(
            f"{name} is {(height, width)}, but its image is {frame} (height, width): the sides are swapped"
        )
    if geometry.is_square and height != width:
        raise DataError(
            f"{name} is {(height, width)}: a map with --alignment {geometry.declared} must be square"
        )
    resolve(geometry.grid, (height, width), frame)
