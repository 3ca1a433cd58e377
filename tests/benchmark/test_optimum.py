"""Critical thresholds and the best of all: a dense grid of thresholds is the oracle."""

import numpy as np
import pytest

from benchmark import optimum
from benchmark.critical import hits
from benchmark.optimum import Curve, best, curve, steps
from benchmark.surface import min_max, surface
from benchmark.trace import EMPTY, trace
from core.boxes import iobb, iou
from core.frames import Grid
from core.seeds import patient_folds

FRAME = (300, 500)
GRIDS = ["conventional", Grid((96, 96), (20, 14), (-21, 12)), Grid((96, 96), (5, 9), (20, 30))]
SPOT = trace(surface([[0, 0, 0], [0, 1, 0], [0, 0, 0]], (30, 30), "conventional"))  # the square 15 ± 10·(1 - t)
DENSE = (np.arange(100_000) + 0.5) / 100_000


def planted(seed, grid="conventional", boxes=1):
    random = np.random.default_rng(seed)
    corners = np.sort(random.random((boxes, 2, 2)), 1) * [FRAME[1], FRAME[0]]
    return trace(surface(min_max(random.random(random.integers(2, 9, 2))), FRAME, grid)), corners.reshape(boxes, 4)


@pytest.mark.byhand
def test_a_square_passes_a_square_at_two_roots():
    truth = [[10, 10, 20, 20]]  # the spot's square at t = .5
    assert hits(SPOT, truth, 0.25) == pytest.approx(np.array([[0, 0.75]]))
    assert hits(SPOT, truth, 0.5) == pytest.approx(np.array([[1 - 0.5**0.5, 1 - 0.5**1.5]]))
    assert hits(SPOT, truth, 1.0).shape == (0, 2)
    assert hits(SPOT, truth, 0.25, "iobb") == pytest.approx(np.array([[0, 1]]), abs=1e-12)
    assert hits(SPOT, [[10, 10, 20, 20], [14, 14, 16, 16]], 0.25) == pytest.approx(np.array([[0, 0.75], [0.8, 0.95]]))
    assert hits(SPOT, [[10, 10, 20, 20], [14.5, 14.5, 15.5, 15.5]], 0.81) == pytest.approx(
        np.array([[0.5 - 0.5 / 9, 0.55], [1 - 0.05 / 0.9, 0.955]])
    )


@pytest.mark.byhand
def test_a_case_without_a_box_never_hits_and_a_truth_far_away_is_never_hit():
    assert hits(EMPTY, [[0, 0, 9, 9]], 0.1).shape == (0, 2)
    assert hits(SPOT, [[0, 0, 4, 4]], 0.0).shape == (0, 2)


@pytest.mark.oracle
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize(("measure", "function"), [("iou", iou), ("iobb", iobb)])
def test_critical_thresholds_are_those_of_a_grid_of_100000(grid, measure, function):
    for seed in range(15):
        found, truth = planted(seed, grid, 1 + seed % 3)
        overlap = np.nan_to_num(function(found.boxes(DENSE), truth)).max(1)
        for above in (0.1, 0.3, 0.5):
            ends = hits(found, truth, above, measure)
            inside = ((DENSE[:, None] >= ends[:, 0]) & (DENSE[:, None] < ends[:, 1])).any(1)
            assert (inside == (overlap > above)).all()
            assert (np.diff(ends.ravel()) > 0).all()


@pytest.mark.oracle
def test_the_best_threshold_is_at_least_as_good_as_any_of_100000():
    for first in range(0, 60, 12):
        cases = [curve(*planted(seed, GRIDS[seed % 3]), above=0.2) for seed in range(first, first + 12)]
        counts = sum((case.iou(DENSE) > 0.2).astype(int) for case in cases)
        found = steps([case.hits for case in cases])
        assert (found.count[np.searchsorted(found.levels, DENSE, side="right") - 1] == counts).all()
        chosen = best(cases)
        assert sum(case.iou(np.array([chosen]))[0] > 0.2 for case in cases) == found.count.max() >= counts.max()


@pytest.mark.byhand
def test_an_optimum_between_two_points_of_the_usual_grid_is_found():
    narrow = [Curve(SPOT, np.array([[10.0, 10, 20, 20]]), np.array([ends])) for ends in ([0.1, 0.502], [0.501, 0.9])]
    assert best(narrow) == pytest.approx(0.5015)


