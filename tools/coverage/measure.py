"""Coverage and power of intervals over training runs and patients, in simulated worlds."""

import itertools
from dataclasses import replace

import numpy as np
from scipy import special

from locus.benchmark.scoring.statistics.entries import ALPHA
from locus.benchmark.scoring.statistics.resample import LEVEL, CheckedRow, VarianceParts, variance_parts
from locus.core.types import FloatArray
from tools.coverage.worlds import CASES, METHODS, SimulatedNetwork, Simulation, worlds

RULES = {"nothing": (False, False), "floor": (True, False), "floor and cap": (True, True), "cap": (False, True)}
"""Rule -> whether the variance has the jackknife floor, and whether degrees of freedom are at most 2(S − 1)."""
CHOSEN = "floor"
"""The rule of ``locus.benchmark.scoring.statistics.mrmc``."""
STATISTICS = ("row", "paired", "nested", "effect")
EXCLUSION = "exclusion"
BLOCK = 1_500_000
"""Maximum number of cases of the first network in memory at a time."""


def measure(setting: Simulation, count: int, seed: int = 0) -> list[dict[str, float | str]]:
    """Return a row per statistic and rule: coverage and power over ``count`` worlds.

    ``coverage`` is the share of intervals that contain the true value (for a row and for two networks, the mean over
    all worlds); for ``exclusion``, the share of equally good methods that are not called worse. ``power`` is the share
    of intervals of a better method that are above 0; for ``exclusion``, the share of worse methods that are called
    worse than the better one.
    """
    cases = (setting.runs[0] + 1) * (METHODS[0] + 1) * setting.patients * min(CASES, setting.findings)
    size = max(1, BLOCK // cases)
    blocks = [_block(worlds(setting, min(size, count - start), seed + start)) for start in range(0, count, size)]
    numbers = {key: np.concatenate([block[key] for block in blocks], -1) for key in blocks[0]}
    return [_summary(name, rule, numbers[name, rule]) for name, rule in numbers]


def _summary(name: str, rule: str, numbers: FloatArray) -> dict[str, float | str]:
    shared: dict[str, float | str] = {"statistic": name, "rule": rule}
    if name == EXCLUSION:
        coverage, power, half_width = numbers.mean(1)
    else:
        value, half, power = numbers
        truth = 0.0 if name in ("paired", "effect") else value.mean()
        coverage, half_width, power = (np.abs(value - truth) <= half).mean(), half.mean(), power.mean()
    return shared | {"coverage": float(coverage), "power": float(power), "half_width": float(half_width)}


def _block(networks: list[SimulatedNetwork]) -> dict[tuple[str, str], FloatArray]:
    """Return (statistic, rule) -> (3, W) numbers."""
    first = _without_last_run(networks[0])
    networks = [first, *networks[1:]]
    equal, better = _parts(networks, 0), _parts(networks, -1)
    rivals = [-1, *range(1, METHODS[0])]
    pairs, pairs_of_better = (_pairs(first, methods) for methods in (list(range(METHODS[0])), rivals))
    out = {}
    for rule in RULES:
        for name in STATISTICS:
            value, reach, _ = by_rule(equal[name], rule)
            finds = np.greater(*by_rule(better[name], rule)[:2])
            out[name, rule] = np.stack([value, reach, finds if name != "row" else np.full(len(value), np.nan)])
        wrong, right = called_worse(pairs, rule).mean(1), called_worse(pairs_of_better, rule)[:, 1:].mean(1)
        out[EXCLUSION, rule] = np.stack([1 - wrong, right, np.full(len(wrong), np.nan)])
    return out


def _without_last_run(network: SimulatedNetwork) -> SimulatedNetwork:
    return SimulatedNetwork(network.theta[..., :-1], network.jackknife[:, :, :-1])


def _row(network: SimulatedNetwork, method: int) -> CheckedRow:
    return network.theta[:, method], network.jackknife[:, method]


def _gap(network: SimulatedNetwork, method: int, other: int) -> CheckedRow:
    (a, left_a), (b, left_b) = _row(network, method), _row(network, other)
    return a - b, left_a - left_b


def _parts(networks: list[SimulatedNetwork], method: int) -> dict[str, VarianceParts]:
    """Return the statistics whose first side is ``method``."""
    N = len(networks)
    gaps = [_gap(network, method, 1) for network in networks]
    return {
        "row": variance_parts([_row(networks[0], method)], [1.0]),
        "paired": variance_parts(gaps[:1], [1.0]),
        "nested": variance_parts([_row(networks[0], method), _row(networks[1], 0)], [1.0, -1.0]),
        "effect": variance_parts(gaps, [1 / N] * N),
    }


def _pairs(network: SimulatedNetwork, methods: list[int]) -> dict[tuple[int, int], VarianceParts]:
    numbered = itertools.combinations(enumerate(methods), 2)
    return {(i, j): variance_parts([_gap(network, one, other)], [1.0]) for (i, one), (j, other) in numbered}


def by_rule(parts: VarianceParts, rule: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return value, half-width of the interval and p by one of ``RULES``, from Student's t distribution."""
    floor, cap = RULES[rule]
    parts = parts if floor else replace(parts, jackknife=np.zeros_like(parts.jackknife))
    df = np.minimum(parts.df, 2 * parts.run_df.sum()) if cap else parts.df
    error = np.sqrt(parts.variance)
    reach = special.stdtrit(df, (1 + LEVEL) / 2) * error
    ratio = np.divide(np.abs(parts.value), error, out=np.where(parts.value == 0, 0, np.inf), where=error > 0)
    return parts.value, reach, 2 * special.stdtr(df, -ratio)


def called_worse(pairs: dict[tuple[int, int], VarianceParts], rule: str) -> FloatArray:
    """Return (W, M) bool: True for a method that is significantly worse than another one, by Holm's procedure."""
    M = 1 + max(j for _, j in pairs)
    p, behind = np.ones((2, M, M, len(pairs[0, 1].value)))
    for (i, j), parts in pairs.items():
        value, _, p[i, j] = by_rule(parts, rule)
        p[j, i], behind[i, j], behind[j, i] = p[i, j], value < 0, value > 0
    return np.stack([_rejected(np.delete(p[i], i, 0), np.delete(behind[i], i, 0)) for i in range(M)], 1)


def _rejected(p: FloatArray, behind: FloatArray) -> FloatArray:
    """Return (W,) 1 if one of k better methods has an adjusted p of at most 5%; ``p``, ``behind``: (k, W)."""
    order = np.argsort(p, 0, kind="stable")
    ordered = np.take_along_axis(p, order, 0) * np.arange(len(p), 0, -1)[:, None]
    adjusted = np.maximum.accumulate(ordered, 0)
    return ((adjusted <= ALPHA) & (np.take_along_axis(behind, order, 0) > 0)).any(0).astype(float)
