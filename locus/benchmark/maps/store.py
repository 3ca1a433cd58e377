"""Write maps batch by batch, atomically, with a JSON index for each array; read them memory-mapped.

Maps are read only if they are complete and have the requested key. The file format is described in
``locus.benchmark.maps``. What the key depends on is in ``requests``.
"""

import json
import logging
import os
import re
import tokenize
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from locus.core import files
from locus.core.errors import BadValueError, DataError, NotAvailableError, one_line
from locus.core.files import atomic
from locus.core.frames import Grid

log = logging.getLogger(__name__)
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
    sha256: str = ""
    """Hash of the array's file and of the other values of this index."""
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
        values = {**json.loads(self.model_dump_json()), "sha256": self.checksum(array)}
        files.write_text(index_file(array), files.pretty(values) + "\n")

    def checksum(self, array: Path) -> str:
        """Return the right value of ``sha256``."""
        about = files.json_hash(json.loads(self.model_dump_json(exclude={"sha256"})))
        return files.json_hash([about, "" if self.reason else _hash(array, array.stat().st_mtime_ns)])


@lru_cache(maxsize=1024)
def _hash(array: Path, *state: int) -> str:
    return files.file_hash(array)


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


class NotMadeError(DataError):
    """Raised for a map that was not generated because no protocol of the suite needs it."""


@dataclass(frozen=True, eq=False)
class StoredMaps:
    """The maps of one method for the boxed images of a model."""

    values: NDArray[np.float16]
    """(cases, h, w) map / max|map|, memory-mapped."""
    index: Index

    def __contains__(self, pair: tuple[str, str]) -> bool:
        """Return True if a map was generated for this (image, finding)."""
        return pair in self._positions

    def stored(self, image: str, finding: str) -> NDArray[np.float16] | None:
        """Return map / max|map| (h, w), which is scored; None if the map has NaN or infinite values.

        Raises ``NotMadeError`` if no map was generated for the pair.
        """
        position, peak = self._position(image, finding)
        return None if peak is None else self.values[position]

    def map(self, image: str, finding: str) -> NDArray[np.float32] | None:
        """Return the map (h, w) float32 in its own scale, with half precision; None as in ``stored``."""
        position, peak = self._position(image, finding)
        return None if peak is None else self.values[position].astype(np.float32) * np.float32(peak)

    def _position(self, image: str, finding: str) -> tuple[int, float | None]:
        if (image, finding) not in self:
            reason = "slow methods explain only the cases that the suite's protocols need"
            raise NotMadeError(f"no map of {finding!r} was generated for the image {image!r}: {reason}")
        return self._positions[image, finding]

    @cached_property
    def _positions(self) -> dict[tuple[str, str], tuple[int, float | None]]:
        """(image, finding) -> position in the array, and peak."""
        index = self.index
        positions = index.shown or [range(len(index.findings))] * len(index.images)
        pairs = [(image, index.findings[k]) for image, ks in zip(index.images, positions, strict=True) for k in ks]
        return dict(zip(pairs, enumerate(peak for row in index.peaks for peak in row), strict=True))


def read(array: Path, keys: Sequence[str]) -> StoredMaps | NotAvailableError | None:
    """Return the maps of one of the ``keys`` in the file ``array``, why a method has none, or None if missing.

    Truncated or damaged files count as missing and log a warning.
    """
    if not index_file(array).exists():
        return None
    try:
        index = Index.model_validate_json(index_file(array).read_text(encoding="utf-8"))
        if index.key not in keys:
            return None
        maps = None if index.reason else StoredMaps(_open_array(array, index), index)
        if index.sha256 != index.checksum(array):
            raise ValueError("array or index differs from its checksum")
        return maps or NotAvailableError(index.reason)
    except (ValueError, OSError, EOFError, SyntaxError, tokenize.TokenError) as error:
        log.warning("the maps in %s are broken (%s) and will be generated again", array, one_line(error))
        return None


def _open_array(array: Path, index: Index) -> NDArray[np.float16]:
    """Open the array. Raises ``ValueError`` if it does not match its index."""
    cases, key = index.cases, index.key.encode()
    if sum(map(len, index.peaks)) != cases or index.shape[0] != cases:
        raise ValueError(f"its index does not have {cases} cases")
    with array.open("rb") as file:  # opened once: another run may replace the file at any moment
        length = os.fstat(file.fileno()).st_size
        if length != index.bytes:
            raise ValueError(f"it has {length} bytes, not {index.bytes}")
        file.seek(length - len(key))
        if file.read() != key:
            raise ValueError("the array belongs to another run")
        file.seek(0)
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if (shape, dtype) != (index.shape, np.dtype("<f2")):
            raise ValueError(f"the array is {dtype} of shape {shape}, not float16 of shape {index.shape}")
        return np.memmap(file, dtype, "r", file.tell(), shape)
