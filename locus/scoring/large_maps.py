"""Maps that are too large to stay in memory as floats: read again whenever they are needed, or a byte for each value.

``LazyMap``    is computed or read from its file at each access
``ByteMap``    whole numbers up to 255, such as a mask or an image of 8 bits
``MapMemory``  decides which maps of many stay in memory, and how
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locus.core.types import FloatArray
from locus.scoring.surface import min_max

Map = NDArray[np.floating[Any]]
MAX_BYTE_MAPS = 2**30
"""Bytes of the ``ByteMap`` of an entry or of a baseline."""


@dataclass(frozen=True, eq=False)
class LazyMap:
    """A map whose values are read or computed whenever NumPy asks for them, so that thousands of them fit in memory."""

    shape: tuple[int, ...]
    """(h, w)."""
    read: Callable[[], Map]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Return the values to NumPy."""
        return np.asarray(self.read(), dtype=dtype)


@dataclass(frozen=True, eq=False)
class ByteMap(LazyMap):
    """A map of whole numbers up to 255, such as a mask, that takes a byte for each value."""

    packed: NDArray[np.uint8]
    """(h,w)."""

    @classmethod
    def of(cls, values: Map) -> "ByteMap":
        """Pack the values (h,w) of a map for which ``fits_bytes``."""
        packed = values.astype(np.uint8)
        return cls(values.shape, partial(packed.astype, values.dtype), packed)

    @property
    def span(self) -> tuple[float, float]:
        """Lowest and highest value."""
        return float(self.packed.min()), float(self.packed.max())

    def scaled(self) -> FloatArray:
        """Return the map, min-max scaled to [0,1], as ``min_max`` gives it: each value is looked up in a table."""
        low, high = self.span
        levels = min_max(np.arange(low, high + 1)[None])[0]
        table = np.zeros(256)
        table[int(low) : int(high) + 1] = levels
        return table.take(self.packed)


def fits_bytes(values: Map) -> bool:
    """Return whether the values of a map are whole numbers of 0 to 255.

    >>> fits_bytes(np.array([[0.0, 255.0]])), fits_bytes(np.array([[0.5]])), fits_bytes(np.array([[-1.0]]))
    (True, False, False)
    """
    low, high = values.min(), values.max()
    return bool(low >= 0 and high <= 255 and (values == np.floor(values)).all())


class MapMemory:
    """Keeps the maps of an entry or of a baseline in memory while there is room: as they are, then as bytes."""

    def __init__(self, max_bytes: float) -> None:
        """Set ``max_bytes``, the bytes of maps that stay in memory as they are."""
        self.free_bytes = max_bytes
        self.free_packed_bytes = MAX_BYTE_MAPS

    def kept(self, values: Map, read: Callable[[], Map]) -> Map | LazyMap:
        """Return a map as it is, packed into bytes, or to be read again by ``read``."""
        self.free_bytes -= values.nbytes
        if self.free_bytes >= 0:
            return values
        if values.size > self.free_packed_bytes or not fits_bytes(values):
            return LazyMap(values.shape, read)
        self.free_packed_bytes -= values.size
        return ByteMap.of(values)
