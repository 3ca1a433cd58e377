"""Read stored maps, memory-mapped, if they are complete and have the requested key."""

import logging
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.maps.writer import Index, index_file
from core.errors import DataError, NotAvailableError, one_line

log = logging.getLogger(__name__)


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


def read(array: Path, key: str) -> StoredMaps | NotAvailableError | None:
    """Return the maps of this ``key`` in the file ``array``, the reason if a method has none, or None if missing.

    Truncated or damaged files count as missing and log a warning.
    """
    if not index_file(array).exists():
        return None
    try:
        index = Index.model_validate_json(index_file(array).read_text(encoding="utf-8"))
        if index.key != key:
            return None
        return NotAvailableError(index.reason) if index.reason else StoredMaps(_open_array(array, index), index)
    except (ValueError, OSError, EOFError) as error:
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
