"""Parts of the variance of a mean over training runs: see ``benchmark.scoring.statistics.mrmc``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.types import FloatArray

CheckedRow = tuple[FloatArray, FloatArray]
"""``theta`` (..., S) and ``jackknife`` (..., S, P)."""


@dataclass(frozen=True, eq=False)
class VarianceParts:
    """Parts of the variance of a weighted sum, over G networks, of means over training runs.

    Arrays may have leading axes, such as the repetitions of a simulation.
    """

    value: FloatArray
    """(...) the weighted sum."""
    runs: FloatArray
    """(..., G) variance from the runs of each network: weight² · MS / S."""
    run_df: FloatArray
    """(G,) S − 1 of each network."""
    patients: FloatArray
    """(...) covariance over patients between different runs, 0 if it is negative."""
    jackknife: FloatArray
    """(...) jackknife variance of the weighted sum, with these runs fixed."""

    @property
    def variance(self) -> FloatArray:
        """(...) total variance, at least the jackknife variance over patients."""
        return np.maximum(self.runs.sum(-1) + self.patients, self.jackknife)

    @property
    def df(self) -> FloatArray:
        """(...) Satterthwaite's degrees of freedom of ``variance``, infinite if the runs have no spread."""
        spread = (self.runs**2 / self.run_df).sum(-1)
        whole = np.broadcast_to(np.inf, np.shape(spread)).copy()
        return np.divide(self.variance**2, spread, out=whole, where=spread > 0)


def variance_parts(networks: Sequence[CheckedRow], weights: Sequence[float]) -> VarianceParts:
    """Return the parts of the variance of the weighted sum of the networks' means over their runs.

    Args:
        networks: ``theta`` (..., S_n) and ``jackknife`` (..., S_n, P) of each network, the same patients for all.
        weights: One per network.
    """
    sizes = np.array([scores.shape[-1] for scores, _ in networks])
    scale = np.asarray(weights) ** 2 / sizes
    run_df = np.maximum(sizes - 1, 1)  # one run: its variance is 0 here, and its interval nan
    squares = [((scores - scores.mean(-1, keepdims=True)) ** 2).sum(-1) for scores, _ in networks]
    means = [left_out.mean(-2) for _, left_out in networks]
    value = sum(weight * scores.mean(-1) for weight, (scores, _) in zip(weights, networks, strict=True))
    jackknife = _variance(sum(weight * mean for weight, mean in zip(weights, means, strict=True)))
    run_spread = [_variance(left - mean[..., None, :]).sum(-1) for (_, left), mean in zip(networks, means, strict=True)]
    # the covariance of a network's mean with itself exceeds that between its different runs by run_spread / (S (S − 1))
    patients = jackknife - (np.stack(run_spread, -1) * scale / run_df).sum(-1)
    runs = np.stack(squares, -1) * scale / run_df
    return VarianceParts(np.asarray(value), runs, run_df, np.maximum(patients, 0), jackknife)


def _variance(left_out: FloatArray) -> FloatArray:
    """Return the jackknife variance (...) of ``left_out`` (..., P)."""
    patients = left_out.shape[-1]
    gaps = left_out - left_out.mean(-1, keepdims=True)
    return np.asarray((patients - 1) / patients * (gaps**2).sum(-1))
