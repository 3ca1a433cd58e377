"""How often the intervals of ``benchmark.statistics.mrmc`` hold the truth in the worlds of one setting."""

from collections.abc import Iterator

import numpy as np

from benchmark.statistics import mrmc
from benchmark.statistics.mrmc import MrmcEstimate
from core.types import FloatArray
from tools.coverage.worlds import CASES, Simulation, Worlds, worlds

STATISTICS = ("row", "paired", "nested")
BLOCK = 400_000
"""Cases of one row that are in memory at a time."""


def measure(setting: Simulation, count: int, seed: int = 0) -> list[dict[str, float | str]]:
    """A row per statistic: the truth, the share of ``count`` worlds whose interval holds it, half of its mean width.

    The truth is the expectation over trainings and patients, of a row that is scored as here: the mean over all worlds.
    """
    size = max(1, BLOCK // (setting.trainings * setting.patients * min(CASES, setting.findings)))
    parts = [_numbers(worlds(setting, min(size, count - start), seed + start)) for start in range(0, count, size)]
    numbers = np.concatenate(parts)  # (W, 3, value low high)
    rows: list[dict[str, float | str]] = []
    for name, (value, low, high) in zip(STATISTICS, numbers.transpose(1, 2, 0), strict=True):
        truth = value.mean()
        held = float(((low <= truth) & (truth <= high)).mean())
        rows.append({"statistic": name, "truth": truth, "coverage": held, "half_width": float((high - low).mean() / 2)})
    return rows


def _numbers(block: Worlds) -> FloatArray:
    ends = [[(e.value, e.low, e.high) for e in _estimates(block, world)] for world in range(block.theta.shape[1])]
    return np.array(ends)


def _estimates(block: Worlds, world: int) -> Iterator[MrmcEstimate]:
    first, paired, nested = zip(block.theta[:, world], block.jackknife[:, world], strict=True)
    yield mrmc.interval(*first)
    yield mrmc.difference(first, paired)
    yield mrmc.difference_nested(first, nested)
