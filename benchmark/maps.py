"""Raw maps on disk: one file per (model, method), from which everything is scored, also in the run that made it.

A map is stored as float16 of map / max|map| with that maximum as float32. The key in the file names what the maps
depend on (checkpoint, images, method and its code); a file with another key is never read, a broken one is made again.
"""

import json
import logging
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.files import atomic
from core.frames import Grid

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StoredMaps:
    """The maps of one method for all cases of a model."""

    scaled: NDArray[np.float16]
    """(N,K,h,w) map / max|map|."""
    peak: NDArray[np.float32]
    """(N,K) max|map|; nan where a map was not finite."""
    grid: Grid
    """Where the positions look in the network's input."""

    def map(self, image: int, finding: int) -> NDArray[np.float32] | None:
        """(h, w) float32 map as scored; None where the method gave a value that is not finite."""
        peak = self.peak[image, finding]
        return None if not np.isfinite(peak) else self.scaled[image, finding].astype(np.float32) * peak


def compress(maps: NDArray[np.float32], grid: Grid) -> StoredMaps:
    """(N,K,h,w) raw maps in the form that is stored and scored."""
    finite = np.asarray(np.isfinite(maps).all((-2, -1)))
    usable = np.where(finite[..., None, None], maps, 0)
    peak = np.abs(usable).max((-2, -1)).astype(np.float32)
    scaled = usable / np.where(peak > 0, peak, 1)[..., None, None]
    return StoredMaps(scaled.astype(np.float16), np.where(finite, peak, np.float32(np.nan)), grid)


def write(path: Path, key: str, stored: StoredMaps) -> None:
    """Write atomically; raises ``DataError`` when the disk refuses."""
    grid = {"size": stored.grid.size, "stride": stored.grid.stride, "offset": stored.grid.offset}
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.savez(file, scaled=stored.scaled, peak=stored.peak, about=np.array(json.dumps({"key": key, "grid": grid})))


def read(path: Path, key: str) -> StoredMaps | None:
    """The stored maps, or None when there are none of this key; a truncated file is told and None."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            about: dict[str, Any] = json.loads(str(file["about"]))
            if about["key"] != key:
                return None
            grid = Grid(*(tuple(about["grid"][field]) for field in ("size", "stride", "offset")))
            return StoredMaps(file["scaled"], file["peak"], grid)
    except (zipfile.BadZipFile, ValueError, KeyError, OSError, EOFError) as error:
        log.warning("the map file %s is broken (%s): its maps are made again", path, error)
        return None
