"""Position of external maps in the image, as declared by their authors."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadValueError
from core.frames import Alignment, Grid, conventional
from datasets.io import limits

ADVICE = (
    "use --alignment conventional (for maps that you would enlarge by plain interpolation), pixels (for maps of the "
    "size of the image or of a resized copy), or FILE.json (size, stride and offset of the grid, each [y, x])"
)


@dataclass(frozen=True)
class Geometry:
    """A declared alignment or grid."""

    declared: Any
    """Value in the cell's recipe (not ``Record.geometry``): conventional, pixels, none (boxes), or the grid as a dict
    of size, stride and offset."""
    grid: Grid | Alignment

    @property
    def alignment(self) -> Alignment:
        """Alignment in a record's cell. Pixels and boxes have exact positions, so they count as aligned."""
        return "conventional" if self.declared == "conventional" else "aligned"

    @property
    def sentence(self) -> str:
        """Description in a sentence."""
        return f"alignment {self.declared}" if isinstance(self.declared, str) else f"grid {json.dumps(self.declared)}"

    def on(self, shape: tuple[int, int]) -> Grid:
        """Return the grid of maps of ``shape`` (h, w) on frames of any size.

        Without a declared grid, positions divide the frame evenly, each in the middle of its part.
        """
        return self.grid if isinstance(self.grid, Grid) else conventional(shape, shape)


NONE = Geometry("none", "conventional")
"""Geometry of entries of boxes."""


def of(word: str | None) -> Geometry:
    """Return the geometry of ``--alignment``. Raises ``BadValueError`` if it is missing or its file is broken.

    >>> of("conventional").sentence, of("pixels").alignment
    ('alignment conventional', 'aligned')
    """
    if word is None:
        raise BadValueError(f"--maps requires --alignment: {ADVICE}")
    if word in ("conventional", "pixels"):
        return Geometry(word, "conventional")  # pixels divide the frame evenly, so both words have the same grid
    try:
        content = json.loads(limits.require_size(Path(word)).read_text(encoding="utf-8"))
        pairs = {name: (float(content[name][0]), float(content[name][1])) for name in ("size", "stride", "offset")}
        if min(*pairs["size"], *pairs["stride"]) <= 0 or not all(map(math.isfinite, sum(pairs.values(), ()))):
            raise ValueError("size and stride must be above 0 and all numbers finite")
    except (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise BadValueError(
            f"--alignment {word!r} is neither conventional nor pixels and cannot be read as a grid "
            f"({type(error).__name__}: {error}): {ADVICE}"
        ) from error
    size = (int(pairs["size"][0]), int(pairs["size"][1]))
    return Geometry({name: list(pair) for name, pair in pairs.items()}, Grid(size, pairs["stride"], pairs["offset"]))
