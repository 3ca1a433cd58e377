"""Traces of many cases, concatenated for a compiled pass; above a size limit they are stored in a temporary file.

The trace of a large map takes a megabyte: 10,000 would not fit in memory, and computing them again takes longer.
"""

import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import IO

import numpy as np

from benchmark.scoring.surface import overlap
from benchmark.scoring.surface.batch import Index, offsets_of
from benchmark.scoring.surface.trace import Trace
from core.errors import WriteError
from core.types import FloatArray

NUMBERS = 10
"""Numbers per piece: the thresholds at which it begins and ends, and its box at both."""
BLOCK, KEPT = 2**20, 2**24
"""Numbers in a block of cases (8 MiB; larger blocks are slower), and in all blocks in memory (128 MiB)."""


@dataclass(frozen=True, eq=False)
class Block:
    """Traces of consecutive cases."""

    first: int
    """Index of the first case."""
    offsets: Index
    """(n+1,) offsets of each case's pieces."""
    read: Callable[[], FloatArray]
    """Return all pieces (NUMBERS,P): low and high thresholds, edges at the beginning, their limits at the end."""

    def follow(self, case_index: Index, thresholds: FloatArray, out: FloatArray) -> None:
        """Write the boxes (n,T,4) of the cases (n,) that are in this block."""
        inside = (case_index >= self.first) & (case_index < self.first + len(self.offsets) - 1)
        if not inside.any():
            return
        rows = np.asarray(self.read())
        pieces = (self.offsets, rows[0], rows[1], rows[2:6], rows[6:])
        boxes = out[inside]
        overlap.follow(*pieces, case_index[inside] - self.first, np.ascontiguousarray(thresholds[inside]), boxes)
        out[inside] = boxes


class Traces:
    """Traces of N cases; append all before the first query."""

    def __init__(self, traces: Iterable[Trace] = ()) -> None:
        """Append ``traces`` one by one, in order. Raises ``WriteError`` if a disk is full."""
        self._blocks: list[Block] = []
        self._waiting: list[Trace] = []
        self._numbers = self._kept = 0
        self._file: IO[bytes] | None = None
        for trace in traces:
            self.append(trace)
        self._close_block()

    def append(self, trace: Trace) -> None:
        """Add a case; cases are collected into blocks. Raises ``WriteError`` if a disk is full."""
        self._waiting.append(trace)
        self._numbers += NUMBERS * len(trace.start)
        if self._numbers >= BLOCK:
            self._close_block()

    @property
    def blocks(self) -> list[Block]:
        """All cases in blocks, in order."""
        self._close_block()
        return self._blocks

    def __len__(self) -> int:
        """Return the number of cases."""
        return sum(len(block.offsets) - 1 for block in self.blocks)

    def boxes(self, case_index: Index, thresholds: FloatArray) -> FloatArray:
        """Return the exact boxes (n,T,4) of the highest vertex's component, at ``thresholds`` (n,T) of cases (n,).

        Thresholds below a case's first critical one give its first box; thresholds above its highest value nan.
        """
        out = np.full((*thresholds.shape, 4), np.nan)
        for block in self.blocks:
            block.follow(case_index, thresholds, out)
        return out

    def _close_block(self) -> None:
        part, self._waiting, self._numbers = self._waiting, [], 0
        if not part:
            return
        offsets, first = offsets_of([len(trace.start) for trace in part]), len(self)
        rows = np.concatenate([np.vstack([t.thresholds[:-1], t.thresholds[1:], t.start.T, t.stop.T]) for t in part], 1)
        self._kept += rows.size
        if self._kept > KEPT and self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # deleted with the last block
        read = partial(np.asarray, rows) if self._file is None else _stored(rows, self._file)
        self._blocks.append(Block(first, offsets, read))


def _stored(rows: FloatArray, file: IO[bytes]) -> Callable[[], FloatArray]:
    """Append the numbers to the file; return a function that memory-maps them."""
    try:
        position, shape = file.seek(0, 2), rows.shape
        file.write(rows.data)
        file.flush()
    except OSError as error:
        where = f"{tempfile.gettempdir()}: {error.strerror or error}"
        raise WriteError(f"cannot write traces in {where}; free space, or set TMPDIR to another folder") from error
    return lambda: np.memmap(file, np.float64, "c", position, shape)
