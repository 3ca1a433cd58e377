"""Simulated worlds: three networks, their methods, training runs and patients, with known true scores.

A case is a patient × finding. It is a hit if its logit is above 0. The logit is a constant plus normal effects of
patient, case, run and patient × run, plus logistic noise. With a threshold, it falls with the squared distance to the
best threshold of the case, so a case is a hit within an interval of thresholds, as in ``scoring.thresholds.exact``.
"""

import itertools
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from locus.benchmark.scoring.score_thresholds import FOLDS
from locus.core.types import FloatArray, generator

METHODS = (7, 2, 2)
"""Equally good methods of each network. Another method is the first one, improved by ``Simulation.better``."""
LEVEL = 1.0
"""Logit of all methods: a score of .57."""
PATIENT, CASE, BY_METHOD, BY_NETWORK, BY_RUN = 1.5, 4.0, 1.0, 1.0, 2.0
"""Standard deviations, in logits, of the effects of patient, case, case × method, case × network and patient × run.

Hits correlate by .5 between networks and by .6 between methods of one run, as in the committed tables.
"""
OF_METHOD = 0.5
"""Share of a run's standard deviation that is specific to the method."""
STEPS, FALL, SHIFT, BLUR = 64, 200.0, 0.05, 0.12
"""Number of thresholds; decrease of the logit per squared distance; standard deviations of the best threshold over runs
and cases."""
FINDING, CENTRE = 1.0, 0.1
"""Distance of the easiest and the hardest finding from the mean, in logits and in best thresholds."""
CASES = 2
"""Number of findings of a patient, if there are several."""
SMALL_SAMPLE = 100
"""Up to this number of patients, the better method is better by .10, above it by .05."""
RUNS = ((2, 2, 2), (3, 3, 3), (5, 5, 5), (2, 5, 3))
SEED_SD = ((0.01,) * 3, (0.05,) * 3, (0.1,) * 3, (0.1, 0.02, 0.05))
PATIENTS = (30, 60, 500)
CROSS_FITTED = ((60, SEED_SD[1]), (500, SEED_SD[1]), (500, SEED_SD[3]))
"""Patients and standard deviations of the settings with eight findings and cross-fitted thresholds."""
NAME = ("runs", "patients", "seed_sd", "findings", "thresholds")
"""Columns that name a setting."""


@dataclass(frozen=True)
class Simulation:
    """One setting of the simulation."""

    runs: tuple[int, ...]
    """Training runs of each network. The first network has another one, which is not used."""
    patients: int
    seed_sd: tuple[float, ...]
    """Standard deviation of each network's scores over training runs, with infinitely many patients."""
    findings: int = 1
    thresholds: str = "fixed"
    """``fixed``, or ``cross-fitted`` by patient and finding within each training run."""

    @property
    def better(self) -> float:
        """True advantage of the better method."""
        return 0.1 if self.patients <= SMALL_SAMPLE else 0.05

    @property
    def name(self) -> tuple[str, ...]:
        """Cells of the table that identify the setting."""
        runs, sds = (" ".join(f"{value:g}" for value in side) for side in (self.runs, self.seed_sd))
        return runs, str(self.patients), sds, str(self.findings), self.thresholds


def settings() -> list[Simulation]:
    """Return all settings of the page."""
    fixed = [Simulation(runs, count, sd) for runs, count, sd in itertools.product(RUNS, PATIENTS, SEED_SD)]
    cross_fitted = itertools.product(RUNS, CROSS_FITTED)
    return fixed + [Simulation(runs, count, sd, 8, "cross-fitted") for runs, (count, sd) in cross_fitted]


@dataclass(frozen=True, eq=False)
class SimulatedNetwork:
    """Scores of one network in W worlds."""

    theta: FloatArray
    """(W, M + 1, S) scores, the mean over findings: M equal methods, then the better variant of the first."""
    jackknife: FloatArray
    """(W, M + 1, S, P) scores without one patient, at the same thresholds."""


def worlds(setting: Simulation, count: int, seed: int = 0) -> list[SimulatedNetwork]:
    """Return the networks of ``count`` random worlds of a setting."""
    return _worlds(setting, count, seed, 1 / slope(setting.findings, setting.thresholds))


