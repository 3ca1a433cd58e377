"""Damage a file by one bit."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np


def flipped(file: Path, count: int = 50) -> Iterator[int]:
    """Flip one of ``count`` random bits of a file at a time, yield its position, and restore the file at the end."""
    content = file.read_bytes()
    for bit in np.random.default_rng(0).choice(8 * len(content), min(count, 8 * len(content)), replace=False).tolist():
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        file.write_bytes(damaged)
        yield bit
    file.write_bytes(content)
