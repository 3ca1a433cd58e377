"""Traces of many cases laid end to end for a compiled pass; beyond a limit they wait in a file that has no name.

A large map's trace is a megabyte: those of 10,000 would not fit in memory, and computing them again takes longer.
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
"""Of a piece: the thresholds at which it begins and ends, its box at both."""
BLOCK, KEPT = 2**20, 2**24
"""Numbers of a block of cases, and of all blocks that stay in memory: 8 and 128 MiB. Larger ones cost fresh pages."""


@dataclass(frozen=True, eq=False)
class Block:
    """The traces of some cases that follow each other."""

    first: int
    """Number of the first case."""
    offsets: Index
    """(n+1,) where each case's pieces begin."""
    read: Callable[[], FloatArray]
    """(NUMBERS,P) of all pieces: low thresholds, high ones, edges at the beginning, their limits at the end."""

    def follow(self, case_index: Index, thresholds: FloatArray, out: FloatArray) -> None:
        """Write the boxes (n,T,4) of those of the (n,) cases that are in the block."""
        inside = (case_index >= self.first) & (case_index < self.first + len(self.offsets) - 1)
        if not inside.any():
            return
        rows = np.asarray(self.read())
        pieces = (self.offsets, rows[0], rows[1], rows[2:6], rows[6:])
        boxes = out[inside]
        overlap.follow(*pieces, case_index[inside] - self.first, np.ascontiguousarray(thresholds[inside]), boxes)
        out[inside] = boxes


class Traces:
    """The traces of N cases: all are appended before the first question."""

    def __init__(self, traces: Iterable[Trace] = ()) -> None:
        """Cases in the order of ``traces``, which are taken one by one. Raises ``WriteError`` where a disk is full."""
        self._blocks: list[Block] = []
        self._waiting: list[Trace] = []
        self._numbers = self._kept = 0
        self._file: IO[bytes] | None = None
        for trace in traces:
            self.append(trace)
        self._close_block()

    def append(self, trace: Trace) -> None:
        """One case more; it waits until there are enough for a block. Raises ``WriteError`` where a disk is full."""
        self._waiting.append(trace)
        self._numbers += NUMBERS * len(trace.start)
        if self._numbers >= BLOCK:
            self._close_block()

    @property
    def blocks(self) -> list[Block]:
        """All cases in blocks, in their order."""
        self._close_block()
        return self._blocks

    def __len__(self) -> int:
        """How many cases."""
        return sum(len(block.offsets) - 1 for block in self.blocks)

    def boxes(self, case_index: Index, thresholds: FloatArray) -> FloatArray:
        """(n,) cases, (n,T) thresholds of each -> (n,T,4) boxes of the highest vertex's component, exact.

        Thresholds below a case's first critical one give its first box; nan where nothing is above.
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
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # goes with the last block
        read = partial(np.asarray, rows) if self._file is None else _stored(rows, self._file)
        self._blocks.append(Block(first, offsets, read))


def _stored(rows: FloatArray, file: IO[bytes]) -> Callable[[], FloatArray]:
    """Append the numbers to the file; what gives them back reads only the pages that are looked at."""
    try:
        position, shape = file.seek(0, 2), rows.shape
        file.write(rows.data)
        file.flush()
    except OSError as error:
        where = f"{tempfile.gettempdir()}: {error.strerror or error}"
        raise WriteError(f"cannot keep traces in {where}; make room, or name another folder by TMPDIR") from error
    return lambda: np.memmap(file, np.float64, "c", position, shape)
