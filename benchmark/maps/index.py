"""The JSON index beside an array of stored maps: key, images, findings, shape, grid and peaks."""

import json
import re
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from core import files
from core.frames import Grid

NOWHERE = Grid((1, 1), (1, 1), (0, 0))


class Index(BaseModel):
    """What the array beside it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: str
    """What the maps depend on, as a hash; the array's file ends with it too."""
    reason: str = ""
    """Why there are no maps; then there is no array."""
    images: tuple[str, ...]
    findings: tuple[str, ...]
    shape: tuple[int, int, int] = (0, 0, 0)
    """(cases, h, w)."""
    bytes: int = 0
    """Length of the array's file."""
    grid: Grid = NOWHERE
    """Where the positions look in the network's input."""
    peaks: tuple[tuple[float | None, ...], ...] = ()
    """Per image and finding max|map|, a float32 in digits that give it back exactly; None where a map was not
    finite."""

    def write(self, array: Path) -> None:
        """Write it beside the file of its ``array``, atomically."""
        files.write_text(index_file(array), files.pretty(json.loads(self.model_dump_json())) + "\n")


def index_file(array: Path) -> Path:
    """The index's file."""
    return array.with_suffix(".json")


def file_name(word: str) -> str:
    """The array's file for a method's word: readable, and another one for another word.

    >>> file_name("occlusion:window=32")
    'occlusion_window=32.npy'
    """
    last = Path(word).name
    readable = re.sub(r"[^\w.=,+-]+", "_", last)
    return f"{readable}.npy" if last == word else f"{readable}-{files.key(word)}.npy"
