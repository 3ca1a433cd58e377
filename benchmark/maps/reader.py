"""Reading maps: memory-mapped, and only what is whole and of the key that is asked for."""

import logging
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.maps.writer import Index, index_file
from core.errors import NotAvailableError, one_line

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StoredMaps:
    """The maps of one method for the boxed images of a model."""

    values: NDArray[np.float16]
    """(cases, h, w) map / max|map|, memory-mapped."""
    index: Index

    def stored(self, image: str, finding: str) -> NDArray[np.float16] | None:
        """(h, w) map / max|map|: what is scored; None where the method gave a value that is not finite."""
        n, k = self._at(image, finding)
        return None if self.index.peaks[n][k] is None else self.values[n * len(self.index.findings) + k]

    def map(self, image: str, finding: str) -> NDArray[np.float32] | None:
        """(h, w) float32: the map as the method gave it, to half precision, with its exact maximum; None as above."""
        n, k = self._at(image, finding)
        scaled, peak = self.stored(image, finding), self.index.peaks[n][k]
        return None if scaled is None or peak is None else scaled.astype(np.float32) * np.float32(peak)

    def _at(self, image: str, finding: str) -> tuple[int, int]:
        return self._rows[image], self.index.findings.index(finding)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {image: n for n, image in enumerate(self.index.images)}


def read(array: Path, key: str) -> StoredMaps | NotAvailableError | None:
    """The maps of this ``key`` in the file ``array``; the reason where a method has none; None where nothing counts.

    What is truncated or damaged gives a warning and counts as nothing.
    """
    if not index_file(array).exists():
        return None
    try:
        index = Index.model_validate_json(index_file(array).read_text(encoding="utf-8"))
        if index.key != key:
            return None
        return NotAvailableError(index.reason) if index.reason else StoredMaps(_opened(array, index), index)
    except (ValueError, OSError, EOFError) as error:
        log.warning("the maps in %s are broken (%s): they are made again", array, one_line(error))
        return None


def _opened(array: Path, index: Index) -> NDArray[np.float16]:
    """The array as its index states it. Raises ``ValueError`` for another one."""
    cases, key = len(index.images) * len(index.findings), index.key.encode()
    if sum(map(len, index.peaks)) != cases or index.shape[0] != cases:
        raise ValueError(f"its index has not {cases} cases")
    with array.open("rb") as file:  # once: another run may put another file of this name in its place at any moment
        length = os.fstat(file.fileno()).st_size
        if length != index.bytes:
            raise ValueError(f"{length} bytes instead of {index.bytes}")
        file.seek(length - len(key))
        if file.read() != key:
            raise ValueError("the array is that of another run")
        file.seek(0)
        np.lib.format.read_magic(file)
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
        if (shape, dtype) != (index.shape, np.dtype("<f2")):
            raise ValueError(f"{dtype} of shape {shape} instead of float16 of shape {index.shape}")
        return np.memmap(file, dtype, "r", file.tell(), shape)
