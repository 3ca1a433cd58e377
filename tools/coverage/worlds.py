"""Simulated worlds: two networks, two methods, S trainings and P patients, of whose recipes the truth is known.

A case is a patient × finding. It hits where a logit is above 0: the finding's level, plus patient, case, training and
patient × training effects, all normal, plus logistic noise. With a threshold, the logit falls with the square of the
distance to the case's best one, so a case hits within an interval of thresholds, as in ``benchmark.thresholds.exact``.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from benchmark.thresholds.origins import FOLDS
from core.seeds import generator
from core.types import FloatArray

ROWS = ((0, 0), (0, 1), (1, 0))
"""Network and method of the rows of a world: the second is paired with the first, the third nested."""
LEVELS = (1.2, 0.8, 1.0)
"""Logit of each row."""
PATIENT, CASE, BY_METHOD, BY_NETWORK, BY_TRAINING = 1.5, 4.0, 1.0, 1.0, 2.0
"""Standard deviations in logits: of patients, of cases, and of a case by method, by network, of a patient by training.

Hits correlate by .5 between networks and by .6 between methods on one training, as those of the committed tables do.
"""
OF_METHOD = 0.5
"""Share of a training's standard deviation that is the method's own on it."""
STEPS, FALL, SHIFT, BLUR = 64, 200.0, 0.05, 0.12
"""Thresholds tried; how a logit falls with a squared distance; where best thresholds lie: by training, by case."""
FINDING, CENTRE = 1.0, 0.1
"""How far the easiest and the hardest finding lie from the middle: in logits, and their best thresholds."""
CASES = 2
"""Findings of a patient, where there are several."""


@dataclass(frozen=True)
class Simulation:
    """What is simulated."""

    trainings: int
    patients: int
    seed_sd: float
    """Standard deviation of a row over trainings, patients being infinitely many."""
    findings: int = 1
    thresholds: str = "fixed"
    """``fixed`` (the score looks at no truth) or ``cross-fitted`` by patient and finding within each training."""


@dataclass(frozen=True, eq=False)
class Worlds:
    """W worlds with R rows each."""

    theta: FloatArray
    """(R,W,S) scores: the mean over findings."""
    jackknife: FloatArray
    """(R,W,S,P) the same without one patient, thresholds held."""


def worlds(setting: Simulation, count: int, seed: int = 0) -> Worlds:
    """``count`` worlds of a setting; the same ``seed``, the same worlds."""
    return _worlds(setting, count, seed, setting.seed_sd / _slope(setting.findings, setting.thresholds))


@lru_cache
def _slope(findings: int, thresholds: str) -> float:
    """By how much a score rises with one logit: what makes logits of a standard deviation on the score's scale."""
    pilot = Simulation(1, 2000, 0.0, findings, thresholds)
    high, low = (_worlds(pilot, 60, 0, 0.0, shift).theta.mean() for shift in (0.2, -0.2))
    return float((high - low) / 0.4)


def _worlds(setting: Simulation, count: int, seed: int, sd: float, shift: float = 0.0) -> Worlds:
    S, P, K = setting.trainings, setting.patients, min(CASES, setting.findings)
    name = ", ".join(f"{field}={value!r}" for field, value in asdict(setting).items())
    random = generator(seed, "worlds", f"Setting({name})")

    def normal(deviation: float, *shape: int) -> NDArray[np.float32]:
        return np.float32(deviation) * random.standard_normal((count, *shape), dtype=np.float32)

    first = random.integers(0, setting.findings, (count, P, 1))
    findings = (first + np.arange(K) * random.integers(1, max(2, setting.findings), (count, P, 1))) % setting.findings
    level = np.linspace(-1, 1, setting.findings, dtype=np.float32)[findings] * np.float32(setting.findings > 1)
    case = np.float32(FINDING) * level + normal(PATIENT, P, 1) + normal(CASE, P, K) + np.float32(shift)
    by_network = case[:, None] + normal(BY_NETWORK, 2, P, K)
    by_method = normal(BY_METHOD, 2, P, K)
    training = normal(sd * np.sqrt(1 - OF_METHOD**2), 2, S)[..., None] + normal(BY_TRAINING, 2, S, P)
    centre = 0.5 + np.float32(CENTRE) * level[:, None, None] + normal(SHIFT, 2, S, 1, 1) + normal(BLUR, 2, S, P, K)
    scores = []
    for row, (network, method) in enumerate(ROWS):
        of_seed = normal(sd * OF_METHOD, S)[..., None, None] + training[:, network, ..., None]
        u = random.random((count, S, P, K), dtype=np.float32).clip(1e-6, 1 - 1e-6)
        still = (by_network[:, network] + by_method[:, method])[:, None] + np.float32(LEVELS[row])
        logits = still + of_seed + np.log(u / (1 - u))
        hits = logits > 0
        if setting.thresholds == "cross-fitted":
            hits = cross_fitted_hits(*reach(logits, centre[:, network]), findings, setting.findings)
        scores.append(_scored(hits, findings, setting.findings))
    return Worlds(*(np.stack(side) for side in zip(*scores, strict=True)))


def reach(logits: FloatArray, centre: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Logits at the best thresholds -> the first threshold, counted in steps, that hits, and the first that no more."""
    half = np.sqrt(np.maximum(logits, 0) / FALL)
    begin, end = (np.ceil((centre + side * half) * STEPS).clip(0, STEPS).astype(np.int64) for side in (-1, 1))
    return begin, end


def cross_fitted_hits(
    begin: NDArray[np.int64], end: NDArray[np.int64], findings: NDArray[np.int64], count: int
) -> NDArray[np.bool_]:
    """(W,S,P,K) hits at thresholds from ``begin`` to ``end``, (W,P,K) findings -> hits at cross-fitted thresholds.

    The patients' folds are dealt in turn. A fold's threshold of a finding is the one with most hits in the other folds,
    the lowest of those, as ``benchmark.thresholds.origins`` has it.
    """
    W, S, P, _ = begin.shape
    of_case = findings[:, None] * FOLDS + (np.arange(P) % FOLDS)[:, None]
    group = np.arange(W * S).reshape(W, S, 1, 1) * count * FOLDS + of_case
    size = W * S * count * FOLDS * (STEPS + 1)
    gained, lost = (np.bincount((group * (STEPS + 1) + side).ravel(), minlength=size) for side in (begin, end))
    hits = (gained - lost).reshape(W * S, count, FOLDS, STEPS + 1).cumsum(-1)
    best = (hits.sum(2, keepdims=True) - hits).argmax(-1).ravel()[group]
    return (begin <= best) & (best < end)


def _scored(hits: NDArray[np.bool_], findings: NDArray[np.int64], count: int) -> tuple[FloatArray, FloatArray]:
    """(W,S,P,K) hits -> (W,S) the mean over findings, (W,S,P) that without each patient, by leave-one-out sums."""
    W, S = hits.shape[:2]
    world = np.arange(W)[:, None, None] * count + findings
    cases = np.bincount(world.ravel(), minlength=W * count).reshape(W, 1, count)
    group = np.arange(W * S).reshape(W, S, 1, 1) * count + findings[:, None]
    share = np.bincount(group.ravel(), hits.ravel(), W * S * count).reshape(W, S, count)
    n, total = cases.ravel()[world][:, None], share.ravel()[group]
    change = ((total - hits) / (n - 1) - total / n).sum(-1) / count
    theta = (share / cases).mean(-1)
    return theta, theta[..., None] + change
