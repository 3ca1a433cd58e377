"""Maps of a method in one safetensors file: written batch by batch, atomically; read memory-mapped.

Maps are read only if their file is complete and has the requested key. The file format is described in
``locus.benchmark.maps``. What the key depends on is in ``generate``.
"""

import hashlib
import json
import logging
import math
import mmap
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from locus.core import files
from locus.core.errors import BadValueError, DataError, NotAvailableError, one_line
from locus.core.files import atomic
from locus.core.frames import Grid
from locus.core.scores import FrozenModel

log = logging.getLogger(__name__)
NOWHERE = Grid((1, 1), (1, 1), (0, 0))
NARROW_RANGE_SHARE = 1 / 16
"""Maps whose range is a smaller share of their largest absolute value are stored without their mean."""
DIGEST_BYTES = 32
"""Bytes of the hash at the end of a file, of everything before it."""


class Index(FrozenModel):
    """Metadata of a file of maps."""

    key: str
    """Hash of everything that the maps depend on."""
    reason: str = ""
    """Why there are no maps; empty if there are."""
    images: tuple[str, ...]
    findings: tuple[str, ...]
    shown: tuple[tuple[int, ...], ...] = ()
    """Indices of the findings with a map, per image; empty: all findings of all images."""
    grid: Grid = NOWHERE
    """Grid of the maps in the network's input."""

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """Image and finding of each map.

        >>> index = Index(key="", images=["a", "b"], findings=["mass", "nodule"], shown=((1,), (0, 1)))
        >>> index.pairs, len(index.model_copy(update={"shown": ()}).pairs)
        ([('a', 'nodule'), ('b', 'mass'), ('b', 'nodule')], 4)
        """
        finding_indices = self.shown or [range(len(self.findings))] * len(self.images)
        return [
            (image, self.findings[index])
            for image, indices in zip(self.images, finding_indices, strict=True)
            for index in indices
        ]


def file_name(method_name: str) -> str:
    """Return a readable file name that is unique for a method with its options.

    >>> file_name("occlusion:window=32")
    'occlusion_window=32.safetensors'
    """
    last_part = Path(method_name).name
    readable = re.sub(r"[^\w.=,+-]+", "_", last_part)
    return (
        f"{readable}.safetensors"
        if last_part == method_name
        else f"{readable}-{files.json_hash(method_name)}.safetensors"
    )


@dataclass
class Writer:
    """A file of maps that is written a few images at a time."""

    file: BinaryIO
    index: Index
    shape: tuple[int, int] = (0, 0)
    peaks: list[NDArray[np.float32]] = field(default_factory=list)
    offsets: list[NDArray[np.float32]] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, maps: NDArray[np.float32], grid: Grid) -> None:
        """Append the raw maps (n,K,h,w) of the next n images. Raises ``BadValueError`` if shape or grid change."""
        scaled, peaks, offsets = compress(maps)
        shape = (scaled.shape[-2], scaled.shape[-1])
        if not self.peaks:
            self.begin(shape, grid)
        if (shape, grid) != (self.shape, self.index.grid):
            earlier = f"maps of shape {self.shape} on {self.index.grid}"
            raise BadValueError(f"maps of shape {shape} on {grid} follow {earlier}")
        self.write(scaled.tobytes())
        self.peaks += [*peaks]
        self.offsets += [*offsets]

    def begin(self, shape: tuple[int, int], grid: Grid) -> None:
        """Write the header, which has the length and the offset of each tensor."""
        self.shape = shape
        self.index = self.index.model_copy(update={"grid": grid})
        cases = 0 if self.index.reason else len(self.index.pairs)
        tensors = {  # name -> type, bytes per number, shape
            "maps": ("F16", 2, [cases, *shape]),
            "peaks": ("F32", 4, [cases]),
            "offsets": ("F32", 4, [cases]),
            "sha256": ("U8", 1, [DIGEST_BYTES]),
        }
        header: dict[str, Any] = {"__metadata__": {"index": self.index.model_dump_json()}}
        start = 0
        for name, (dtype, width, sizes) in tensors.items():
            end = start + width * math.prod(sizes)
            header[name] = {"dtype": dtype, "shape": sizes, "data_offsets": [start, end]}
            start = end
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        self.write(len(text).to_bytes(8, "little") + text)

    def write(self, content: bytes) -> None:
        """Append a part of the file."""
        self.file.write(content)
        self.digest.update(content)


def compress(
    maps: NDArray[np.float32],
) -> tuple[NDArray[np.float16], NDArray[np.float32], NDArray[np.float32]]:
    """Return (map - offset) / peak in half precision, peak and offset (n,K), of raw maps (n,K,h,w).

    The peak is max|map - offset|, nan for a map that is not finite. The offset is 0, or the middle of a map whose
    values differ little, because half precision would round them to a few values.

    >>> scaled, peaks, offsets = compress(np.array([[[[0.0, -4.0]], [[1000.0, 1001.0]]]], np.float32))
    >>> scaled.tolist(), peaks.tolist(), offsets.tolist()
    ([[[[0.0, -1.0]], [[-1.0, 1.0]]]], [[4.0, 0.5]], [[0.0, 1000.5]])
    """
    finite = np.asarray(np.isfinite(maps).all((-2, -1)))
    usable = np.where(finite[..., None, None], maps, 0)
    low = usable.min((-2, -1)).astype(np.float64)
    high = usable.max((-2, -1)).astype(np.float64)
    is_narrow = high - low < NARROW_RANGE_SHARE * np.maximum(abs(low), abs(high))
    offset = np.where(is_narrow & (high > low), (low + high) / 2, 0).astype(np.float32)
    usable = usable - offset[..., None, None]
    peak = np.abs(usable).max((-2, -1)).astype(np.float32)
    scaled = usable / np.where(peak > 0, peak, 1)[..., None, None]
    return scaled.astype("<f2"), np.where(finite, peak, np.float32(np.nan)), offset


