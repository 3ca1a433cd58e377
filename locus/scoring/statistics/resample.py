"""Resample patients: sums of cases by patient, bootstrap, 95% intervals, sign-flip test, and parts of a variance.

Statistics resample patients, not images, since images of a patient resemble each other. A case is one finding of one
image, so a patient has many. Every score is a ratio of sums over cases (hits / cases, localized boxes / truth boxes),
so resampling, jackknife and sign flips only need a sum per patient: ``CaseIndex`` and ``by_patient`` make the ``Sums``,
``bootstrap_draws`` resamples them, ``intervals`` gives their intervals, ``sign_flip`` and ``holm`` p-values.

``independent_difference`` compares a published share, of which only the number of cases is known, with resampled ones.

Means over training runs are compared in ``mrmc``; the scores of a record are made in ``summary``.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from statistics import NormalDist
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from threadpoolctl import ThreadpoolController

from locus.core.errors import BadValueError
from locus.core.frames import ratio
from locus.core.scores import Estimate
from locus.core.types import FloatArray, generator

SHARED_SUFFIX = "@shared"
"""Suffix of a metric whose score threshold all findings share, and the key of that threshold."""
RESAMPLES = 10_000
BLOCK_WEIGHTS = 2**21
"""Size of a block of temporary weights: 8 MB for any number of patients."""
MIN_PATIENTS = 10
"""Smallest number of patients with an interval."""
SHARE_ROUNDING = 1e-6
"""Shares that differ less from 0 or 1 are 0 or 1: boxes are stored in single precision."""
LEVEL = 0.95
"""Level of all intervals."""
FLIPS = 10_000
MAX_EXACT_PATIENTS = 13
"""With up to this many differing patients all 2^n flips (8192) are used, so the p-value is exact."""
BISECTION_STEPS = 60
"""Bisection steps: more than the bits of a float64."""

BLAS = ThreadpoolController()
ONE_BLAS_THREAD = BLAS.wrap(limits=1, user_api="blas")
"""Decorator: several threads change rounding, and are slower for products of small matrices."""
_NORMAL = NormalDist()
_quantile = np.vectorize(_NORMAL.inv_cdf, otypes=[np.float64])
_share = np.vectorize(_NORMAL.cdf, otypes=[np.float64])

Counts = NDArray[np.uint8]
Samples = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class CaseIndex:
    """Finding, patient and training run of N cases."""

    findings: NDArray[np.str_]
    """(N,)."""
    patients: NDArray[np.str_]
    """(N,)."""
    trainings: NDArray[np.int64]
    """(N,) index of the training run whose network produced the map."""

    @classmethod
    def of(
        cls,
        findings: Sequence[str],
        patients: Sequence[str],
        trainings: Sequence[int] | None = None,
    ) -> "CaseIndex":
        """Create an index; by default, all maps are of one training run."""
        if trainings is None:
            trainings = [0] * len(findings)
        return cls(
            findings=np.asarray(findings, dtype=str),
            patients=np.asarray(patients, dtype=str),
            trainings=np.asarray(trainings, dtype=np.int64),
        )

    def __len__(self) -> int:
        """Return the number of cases."""
        return len(self.findings)

    def groups(self, shared: bool) -> dict[str, NDArray[np.bool_]]:
        """Return masks (N,) of the cases that share a threshold: by finding, or all as ``@shared``."""
        if shared:
            return {SHARED_SUFFIX: np.ones(len(self), dtype=bool)}
        return {str(finding): self.findings == finding for finding in np.unique(self.findings)}


@dataclass(frozen=True, eq=False)
class Sums:
    """Numerators and denominators: P patients × F findings × M columns (metrics, thresholds or records)."""

    numerator: FloatArray
    """(P,F,M)."""
    denominator: FloatArray
    """(P,F,M), 0 if the patient has no case of the finding."""

    @property
    def present(self) -> NDArray[np.bool_]:
        """(P,F,M) True for patients with a case of the finding."""
        return self.denominator > 0

    @property
    def value(self) -> FloatArray:
        """(F,M) sum of numerators / sum of denominators; nan for a finding without cases."""
        return ratio(self.numerator.sum(0), self.denominator.sum(0))

    @property
    def without(self) -> FloatArray:
        """(P,F,M) value without each patient (jackknife)."""
        return ratio(
            self.numerator.sum(0) - self.numerator, self.denominator.sum(0) - self.denominator
        )


def by_patient(
    numerator: ArrayLike,
    denominator: ArrayLike,
    findings: ArrayLike,
    patients: ArrayLike,
    names: Sequence[str],
) -> Sums:
    """Sum numerators and denominators of cases by patient (sorted) and finding.

    Args:
        numerator: (N,M).
        denominator: (N,M).
        findings: (N,) finding of each case.
        patients: (N,) patient of each case.
        names: findings of the result, in order.

    Raises:
        BadValueError: the four arrays have different lengths.

    >>> sums = by_patient([[1.0], [0.0], [1.0]], [[1.0]] * 3, ["mass"] * 3, ["p", "p", "q"], ["mass"])
    >>> sums.numerator.ravel().tolist()
    [1.0, 1.0]
    """
    numerators = np.asarray(numerator, dtype=np.float64)
    denominators = np.asarray(denominator, dtype=np.float64)
    finding_of = np.asarray(findings, dtype=str)
    patient_of = np.asarray(patients, dtype=str)
    same_shape = numerators.shape == denominators.shape
    if not (same_shape and len(numerators) == len(finding_of) == len(patient_of)):
        shapes = (
            f"{numerators.shape}, {denominators.shape}, {finding_of.shape} and {patient_of.shape}"
        )
        raise BadValueError(
            f"arrays of shapes {shapes} do not match: give one row, finding and patient per case"
        )
    return CaseGroups.of(finding_of, patient_of, names).sums(numerators, denominators)


class CaseGroups(NamedTuple):
    """The cases of each patient and finding."""

    cases: NDArray[np.int64]
    """(N,) cases, by patient and finding."""
    starts: NDArray[np.int64]
    """Index of the first case of each group in ``cases``."""
    numbers: NDArray[np.int64]
    """Number of each group: patient · F + finding."""
    patients: int
    findings: int

    @classmethod
    def of(
        cls,
        findings: NDArray[np.str_],
        patients: NDArray[np.str_],
        names: Sequence[str] | None = None,
    ) -> Self:
        """Group cases by patient, sorted, and by the findings ``names`` (None: all, sorted); others are left out."""
        if names is None:
            names = np.unique(findings).tolist()
        distinct_patients, patient_index = np.unique(patients, return_inverse=True)
        finding_index, case = np.nonzero(np.asarray(names, dtype=str)[:, None] == findings)
        group = patient_index[case] * len(names) + finding_index
        order = np.argsort(group, kind="stable")
        numbers, starts = np.unique(group[order], return_index=True)
        return cls(
            cases=case[order],
            starts=starts,
            numbers=numbers,
            patients=len(distinct_patients),
            findings=len(names),
        )

    def sums(self, numerator: FloatArray, denominator: FloatArray) -> Sums:
        """Return the sums over the cases of each patient and finding of arrays (N,M)."""
        return Sums(numerator=self._sum(numerator), denominator=self._sum(denominator))

    def _sum(self, values: FloatArray) -> FloatArray:
        """Return the sums (P,F,M) of values (N,M); 0 for a group without a case."""
        sums = np.zeros((self.patients * self.findings, values.shape[1]))
        sums[self.numbers] = np.add.reduceat(values[self.cases], self.starts)
        return sums.reshape(self.patients, self.findings, values.shape[1])


@dataclass(frozen=True, eq=False)
class Resampled:
    """Values of any shape ``...`` with their resamples and their jackknife by patient: the input of an interval."""

    value: FloatArray
    """(...) values, nan where undefined."""
    samples: Samples
    """(R,...) values in each resample."""
    without: FloatArray
    """(P,...) values without each patient (jackknife)."""
    present: NDArray[np.bool_]
    """(P,...) True for patients with a case of the value."""

    def __getitem__(self, index: Any) -> "Resampled":
        """Select some of the values; ``index`` applies to the axes ``...``."""
        in_each = (slice(None), *index) if isinstance(index, tuple) else (slice(None), index)
        return Resampled(
            value=self.value[index],
            samples=self.samples[in_each],
            without=self.without[in_each],
            present=self.present[in_each],
        )

    def over(self, function: Callable[[Any], Any], axis: int = -1) -> "Resampled":
        """Reduce the values, the resamples and the jackknife along ``axis`` with ``function``."""
        return Resampled(
            value=function(self.value),
            samples=function(self.samples),
            without=function(self.without),
            present=np.logical_or.reduce(self.present, axis=axis),
        )

    @classmethod
    def join(cls, resampled: "Sequence[Resampled]") -> "Resampled":
        """Stack n values (...) of the same patients and resamples: (...,n)."""
        stacked = {}
        for field in fields(cls):
            values = [getattr(draws, field.name) for draws in resampled]
            stacked[field.name] = np.stack(values, -1)
        return cls(**stacked)

    def __sub__(self, other: "Resampled") -> "Resampled":
        """Return paired differences, on the same patients and resamples; differences below float32 rounding are 0."""
        value = self.value - other.value
        samples = self.samples - other.samples
        rounding = 4 * np.finfo(np.float32).eps * (np.abs(self.samples) + np.abs(other.samples))
        np.copyto(samples, value, where=np.abs(samples - value) <= rounding, casting="same_kind")
        return Resampled(
            value=value,
            samples=samples,
            without=self.without - other.without,
            present=self.present | other.present,
        )


@functools.lru_cache(maxsize=8)
def weights(patients: int, seed: int, resamples: int = RESAMPLES) -> Counts:
    """Return how often each patient is drawn in each resample (R,P), read-only; rows sum to P.

    One byte is enough: the probability that a patient is drawn more than 255 times is below 1e-500.
    """
    random = generator(seed, "bootstrap")
    drawn = np.empty((resamples, patients), dtype=np.uint8, order="F")
    for rows in blocks(resamples, 4 * patients):  # two arrays of eight-byte integers
        size = rows.stop - rows.start
        numbers = random.integers(0, patients, (size, patients))
        # one count for all resamples: patient p of resample r has the number r · P + p
        numbers += patients * np.arange(size)[:, None]
        drawn[rows] = np.bincount(numbers.ravel(), minlength=numbers.size).reshape(numbers.shape)
    drawn.setflags(write=False)
    return drawn


def bootstrap_draws(sums: Sums, seed: int = 0) -> Resampled:
    """Resample the ratios (F,M) of ``sums`` (P,F,M) 10,000 times; nan if a resample has no case of the finding.

    The resamples are a matrix of counts times the sums per patient: a patient drawn twice counts twice. One matrix
    product computes all findings, metrics, thresholds and cells.

    Needs 4·R·F·M bytes of memory; ``resample_over`` needs less. One thread computes, because more round differently.
    """
    drawn = weights(len(sums.numerator), seed)
    # (F, M, R): columns are sorted later
    samples = np.full((*sums.numerator.shape[1:], len(drawn)), np.nan, dtype=np.float32)
    with BLAS.limit(limits=1, user_api="blas"):
        for finding in range(len(samples)):
            drawable = np.flatnonzero(sums.denominator[:, finding].any(1))
            numerator = sums.numerator[drawable, finding].T.astype(np.float32)
            denominator = sums.denominator[drawable, finding].T.astype(np.float32)
            for rows in blocks(len(drawn), len(drawable)):
                times = drawn[rows, drawable].T.astype(np.float32)  # (P', r)
                totals = _totals(denominator, times)
                totals[totals == 0] = np.nan  # 0/0 is never 0
                np.divide(numerator @ times, totals, out=samples[finding, :, rows])
    return Resampled(
        value=sums.value,
        samples=np.moveaxis(samples, -1, 0),
        without=sums.without,
        present=sums.present,
    )


def _totals(whole: Samples, times: Samples) -> Samples:
    """Multiply ``whole`` (M,P') by draws (P',r): (M,r), or (1,r) if all M rows are equal, as for hits at several IoUs.

    The shorter result is used only if float32 adds exactly, so that both give the same bits.
    """
    is_exact = (
        whole.size and whole.shape[1] * whole.max() < 2**24 and (whole == np.rint(whole)).all()
    )
    if is_exact and (whole == whole[:1]).all():
        return whole[:1] @ times
    return whole @ times


def resample_over(sums: Sums, function: Callable[[Any], Any], seed: int = 0) -> Resampled:
    """Return ``bootstrap_draws(sums, seed).over(function)`` (F,), computed finding by finding in less memory.

    ``function`` reduces the M columns along the last axis, for example to the maximum over thresholds.
    """
    resampled = []
    for finding in range(sums.numerator.shape[1]):
        of_finding = Sums(sums.numerator[:, [finding]], sums.denominator[:, [finding]])
        resampled.append(bootstrap_draws(of_finding, seed).over(function)[0])
    return Resampled.join(resampled)


def mean(values: Any, axis: int) -> Any:
    """Return the unweighted mean of the finite ``values`` along ``axis``; nan if there are none.

    >>> mean(np.array([[1.0, np.nan], [0.0, np.nan]]), 0).tolist()
    [0.5, nan]
    """
    is_defined = np.isfinite(values)
    total = np.where(is_defined, values, 0).sum(axis)
    count = is_defined.sum(axis).astype(values.dtype)
    return ratio(total, count)


def over_findings(columns: Resampled) -> Resampled:
    """Return the mean (M,) over findings of ``columns`` (F,M); in each resample, over its findings with cases."""
    return columns.over(lambda values: mean(values, -2), -2)


def blocks(rows: int, width: int) -> list[slice]:
    """Split a table of ``rows`` × ``width`` numbers into slices of rows with at most ``BLOCK_WEIGHTS`` numbers."""
    step = max(1, BLOCK_WEIGHTS // max(1, width))
    return [slice(start, min(rows, start + step)) for start in range(0, rows, step)]


def interval(resampled: Resampled) -> FloatArray:
    """Return the BCa interval (...,2) of values (...); nan below 10 patients and if nothing is defined.

    BCa is bias-corrected and accelerated. Efron, "Better bootstrap confidence intervals", JASA 82 (1987); Efron and
    Tibshirani, "An introduction to the bootstrap", 1993, equations 14.9 to 14.15: percentiles at
    Φ(z0 + (z0 + z)/(1 − a(z0 + z))), where z0 measures the median bias of the resamples and a, from the jackknife by
    patient, how the standard error changes with the value.

    Coverage of the 95% interval of a share (10,000 simulations each, shares .2 to .8, 1 to 5 images per patient,
    correlation 1/4), in per cent by the number of patients:

    patients     10    20    50    100   200
    BCa          91.2  93.7  94.5  94.9  95.1
    percentile   89.4  92.1  93.9  94.7  95.0

    A maximum over thresholds that is chosen again in each resample (``oracle``) has a bias that its interval does not
    cover: with 120 patients BCa covers the true share at the best threshold in 90% of runs, percentile in 75%; for the
    mean of eight such maxima in 44% and 1% (150 simulations).

    Undefined resamples are left out. If all resamples agree (every case is a hit), both ends are the value; see
    ``exact``. A value outside the middle 95% of its resamples has no interval, because its bias is larger than its
    spread. So every interval contains its value.
    """
    return intervals([resampled])[0]


def intervals(resampled: Sequence[Resampled]) -> list[FloatArray]:
    """Return ``interval`` of each, equal bit for bit, computed together in half of the time."""
    if not resampled:
        return []
    has_enough = [_flat(draws.present).sum(0) >= MIN_PATIENTS for draws in resampled]
    draws_and_masks = list(zip(resampled, has_enough, strict=True))
    samples = np.concatenate([_samples_of(draws, mask) for draws, mask in draws_and_masks])
    value = np.concatenate([draws.value.ravel()[mask] for draws, mask in draws_and_masks])
    a = np.concatenate(
        [acceleration(_flat(draws.without))[mask] for draws, mask in draws_and_masks]
    )
    samples.sort(axis=-1)  # nan last
    defined = np.isfinite(samples).sum(1)
    z0 = bias(samples, value)
    ends_of_enough = _at(samples, defined, _tails(z0, a))
    is_outside = np.abs(z0) > _NORMAL.inv_cdf((1 + LEVEL) / 2)
    ends_of_enough[(defined == 0) | is_outside] = np.nan
    ends = np.full((sum(map(len, has_enough)), 2), np.nan)
    ends[np.concatenate(has_enough)] = ends_of_enough
    last_indices = np.cumsum([draws.value.size for draws in resampled])[:-1]
    split_ends = np.split(ends, last_indices)
    return [
        rows.reshape(*draws.value.shape, 2)
        for rows, draws in zip(split_ends, resampled, strict=True)
    ]


def _samples_of(resampled: Resampled, mask: NDArray[np.bool_]) -> Samples:
    """Return the samples (C',R) of the C' values in the mask; a view if these are all."""
    samples = np.moveaxis(resampled.samples, 0, -1).reshape(resampled.value.size, -1)
    return samples if mask.all() else samples[mask]


def _flat(values: NDArray[Any]) -> NDArray[Any]:
    """Reshape (P,...) to (P,C)."""
    return values.reshape(len(values), -1)


def exact(value: FloatArray, patients: NDArray[np.int64]) -> FloatArray:
    """Return the binomial bounds (F,2) of shares (F,) that are 0 or 1 but for rounding, where all resamples agree.

    Clopper and Pearson (1934): 0 of n patients gives an upper end of 1 − .025^(1/n). Other shares, and fewer than 10
    patients, give nan.

    >>> exact(np.array([0.0, 1.0, 0.5]), np.array([11, 11, 11])).round(3).tolist()
    [[0.0, 0.285], [0.715, 1.0], [nan, nan]]
    """
    bound = ((1 - LEVEL) / 2) ** (1 / np.maximum(patients, 1))
    ends = np.full((len(value), 2), np.nan)
    is_none = value <= SHARE_ROUNDING
    is_all = value >= 1 - SHARE_ROUNDING
    ends[is_none] = np.stack([np.zeros_like(bound), 1 - bound], 1)[is_none]
    ends[is_all] = np.stack([bound, np.ones_like(bound)], 1)[is_all]
    ends[patients < MIN_PATIENTS] = np.nan
    return ends


def bias(ordered: Samples, value: FloatArray) -> FloatArray:
    """Return z0 (C,): the rank of each value (C,) among its ascending samples (C,R); ties count half.

    Shares are discrete, so ties are frequent. Samples are float32: values that differ in the last two bits are equal.
    Outside all samples the rank is half a sample, since Φ⁻¹(0) is infinite.
    """
    slack = 4 * np.finfo(np.float32).eps * np.abs(value)
    below = (ordered < (value - slack)[:, None]).sum(1)
    above = (ordered > (value + slack)[:, None]).sum(1)
    defined = np.maximum(np.isfinite(ordered).sum(1), 1)
    share = 0.5 + (below - above) / (2 * defined)
    return _quantile(np.clip(share, 0.5 / defined, 1 - 0.5 / defined))


def acceleration(without: FloatArray) -> FloatArray:
    """Return a (C,) = Σd³ / (6 (Σd²)^1.5), where d = mean − value of the jackknife (P,C); 0 if all values agree.

    >>> float(acceleration(np.array([[0.0], [0.0], [0.0], [4.0]]))[0].round(6))  # d = 1, 1, 1, -3: -24 / (6 · 12^1.5)
    -0.096225
    """
    defined = np.isfinite(without)
    defined_values = np.where(defined, without, 0)
    d = np.where(defined, defined_values.sum(0) / np.maximum(defined.sum(0), 1) - defined_values, 0)
    scale = np.abs(d).max(0, initial=0)
    d = np.divide(d, scale, out=np.zeros_like(d), where=scale > 0)
    squares = (d**2).sum(0)
    return np.divide((d**3).sum(0), 6 * squares**1.5, out=np.zeros_like(squares), where=squares > 0)


def _tails(z0: FloatArray, a: FloatArray) -> FloatArray:
    """Return the BCa shares (C,2) of the two tails; the denominator is positive, since |a| < 1/6 and |z0 + z| < 6."""
    z = z0[:, None] + _quantile([(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return _share(z0[:, None] + z / (1 - a[:, None] * z))


def _at(ordered: Samples, defined: NDArray[np.int64], shares: FloatArray) -> FloatArray:
    """Return the percentiles (C,2) of ascending samples (C,R) at the ``shares`` (C,2), linear between neighbours."""
    position = shares * (np.maximum(defined, 1) - 1)[:, None]
    floor = np.floor(position).astype(np.int64)
    ceiling = np.ceil(position).astype(np.int64)
    low = np.take_along_axis(ordered, floor, 1).astype(np.float64)
    high = np.take_along_axis(ordered, ceiling, 1).astype(np.float64)
    return low + (position - floor) * (high - low)


def sign_flip(first: Sums, second: Sums, seed: int = 0) -> FloatArray:
    """Return two-sided p-values (M,) of the difference of two means over findings, from sums (P,F,M) of the same cases.

    If neither of two methods is better, swapping their results on a patient does not change the distribution of their
    difference: its sign is a coin flip. The p-value is the share of random flips that give a difference at least as
    large as the observed one, in either direction. Fisher, "The design of experiments", 1935, section 21.

    A patient is swapped in all findings at once. Patients without a difference do not count. If at most 13 patients
    differ the test is exact, else p = (1 + flips at least as extreme) / (1 + 10,000). nan without cases. Raises
    ``BadValueError`` if the sums have different patients, findings, columns or cases.
    """
    if (
        first.numerator.shape != second.numerator.shape
        or (first.denominator != second.denominator).any()
    ):
        shapes = f"sums of shapes {first.numerator.shape} and {second.numerator.shape}"
        raise BadValueError(
            f"cannot compare scores of different cases ({shapes}): score both on the same cases"
        )
    gaps = first.numerator - second.numerator
    whole = first.denominator.sum(0)
    changes = mean(
        ratio(gaps, np.broadcast_to(whole, gaps.shape)), 1
    )  # (P,M) of the mean over findings
    size = mean(
        ratio(np.abs(gaps).sum(0), whole), 0
    )  # (M,) of what is added: the scale of its rounding
    p = (1 + _extreme(changes, size, _coins(len(gaps), FLIPS, seed))) / (1 + FLIPS)
    has_difference = (gaps != 0).any(1)
    few_differ = has_difference.sum(0) <= MAX_EXACT_PATIENTS
    for column in np.flatnonzero(few_differ).tolist():
        differing = changes[has_difference[:, column], column : column + 1]
        extreme = _extreme(differing, size[column : column + 1], _all_coins(len(differing)))
        p[column] = extreme[0] / 2 ** len(differing)
    return np.where((whole > 0).any(0), p, np.nan)


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


def _extreme(changes: FloatArray, size: FloatArray, coins: NDArray[np.int8]) -> FloatArray:
    """Count the flips (M,) for which the sum of ``changes`` (P,M) with signs ``coins`` (B,P) is as large as without."""
    observed = np.abs(changes.sum(0)) - 1e-12 * size
    count = np.zeros(len(size))
    for rows in blocks(len(coins), max(coins.shape[1], len(size)) * 4):
        flipped = np.abs(coins[rows].astype(np.float64) @ changes)
        count += (flipped >= observed).sum(0)
    return count


@functools.lru_cache(maxsize=2)
def _coins(patients: int, throws: int, seed: int) -> NDArray[np.int8]:
    return generator(seed, "sign flips").integers(
        0, 2, (throws, patients), dtype=np.int8
    ) * np.int8(2) - np.int8(1)


@functools.cache
def _all_coins(patients: int) -> NDArray[np.int8]:
    bits = np.arange(2**patients)[:, None] >> np.arange(patients) & 1
    return (1 - 2 * bits).astype(np.int8)


def independent_difference(published: ArrayLike, counts: ArrayLike, other: Resampled) -> Estimate:
    """Return the mean of published shares minus the mean of ``other`` (F,), with a 95% interval.

    A published share of n cases is binomial, that of ``other`` is resampled by patient, and the two are taken as
    independent: d ± 1.96 √(Σ p(1 − p)/n / F² + s²), where s is the standard deviation of the resampled mean over the
    findings that the resample has. If both were scored on the same cases they are correlated, which makes the interval
    too wide rather than too narrow.

    Args:
        published: (F,) shares by finding, or their mean alone, a number; then the shares of ``least_certain`` give
            the widest interval.
        counts: (F,) cases behind each share; 0 means unknown, and then there is no interval.
        other: (F,) shares of the same findings.

    >>> of_patients = np.repeat([[0.5], [0.3]], 50, 0)  # two findings, resampled: mean .4, standard deviation .1
    >>> box = Resampled(np.array([0.4]), of_patients, of_patients, of_patients > 0)
    >>> gap = independent_difference([0.5], [100], box)  # .1 ± 1.96 √(.25/100 + .1²) = .1 ± .219
    >>> [round(end, 3) for end in gap[:3]], gap.mark
    ([0.1, -0.119, 0.319], 'level')
    >>> of_patients = np.array([[0.5, 0.3], [0.5, np.nan], [0.3, 0.5]])  # no case of the second finding is drawn once
    >>> box = Resampled(np.array([0.4, 0.4]), of_patients, of_patients, of_patients > 0)
    >>> independent_difference([0.9, 0.9], [10, 10], box).mark
    'above'
    """
    shares = np.asarray(published, dtype=np.float64)
    n = np.asarray(counts, dtype=np.float64)
    difference = float(shares.mean() - other.value.mean())
    if (n <= 0).any():
        return Estimate(difference)
    if shares.ndim == 0:
        shares = least_certain(float(shares), n)
    binomial_variance = (shares * (1 - shares) / n).sum() / len(n) ** 2
    resampled_means = mean(other.samples.astype(np.float64), axis=1)
    variance = binomial_variance + np.nanvar(resampled_means)
    reach = _NORMAL.inv_cdf((1 + LEVEL) / 2) * float(np.sqrt(variance))
    return Estimate(difference, low=difference - reach, high=difference + reach)


def least_certain(mean: float, counts: FloatArray) -> FloatArray:
    """Return the shares (F,) in [0,1] with this ``mean`` that maximize Σ p(1 − p)/n, for ``counts`` n (F,).

    At the maximum (1 − 2p)/n is the same for all findings whose share is between 0 and 1.

    >>> least_certain(0.25, np.array([100.0, 100.0])).round(6).tolist()
    [0.25, 0.25]
    >>> least_certain(0.4, np.array([100.0, 300.0])).round(6).tolist()  # .1/100 = .3/300
    [0.45, 0.35]
    """
    low = -1 / counts.min()
    high = 1 / counts.min()
    for _ in range(BISECTION_STEPS):
        middle = (low + high) / 2
        if np.clip((1 - middle * counts) / 2, 0, 1).mean() > mean:
            low = middle
        else:
            high = middle
    return np.clip((1 - high * counts) / 2, 0, 1)