@lru_cache
def slope(findings: int, thresholds: str) -> float:
    """Return the rise of a score per logit, which converts standard deviations of scores to logits."""
    pilot = Simulation((1,), 2000, (0.0,), findings, thresholds)
    high, low = (_worlds(pilot, 60, 0, 0.0, shift)[0].theta[:, :-1].mean() for shift in (0.2, -0.2))
    return float((high - low) / 0.4)


def _worlds(setting: Simulation, count: int, seed: int, per_score: float, shift: float = 0.0) -> list[SimulatedNetwork]:
    P, K = setting.patients, min(CASES, setting.findings)
    random = generator(seed, "worlds", " ".join(setting.name))

    def normal(deviation: float, *shape: int) -> NDArray[np.float32]:
        return np.float32(deviation) * random.standard_normal((count, *shape), dtype=np.float32)

    first = random.integers(0, setting.findings, (count, P, 1))
    findings = (first + np.arange(K) * random.integers(1, max(2, setting.findings), (count, P, 1))) % setting.findings
    level = np.linspace(-1, 1, setting.findings, dtype=np.float32)[findings] * np.float32(setting.findings > 1)
    case = np.float32(LEVEL + shift) + np.float32(FINDING) * level + normal(PATIENT, P, 1) + normal(CASE, P, K)
    by_method = normal(BY_METHOD, max(METHODS), P, K)
    networks = []
    for number, (S, seed_sd) in enumerate(zip(setting.runs, setting.seed_sd, strict=True)):
        M, sd = METHODS[number], seed_sd * per_score
        S += number == 0
        run = normal(sd * np.sqrt(1 - OF_METHOD**2), S, 1) + normal(BY_RUN, S, P)
        still = case[:, None] + normal(BY_NETWORK, 1, P, K) + by_method[:, :M]
        method_shift = normal(sd * OF_METHOD, M, S)[..., None, None]
        noise = random.random((count, M, S, P, K), dtype=np.float32).clip(1e-6, 1 - 1e-6)
        logits = still[:, :, None] + run[:, None, ..., None] + method_shift + np.log(noise / (1 - noise))
        logits = np.concatenate([logits, logits[:, :1] + np.float32(setting.better * per_score)], 1)
        logits = logits.reshape(count, -1, P, K)  # (W, (M + 1) S, P, K)
        hits = logits > 0
        if setting.thresholds == "cross-fitted":
            centre = 0.5 + np.float32(CENTRE) * level[:, None] + normal(SHIFT, S, 1, 1) + normal(BLUR, S, P, K)
            hits = cross_fitted_hits(*reach(logits, np.tile(centre, (1, M + 1, 1, 1))), findings, setting.findings)
        theta, jackknife = _scored(hits, findings, setting.findings)
        networks.append(SimulatedNetwork(theta.reshape(count, M + 1, S), jackknife.reshape(count, M + 1, S, P)))
    return networks


def reach(logits: FloatArray, centre: FloatArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the index of the first threshold that hits and of the first one after it that does not."""
    half = np.sqrt(np.maximum(logits, 0) / FALL)
    begin, end = (np.ceil((centre + side * half) * STEPS).clip(0, STEPS).astype(np.int64) for side in (-1, 1))
    return begin, end


def cross_fitted_hits(
    begin: NDArray[np.int64], end: NDArray[np.int64], findings: NDArray[np.int64], count: int
) -> NDArray[np.bool_]:
    """Return the (W,S,P,K) hits at cross-fitted thresholds.

    A case is a hit at thresholds from ``begin`` to ``end``, (W,S,P,K); ``findings`` are (W,P,K). The threshold of a
    fold of patients and finding is the lowest one with most hits in the other folds, as in
    ``locus.benchmark.scoring.score_thresholds``.
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
    """Return the (W,S) mean score over findings of hits (W,S,P,K), and the (W,S,P) scores without each patient."""
    W, S = hits.shape[:2]
    world = np.arange(W)[:, None, None] * count + findings
    cases = np.bincount(world.ravel(), minlength=W * count).reshape(W, 1, count)
    group = np.arange(W * S).reshape(W, S, 1, 1) * count + findings[:, None]
    share = np.bincount(group.ravel(), hits.ravel(), W * S * count).reshape(W, S, count)
    n, total = cases.ravel()[world][:, None], share.ravel()[group]
    change = ((total - hits) / (n - 1) - total / n).sum(-1) / count
    theta = (share / cases).mean(-1)
    return theta, theta[..., None] + change