@contextmanager
def open_writer(path: Path, index: Index) -> Iterator[Writer]:
    """Open a ``Writer`` of the file ``path``, which replaces an existing file if the block succeeds.

    Raises ``BadValueError`` if maps of some images are missing, ``WriteError`` if writing fails.
    """
    with atomic(path) as temporary, temporary.open("wb") as file:
        writer = Writer(file, index)
        yield writer
        if not index.reason and len(writer.peaks) != len(index.images):
            raise BadValueError(
                f"only {len(writer.peaks)} of {len(index.images)} images have maps for {path}"
            )
        writer.write(b"".join(numbers.tobytes() for numbers in (*writer.peaks, *writer.offsets)))
        file.write(writer.digest.digest())


def write_unsupported(path: Path, index: Index, reason: str) -> None:
    """Store the reason why a method has no maps of these images, in a file without maps."""
    with open_writer(path, index.model_copy(update={"reason": reason})) as writer:
        writer.begin(writer.shape, index.grid)


class NotMadeError(DataError):
    """Raised for a map that was not generated because no protocol of the suite needs it."""


@dataclass(frozen=True, eq=False)
class StoredMaps:
    """The maps of one method for the boxed images of a model."""

    values: NDArray[np.float16]
    """(cases, h, w) (map - offset) / peak, memory-mapped; see ``compress``."""
    peaks: NDArray[np.float32]
    """(cases,); nan if a map was not finite."""
    offsets: NDArray[np.float32]
    """(cases,)."""
    index: Index

    def __contains__(self, pair: tuple[str, str]) -> bool:
        """Return True if a map was generated for this (image, finding)."""
        return pair in self._positions

    def stored(self, image: str, finding: str) -> NDArray[np.floating[Any]] | None:
        """Return map / peak (h, w), which is scored; None if the map has NaN or infinite values.

        Raises ``NotMadeError`` if no map was generated for the pair.
        """
        position = self._position(image, finding)
        peak = float(self.peaks[position])
        offset = float(self.offsets[position])
        if not math.isfinite(peak):
            return None
        if offset == 0:
            return self.values[position]
        return self.values[position].astype(np.float64) + offset / peak

    def map(self, image: str, finding: str) -> NDArray[np.float32] | None:
        """Return the map (h, w) float32 in its own scale, with half precision; None as in ``stored``."""
        stored = self.stored(image, finding)
        position = self._position(image, finding)
        return None if stored is None else stored.astype(np.float32) * self.peaks[position]

    def _position(self, image: str, finding: str) -> int:
        if (image, finding) not in self:
            reason = "slow methods explain only the cases that the suite's protocols need"
            raise NotMadeError(
                f"no map of {finding!r} was generated for the image {image!r}: {reason}"
            )
        return self._positions[image, finding]

    @cached_property
    def _positions(self) -> dict[tuple[str, str], int]:
        """(image, finding) -> position in the array."""
        return {pair: n for n, pair in enumerate(self.index.pairs)}


def read(path: Path, keys: Sequence[str]) -> StoredMaps | NotAvailableError | None:
    """Return the maps of one of the ``keys`` in the file ``path``, why a method has none, or None if missing.

    Truncated or damaged files count as missing and log a warning.
    """
    if not path.exists():
        return None
    try:
        if not _is_whole(path, path.stat().st_mtime_ns):
            raise ValueError("it differs from its checksum")
        with safe_open(
            path, "pt"
        ) as file:  # PyTorch maps the file into memory; NumPy would read it
            index = Index.model_validate_json(file.metadata()["index"])
            maps = StoredMaps(
                values=file.get_tensor("maps").numpy(),
                peaks=file.get_tensor("peaks").numpy(),
                offsets=file.get_tensor("offsets").numpy(),
                index=index,
            )
    except (ValueError, OSError, SafetensorError) as error:
        log.warning(
            "the maps in %s are broken (%s) and will be generated again", path, one_line(error)
        )
        return None
    if index.key not in keys:
        return None
    return NotAvailableError(index.reason) if index.reason else maps


@lru_cache(maxsize=1024)
def _is_whole(path: Path, *state: int) -> bool:
    """Return True if a file ends with the hash of everything before. Raises ``ValueError`` if it is empty."""
    with (
        path.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        memoryview(content) as view,
        view[:-DIGEST_BYTES] as before,
    ):
        return hashlib.sha256(before).digest() == content[-DIGEST_BYTES:]
