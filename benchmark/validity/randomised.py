"""Whether a method's maps depend on what the network has learned."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from benchmark.protocols.base import Case, Result, usable, with_truth
from benchmark.statistics.summary import Column
from benchmark.validity.base import TRAINED, Check
from benchmark.validity.reinitialised import part_names, reinitialise
from benchmark.validity.variants import compare
from core.types import FloatArray


class Randomised(Check):
    """The maps of a network whose weights are drawn anew, part by part from the head down, beside the trained one's.

    ``rho@PART`` is the mean over cases of Spearman's rank correlation between the map of the trained network and that
    of the one in which everything from the head down to PART is random, over the h×w positions; ``rho_abs@PART`` that
    of absolute values. A case in which one of the two maps is constant has no correlation and no say.
    ``hit@iou.3@PART`` and ``pointing@PART`` are the hits there, ``change@…`` their difference to the trained network's.
    Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018, section 3.
    """

    name = "randomised"

    def evaluate(self, method: str, seed: int) -> Result:
        """All steps of one method.

        Scores at every depth, and the rank correlation of each step's maps with those of the trained network.
        """
        variants = {TRAINED: self.cases(method)}
        for depth, part in enumerate(part_names(self.runs[0]), start=1):
            variants[part] = self.cases(method, [reinitialise(run, depth) for run in self.runs], f"randomised-{depth}")
        drawn = list(variants)[1:]
        correlations = [column for part in drawn for column in _columns(part, variants[TRAINED], variants[part])]
        return compare(variants, self.findings, seed, correlations).result(self.findings)


def _columns(part: str, first: Sequence[Case], second: Sequence[Case]) -> list[Column]:
    pairs = [(_values(one), _values(two)) for one, two in zip(with_truth(first), with_truth(second), strict=True)]
    plain = np.array([spearman(one, two) for one, two in pairs])
    sizes = np.array([spearman(np.abs(one), np.abs(two)) for one, two in pairs])
    known = {f"rho@{part}": plain, f"rho_abs@{part}": sizes}
    return [Column(m, "none", np.nan_to_num(rho), np.isfinite(rho).astype(np.float64)) for m, rho in known.items()]


def _values(case: Case) -> FloatArray:
    values, _ = usable(case)
    return np.full(1, np.nan) if values is None else values.ravel()


def spearman(first: FloatArray, second: FloatArray) -> float:
    """Rank correlation of two maps' values, ties at their mean rank; nan where one is flat, or shapes differ.

    >>> spearman(np.array([1.0, 2, 3]), np.array([10.0, 100, 1000]))
    1.0
    """
    if first.shape != second.shape or np.isnan([first.sum(), second.sum()]).any():
        return float("nan")
    one, two = (rankdata(values) - (len(values) + 1) / 2 for values in (first, second))
    scale = float(np.sqrt((one**2).sum() * (two**2).sum()))
    return float((one * two).sum() / scale) if scale else float("nan")
