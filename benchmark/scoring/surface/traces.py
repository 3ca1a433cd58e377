"""Traces of many cases, concatenated for a compiled pass; above a size limit they are stored in a temporary file.

The trace of a large map takes a megabyte: 10,000 would not fit in memory, and computing them again takes longer.
"""

import tempfile
from collections.abc import Callable, Iterable, Iterator
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
    """Traces of N cases."""

    def __init__(self, traces: Iterable[Trace]) -> None:
        """Store ``traces`` in blocks, one after the other. Raises ``WriteError`` if a disk is full."""
        self.blocks: list[Block] = []
        numbers, file = 0, None
        for part in _parts(traces):
            columns = [np.vstack([t.thresholds[:-1], t.thresholds[1:], t.start.T, t.stop.T]) for t in part]
            rows = np.concatenate(columns, 1)
            numbers += rows.size
            if numbers > KEPT and file is None:
                file = tempfile.TemporaryFile()  # noqa: SIM115  # deleted with the last block
            read = partial(np.asarray, rows) if file is None else _stored(rows, file)
            self.blocks.append(Block(len(self), offsets_of([len(trace.start) for trace in part]), read))

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


def _parts(traces: Iterable[Trace]) -> Iterator[list[Trace]]:
    """Yield consecutive traces with at least ``BLOCK`` numbers in all but the last part."""
    part, numbers = list[Trace](), 0
    for trace in traces:
        part.append(trace)
        numbers += NUMBERS * len(trace.start)
        if numbers >= BLOCK:
            yield part
            part, numbers = [], 0
    if part:
        yield part


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
