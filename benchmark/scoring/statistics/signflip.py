"""Sign-flip test by patient: swap the two methods at random.

If neither of two methods is better, swapping their results on a patient does not change the distribution of their
difference: its sign is a coin flip. The p-value is the share of flips that give a difference at least as large as the
observed one, in either direction. Fisher, "The design of experiments", 1935, section 21.
"""

import functools

import numpy as np
from numpy.typing import NDArray

from benchmark.scoring.statistics.bootstrap import blocks, mean
from benchmark.scoring.statistics.patients import Sums, ratio
from core.errors import BadValueError
from core.seeds import generator
from core.types import FloatArray

FLIPS = 10_000
EXACT = 13
"""With up to this many differing patients all 2^n flips (8192) are used, so the p-value is exact."""


def sign_flip(first: Sums, second: Sums, seed: int = 0) -> FloatArray:
    """Return two-sided p-values (F+1,M) from sums (P,F,M) of the same patients: per finding, then of the mean.

    A patient is swapped in all findings at once. Patients without a difference do not count. If at most 13 patients
    differ the test is exact, else p = (1 + flips at least as extreme) / (1 + 10,000). nan for a finding without cases.
    Raises ``BadValueError`` if the sums have different patients, findings or columns.
    """
    if first.numerator.shape != second.numerator.shape:
        shapes = f"sums of shapes {first.numerator.shape} and {second.numerator.shape}"
        raise BadValueError(f"cannot compare scores of different cases ({shapes}): score both on the same cases")
    gap = np.stack([first.numerator - second.numerator, first.denominator - second.denominator]) / 2
    both = np.stack([(first.numerator + second.numerator).sum(0), (first.denominator + second.denominator).sum(0)]) / 2
    changes = (gap != 0).any(0)
    differ = np.concatenate([changes, changes.any(1, keepdims=True)], 1)  # (P, F + 1, M): a swap changes something
    p = (1 + _extreme(gap, both, _coins(len(changes), FLIPS, seed))) / (1 + FLIPS)
    for row, column in zip(*np.nonzero(differ.sum(0) <= EXACT), strict=True):
        some, one = np.flatnonzero(differ[:, row, column]), slice(column, column + 1)
        alone = gap[:, some][..., one], both[..., one]  # one column with the patients that matter to it
        p[row, column] = _extreme(*alone, _all_coins(len(some)))[row, 0] / 2 ** len(some)
    p[~np.isfinite(_with_mean(first.value - second.value))] = np.nan
    return p


def holm(p: FloatArray) -> FloatArray:
    """Adjust p-values of any shape for their number, so that the family-wise error rate is the nominal one.

    The smallest of m is multiplied by m, the next by m − 1 and so on; each is at least the previous one and at most 1.
    nan stays and does not count. Holm, "A simple sequentially rejective multiple test procedure", Scand. J. Statist. 6
    (1979).

    >>> holm(np.array([0.01, 0.04, 0.03])).tolist()
    [0.03, 0.06, 0.06]
    """
    out = np.array(p, dtype=np.float64)
    defined = np.flatnonzero(np.isfinite(out))
    order = defined[np.argsort(out.flat[defined], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    out.flat[order] = np.minimum(np.maximum.accumulate(out.flat[order] * factors), 1)
    return out


def _extreme(gap: FloatArray, both: FloatArray, coins: NDArray[np.int8]) -> FloatArray:
    """Count the flips (F+1,M) with a difference at least as large as observed; undefined differences count.

    Args:
        gap: half the difference per patient, whose sign is flipped, (2,P,F,M) of numerators and of denominators.
        both: half the sum over patients, which does not change, (2,F,M).
        coins: 1 or −1 of each flip and patient, (B,P).
    """
    seen = np.abs(_difference(gap, both, np.ones((1, coins.shape[1]))))[0]
    slack = 1e-12 * _with_mean(ratio(np.abs(gap[0]).sum(0) + np.abs(both[0]), both[1]))
    count = np.zeros(seen.shape)
    for rows in blocks(len(coins), max(coins.shape[1], seen.size) * 4):
        less = np.abs(_difference(gap, both, coins[rows].astype(np.float64))) < seen - slack  # (b, F + 1, M)
        count += (~less).sum(0)
    return count


def _difference(gap: FloatArray, both: FloatArray, coins: FloatArray) -> FloatArray:
    """Return the differences (B,F+1,M) of the two ratios and of their means for each flip."""
    (part, whole), (parts, wholes) = (np.tensordot(coins, half, 1) for half in gap), both
    return _with_mean(ratio(parts + part, wholes + whole) - ratio(parts - part, wholes - whole))


def _with_mean(values: FloatArray) -> FloatArray:
    """Append the mean over findings to values (...,F,M): (...,F+1,M)."""
    return np.concatenate([values, np.expand_dims(mean(values, -2), -2)], -2)


@functools.lru_cache(maxsize=2)
def _coins(patients: int, throws: int, seed: int) -> NDArray[np.int8]:
    return generator(seed, "sign flips").integers(0, 2, (throws, patients), dtype=np.int8) * np.int8(2) - np.int8(1)


@functools.cache
def _all_coins(patients: int) -> NDArray[np.int8]:
    return (1 - 2 * (np.arange(2**patients)[:, None] >> np.arange(patients) & 1)).astype(np.int8)