@pytest.mark.byhand
def test_touching_intervals_do_not_overlap_and_ties_go_to_the_larger_mean_iou():
    one, other = np.array([[0.2, 0.4]]), np.array([[0.4, 0.6]])
    assert steps([one, other]).count.tolist() == [0, 1, 1, 0]
    assert steps([one, other + 1e-15]).count.tolist() == [0, 1, 1, 0]
    truth = np.array([[10.0, 10, 20, 20]])
    assert best([Curve(SPOT, truth, one), Curve(SPOT, truth, other)]) == pytest.approx(0.5)
    wide = np.array([[8.0, 8, 22, 22]])
    assert best([Curve(SPOT, wide, one), Curve(SPOT, wide, other)]) == pytest.approx(0.3)


@pytest.mark.byhand
def test_without_any_hit_the_largest_mean_iou_decides_and_without_a_box_nothing_does():
    assert steps([np.zeros((0, 2))]).levels.tolist() == [0, 1]
    assert best([curve(EMPTY, np.array([[0.0, 0, 9, 9]]), 0.3)]) == 0.5


@pytest.mark.planted
def test_a_fold_chooses_without_its_own_patients_and_a_finding_for_itself():
    patients, findings = [f"p{n}" for n in range(20)], ["a", "b"] * 10
    truths = {"a": np.array([[10.0, 10, 20, 20]]), "b": np.array([[13.0, 13, 17, 17]])}
    cases = [curve(SPOT, truths[finding], 0.7) for finding in findings]
    for chosen in (optimum.oracle(cases, findings), optimum.cross_fitted(cases, findings, patients, 0.9)):
        assert chosen[0::2] == pytest.approx(np.full(10, chosen[0]))
        assert chosen[0] == pytest.approx(0.5, abs=0.1)
        assert chosen[1] == pytest.approx(0.8, abs=0.1)
    fold = patient_folds(patients, 5, 0)
    odd = [curve(SPOT, truths["a" if n in np.flatnonzero(fold == 2) else "b"], 0.7) for n in range(20)]
    chosen = optimum.cross_fitted(odd, ["a"] * 20, patients, 0.9)
    assert chosen == pytest.approx(np.full(20, 0.8), abs=0.1)
    assert optimum.cross_fitted(odd[:1], ["a"], ["p"], 0.9).tolist() == [0.9]


@pytest.mark.planted
def test_however_cases_are_weighted_the_best_step_is_among_the_contenders():
    random = np.random.default_rng(0)
    cases = [curve(*planted(seed, GRIDS[seed % 3]), above=0.2) for seed in range(40)]
    findings = ["a" if n % 3 else "b" for n in range(40)]
    held = optimum.contenders(cases, findings)
    for finding in ("a", "b"):
        own = np.array(findings) == finding
        known = steps([case.hits for case, taken in zip(cases, own, strict=True) if taken])
        every = np.array([case.iou(known.middles) > 0.2 for case in cases])[own]
        for _ in range(50):
            weights = random.poisson(1, own.sum())
            assert (weights @ held[own]).max() == (weights @ every).max()
        assert held.shape[1] < len(known.count) / 2


@pytest.mark.planted
def test_on_noise_the_oracle_flatters_and_the_cross_fitted_threshold_is_no_better_than_one_that_nobody_chose():
    """Pitfall: cut-offs and thresholds tuned on test."""
    random, every, scores = np.random.default_rng(0), [], []
    patients = [f"p{n}" for n in range(20)]
    for seed in range(200):
        cases = [_noise(random) for _ in patients]
        chosen = optimum.oracle(cases, ["a"] * 20), optimum.cross_fitted(cases, ["a"] * 20, patients, 0.5, seed)
        scores.append([_share(cases, levels) for levels in chosen])
        every += cases
    expected = steps([case.hits for case in every]).count.max() / len(every)  # of the best threshold there is for noise
    oracle, crossed = np.mean(scores, 0)
    assert oracle > expected + 0.04
    assert crossed <= expected


def _noise(random):
    """A case whose map knows nothing of its truth."""
    centre, half = random.uniform(8, 22, 2), random.uniform(3, 8, 2)
    on = surface(min_max(random.random((4, 4))), (30, 30), "conventional")
    return curve(trace(on), np.array([[*(centre - half), *(centre + half)]]), 0.3)


def _share(cases, levels):
    return np.mean([case.iou(np.array([level]))[0] > 0.3 for case, level in zip(cases, levels, strict=True)])
