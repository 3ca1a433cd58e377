"""Write maps batch by batch, atomically, with a JSON index for each array."""

import json
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from core import files
from core.errors import BadValueError
from core.files import atomic
from core.frames import Grid

NOWHERE = Grid((1, 1), (1, 1), (0, 0))


class Index(BaseModel):
    """Index of an array of maps."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: str
    """Hash of everything that the maps depend on; the array's file ends with it."""
    reason: str = ""
    """Why there are no maps; empty if there are."""
    images: tuple[str, ...]
    findings: tuple[str, ...]
    shown: tuple[tuple[int, ...], ...] = ()
    """Indices of the findings with a map, per image; empty: all findings of all images."""
    shape: tuple[int, int, int] = (0, 0, 0)
    """(cases, h, w)."""
    bytes: int = 0
    """Length of the array's file."""
    grid: Grid = NOWHERE
    """Grid of the maps in the network's input."""
    peaks: tuple[tuple[float | None, ...], ...] = ()
    """max|map| per image and finding, with all digits of the float32; None if a map was not finite."""

    @property
    def cases(self) -> int:
        """Number of maps: of the findings ``shown`` on each image, or of all findings if ``shown`` is empty.

        >>> index = Index(key="", images=["a", "b"], findings=["mass", "nodule"])
        >>> index.cases, index.model_copy(update={"shown": ((1,), (0, 1))}).cases
        (4, 3)
        """
        return sum(map(len, self.shown)) if self.shown else len(self.images) * len(self.findings)

    def write(self, array: Path) -> None:
        """Write the index next to the file of its ``array``, atomically."""
        files.write_text(index_file(array), files.pretty(json.loads(self.model_dump_json())) + "\n")


def index_file(array: Path) -> Path:
    """Return the path of the index of an array."""
    return array.with_suffix(".json")


def file_name(word: str) -> str:
    """Return a readable file name that is unique for a method's word.

    >>> file_name("occlusion:window=32")
    'occlusion_window=32.npy'
    """
    last = Path(word).name
    readable = re.sub(r"[^\w.=,+-]+", "_", last)
    return f"{readable}.npy" if last == word else f"{readable}-{files.json_hash(word)}.npy"


@dataclass
class Writer:
    """An array of maps that is written a few images at a time."""

    file: BinaryIO
    cases: int
    """Total number of maps."""
    shape: tuple[int, int] = (0, 0)
    grid: Grid = NOWHERE
    peaks: list[tuple[float | None, ...]] = field(default_factory=list)

    def add(self, maps: NDArray[np.float32], grid: Grid) -> None:
        """Append the raw maps (n,K,h,w) of the next n images. Raises ``BadValueError`` if shape or grid change."""
        scaled, peaks = compress(maps)
        shape = (scaled.shape[-2], scaled.shape[-1])
        if not self.peaks:
            self.shape, self.grid = shape, grid
            about = {"descr": "<f2", "fortran_order": False, "shape": (self.cases, *shape)}
            np.lib.format.write_array_header_1_0(self.file, about)
        if (shape, grid) != (self.shape, self.grid):
            raise BadValueError(f"maps of shape {shape} on {grid} follow maps of shape {self.shape} on {self.grid}")
        self.file.write(scaled.tobytes())
        self.peaks += [tuple(float(peak) if np.isfinite(peak) else None for peak in row) for row in peaks]


def compress(maps: NDArray[np.float32]) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """Return map / max|map| in half precision, and max|map| (n,K), of raw maps (n,K,h,w); nan for non-finite maps.

    >>> scaled, peaks = compress(np.array([[[[0.0, -4.0]]]], np.float32))
    >>> scaled.tolist(), peaks.tolist()
    ([[[[0.0, -1.0]]]], [[4.0]])
    """
    finite = np.asarray(np.isfinite(maps).all((-2, -1)))
    usable = np.where(finite[..., None, None], maps, 0)
    peak = np.abs(usable).max((-2, -1)).astype(np.float32)
    scaled = usable / np.where(peak > 0, peak, 1)[..., None, None]
    return scaled.astype("<f2"), np.where(finite, peak, np.float32(np.nan))


@contextmanager
def open_writer(
    array: Path, key: str, images: Sequence[str], findings: Sequence[str], shown: tuple[tuple[int, ...], ...] = ()
) -> Iterator[Writer]:
    """Open a ``Writer`` of the file ``array``; array and index replace existing files if the block succeeds.

    ``shown``: see ``Index``. Raises ``BadValueError`` if maps of some ``images`` are missing, ``WriteError`` if writing
    fails.
    """
    index = Index(key=key, images=tuple(images), findings=tuple(findings), shown=shown)
    with atomic(array) as temporary, temporary.open("wb") as file:
        writer = Writer(file, index.cases)
        yield writer
        if len(writer.peaks) != len(images):
            raise BadValueError(f"only {len(writer.peaks)} of {len(images)} images have maps for {array}")
        file.write(key.encode())
        length = file.tell()
    shape, peaks = (writer.cases, *writer.shape), tuple(writer.peaks)
    index.model_copy(update={"shape": shape, "bytes": length, "grid": writer.grid, "peaks": peaks}).write(array)


def write_unsupported(array: Path, key: str, images: Sequence[str], findings: Sequence[str], reason: str) -> None:
    """Store the reason why a method has no maps of these images, as an index without an array."""
    Index(key=key, reason=reason, images=tuple(images), findings=tuple(findings)).write(array)
    array.unlink(missing_ok=True)
