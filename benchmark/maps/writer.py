"""Writing maps: a batch at a time, whole or not at all."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from benchmark.maps.index import NOWHERE, Index
from core.errors import BadValueError
from core.files import atomic
from core.frames import Grid


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
def writing(array: Path, key: str, images: Sequence[str], findings: Sequence[str]) -> Iterator[Writer]:
    """A ``Writer`` of the file ``array``; array and index replace the old ones when the block ends well.

    Raises ``BadValueError`` when the maps of some ``images`` were not given, ``WriteError`` when the disk refuses.
    """
    with atomic(array) as temporary, temporary.open("wb") as file:
        writer = Writer(file, len(images) * len(findings))
        yield writer
        if len(writer.peaks) != len(images):
            raise BadValueError(f"{len(writer.peaks)} of {len(images)} images have maps for {array}: all need one")
        file.write(key.encode())
        file.flush()
        length = os.fstat(file.fileno()).st_size
    Index(
        key=key,
        images=tuple(images),
        findings=tuple(findings),
        shape=(writer.cases, *writer.shape),
        bytes=length,
        grid=writer.grid,
        peaks=tuple(writer.peaks),
    ).write(array)


def refuse(array: Path, key: str, images: Sequence[str], findings: Sequence[str], reason: str) -> None:
    """Keep the sentence why a method has no maps of these images.

    It stands in the index; no array lies beside it.
    """
    Index(key=key, reason=reason, images=tuple(images), findings=tuple(findings)).write(array)
    array.unlink(missing_ok=True)
