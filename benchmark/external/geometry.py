"""Position of others' maps in the image: declared by their authors, never guessed."""

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import BadValueError
from core.frames import Alignment, Grid, conventional
from datasets.io import limits

ADVICE = (
    "write where the cells of the maps are: --alignment conventional (as plain interpolation assumes), pixels (each "
    "value is a pixel of the image or of a resized copy), or a JSON file with size, stride and offset, (y, x) each"
)


@dataclass(frozen=True)
class Geometry:
    """The declared word or grid."""

    stated: Any
    """The value in a record."""
    grid: Grid | Alignment

    @property
    def alignment(self) -> Alignment:
        """The word in a record's cell."""
        return "conventional" if self.stated == "conventional" else "aligned"

    @property
    def words(self) -> str:
        """Description in a sentence."""
        return f"alignment {self.stated}" if isinstance(self.stated, str) else f"grid {json.dumps(self.stated)}"

    def on(self, shape: tuple[int, int]) -> Grid:
        """The grid of maps of ``shape`` (h, w) on frames of any size.

        For a word, positions divide the frame evenly and each is in the middle of its part.
        """
        return self.grid if isinstance(self.grid, Grid) else conventional(shape, shape)


NONE = Geometry("none", "conventional")
"""The geometry of boxes."""


def of(word: str | None) -> Geometry:
    """The geometry of ``--alignment``. Raises ``BadValueError`` if it is missing or its file is broken.

    >>> of("conventional").words, of("pixels").alignment
    ('alignment conventional', 'aligned')
    """
    if word is None:
        raise BadValueError(ADVICE)
    if word in ("conventional", "pixels"):
        return Geometry(word, "conventional")  # a pixel is in the middle of its part of the frame
    try:
        content = json.loads(limits.require_size(Path(word)).read_text(encoding="utf-8"))
        pairs = {name: (float(content[name][0]), float(content[name][1])) for name in ("size", "stride", "offset")}
        if min(*pairs["size"], *pairs["stride"]) <= 0 or not all(map(math.isfinite, sum(pairs.values(), ()))):
            raise ValueError("size and stride must be above 0, and all numbers finite")
    except (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise BadValueError(
            f"--alignment {word!r} is not a grid ({type(error).__name__}: {error}): {ADVICE}"
        ) from error
    size = (int(pairs["size"][0]), int(pairs["size"][1]))
    return Geometry({name: list(pair) for name, pair in pairs.items()}, Grid(size, pairs["stride"], pairs["offset"]))
