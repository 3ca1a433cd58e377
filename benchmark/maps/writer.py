"""Writing maps: a batch at a time, whole or not at all; beside an array its JSON index."""

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
    """What the array beside it holds."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    key: str
    """What the maps depend on, as a hash; the array's file ends with it too."""
    reason: str = ""
    """Why there are no maps; then there is no array."""
    images: tuple[str, ...]
    findings: tuple[str, ...]
    shown: tuple[tuple[int, ...], ...] = ()
    """Per image the positions of the findings that have a map; nothing: all findings of all images."""
    shape: tuple[int, int, int] = (0, 0, 0)
    """(cases, h, w)."""
    bytes: int = 0
    """Length of the array's file."""
    grid: Grid = NOWHERE
    """Where the positions look in the network's input."""
    peaks: tuple[tuple[float | None, ...], ...] = ()
    """Per image and finding max|map|, a float32 in digits that give it back exactly; None where a map was not
    finite."""

    @property
    def cases(self) -> int:
        """How many maps there are."""
        return count_cases(self.images, self.findings, self.shown)

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


def count_cases(images: Sequence[str], findings: Sequence[str], shown: Sequence[Sequence[int]]) -> int:
    """How many maps: of the findings that are ``shown`` on each image, of all where that says nothing.

    >>> count_cases("ab", ["mass", "nodule"], []), count_cases("ab", ["mass", "nodule"], [[1], [0, 1]])
    (4, 3)
    """
    return sum(map(len, shown)) if shown else len(images) * len(findings)


@dataclass
class Writer:
    """An array that grows by some images at a time."""

    file: BinaryIO
    cases: int
    """How many there will be."""
    shape: tuple[int, int] = (0, 0)
    grid: Grid = NOWHERE
    peaks: list[tuple[float | None, ...]] = field(default_factory=list)

    def add(self, maps: NDArray[np.float32], grid: Grid) -> None:
        """Append the (n,K,h,w) raw maps of the next n images; ``BadValueError`` where shape or grid change."""
        scaled, peaks = compress(maps)
        self.copy(scaled, [tuple(float(peak) if np.isfinite(peak) else None for peak in row) for row in peaks], grid)

    def copy(self, scaled: NDArray[np.float16], peaks: Sequence[tuple[float | None, ...]], grid: Grid) -> None:
        """Append maps that are scaled already, (..., h, w), and their peaks as an index holds them; errors as above."""
        shape = (scaled.shape[-2], scaled.shape[-1])
        if not self.peaks:
            self.shape, self.grid = shape, grid
            about = {"descr": "<f2", "fortran_order": False, "shape": (self.cases, *shape)}
            np.lib.format.write_array_header_1_0(self.file, about)
        if (shape, grid) != (self.shape, self.grid):
            before = f"maps of shape {self.shape} on {self.grid}"
            raise BadValueError(f"maps of shape {shape} on {grid} follow {before}: they must be alike")
        self.file.write(scaled.tobytes())
        self.peaks += peaks


def compress(maps: NDArray[np.float32]) -> tuple[NDArray[np.float16], NDArray[np.float32]]:
    """(n,K,h,w) raw maps -> map / max|map| in half precision, and (n,K) max|map|, nan where a map is not finite.

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
    """A ``Writer`` of the file ``array``; array and index replace the old ones when the block ends well.

    ``shown``: see ``Index``. Raises ``BadValueError`` when the maps of some ``images`` were not given, ``WriteError``
    when the disk refuses.
    """
    with atomic(array) as temporary, temporary.open("wb") as file:
        writer = Writer(file, count_cases(images, findings, shown))
        yield writer
        if len(writer.peaks) != len(images):
            raise BadValueError(f"{len(writer.peaks)} of {len(images)} images have maps for {array}: all need one")
        file.write(key.encode())
        length = file.tell()
    Index(
        key=key,
        images=tuple(images),
        findings=tuple(findings),
        shown=shown,
        shape=(writer.cases, *writer.shape),
        bytes=length,
        grid=writer.grid,
        peaks=tuple(writer.peaks),
    ).write(array)


def write_no_maps(array: Path, key: str, images: Sequence[str], findings: Sequence[str], reason: str) -> None:
    """Keep the sentence why a method has no maps of these images.

    It stands in the index; no array lies beside it.
    """
    Index(key=key, reason=reason, images=tuple(images), findings=tuple(findings)).write(array)
    array.unlink(missing_ok=True)
