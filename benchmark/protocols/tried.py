"""Score thresholds for a metric that is the mean of several shares, each with a threshold of its own."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from benchmark import thresholds
from benchmark.records.record import Origin
from benchmark.statistics.bootstrap import resample
from benchmark.statistics.patients import by_patient
from benchmark.statistics.summary import Estimate
from core.types import FloatArray


class Tried:
    """One metric of N cases: a hit at each of its D IoU thresholds and T score thresholds, and which of these are chosen."""

    def __init__(
        self, overlap: FloatArray, deltas: Sequence[float], levels: FloatArray, of: Sequence[str], patients: Sequence[str], seed: int
    ) -> None:
        self.levels = levels
        self.every: NDArray[np.bool_] = overlap[:, None] >= np.array(deltas)[:, None]  # (N, D, T)
        half = len(levels) // 2
        crossed = [thresholds.cross_fitted(h, overlap, of, patients, half, seed) for h in self.every.swapaxes(0, 1)]
        oracle = [thresholds.oracle(h, overlap, of) for h in self.every.swapaxes(0, 1)]
        self.chosen: Mapping[Origin, thresholds.Index] = {"cross-fitted": np.stack(crossed, 1), "oracle": np.stack(oracle, 1)}  # (N, D)

    def hits(self, origin: Origin) -> FloatArray:
        """(N,) hits at the chosen thresholds, mean over the IoU thresholds."""
        return np.take_along_axis(self.every, self.chosen[origin][..., None], 2).mean((1, 2))

    def chosen_again(self, e: Estimate, of: Sequence[str], patients: Sequence[str], findings: Sequence[str], seed: int) -> Estimate:
        """The oracle's estimate with an interval in which each resample chooses its own thresholds."""
        if not len(of):
            return e
        shape = self.every.shape[1:]
        flat = self.every.reshape(len(of), -1).astype(np.float64)
        drawn = resample(by_patient(flat, np.ones_like(flat), of, patients, findings), seed)
        return replace(e, samples=drawn.over(lambda values: values.reshape(*values.shape[:-1], *shape).max(-1).mean(-1)))

    def stated(self, origin: Origin, of: Sequence[str]) -> dict[str, list[list[object]]]:
        """Finding -> per IoU threshold the distinct score thresholds that were chosen."""
        per_delta = [thresholds.stated(index, self.levels.round(6).tolist(), of) for index in self.chosen[origin].T]
        return {finding: [chosen[finding] for chosen in per_delta] for finding in sorted(set(of))}
