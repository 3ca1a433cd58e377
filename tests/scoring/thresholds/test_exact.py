"""Critical thresholds and the best threshold, against a dense grid."""

import functools

import numpy as np
import pytest

from locus.core.frames import iou
from locus.scoring.score_thresholds import ExactThresholds, steps
from locus.scoring.surface import min_max, surface
from locus.scoring.surface.batch import hit_intervals
from locus.scoring.surface.trace import EMPTY, trace
from tests.oracles.tracing import SHIFTS, placed
from tests.oracles.tracing import boxes as boxes_of

FRAME = (300, 500)
DENSE = (np.arange(100_000) + 0.5) / 100_000


@functools.cache
def spot():
    """Return the trace of the square 15 ± 10·(1 - t)."""
    return trace(surface([[0, 0, 0], [0, 1, 0], [0, 0, 0]], (30, 30), "conventional"))


def curves(pairs, above):
    """Return a selector of (trace, truth) pairs."""
    return ExactThresholds(above, ((traced, np.array(truth, dtype=np.float64)) for traced, truth in pairs))


def best(cases):
    return cases.best(np.arange(len(cases)))


def planted(seed, shift=None, boxes=1):
    random = np.random.default_rng(seed)
    corners = np.sort(random.random((boxes, 2, 2)), 1) * [FRAME[1], FRAME[0]]
    values = min_max(random.random(random.integers(2, 9, 2)))
    return trace(surface(values, FRAME, placed(shift, values.shape))), corners.reshape(boxes, 4)


@pytest.mark.byhand
def test_hit_interval_of_two_squares_has_two_roots():
    truth = [[10, 10, 20, 20]]  # the spot's square at t = .5
    small, smaller = [14, 14, 16, 16], [14.5, 14.5, 15.5, 15.5]
    for truths, above, ends in (
        (truth, 0.25, [[0, 0.75]]),
        (truth, 0.5, [[1 - 0.5**0.5, 1 - 0.5**1.5]]),
        (truth, 1.0, np.zeros((0, 2))),
        ([*truth, small], 0.25, [[0, 0.75], [0.8, 0.95]]),
        ([*truth, smaller], 0.81, [[0.5 - 0.5 / 9, 0.55], [1 - 0.05 / 0.9, 0.955]]),
    ):
        assert hit_intervals(spot(), truths, above) == pytest.approx(np.array(ends))


@pytest.mark.byhand
def test_case_without_a_box_never_hits_and_a_truth_far_away_is_never_hit():
    assert hit_intervals(EMPTY, [[0, 0, 9, 9]], 0.1).shape == (0, 2)
    assert hit_intervals(spot(), [[0, 0, 4, 4]], 0.0).shape == (0, 2)


@pytest.mark.oracle
@pytest.mark.parametrize("shift", SHIFTS)
def test_critical_thresholds_agree_with_a_grid_of_100000(shift):
    for seed in range(15):
        result, truth = planted(seed, shift, 1 + seed % 3)
        overlap = np.nan_to_num(iou(boxes_of(result, DENSE), truth)).max(1)
        for above in (0.1, 0.3, 0.5):
            ends = hit_intervals(result, truth, above)
            inside = ((DENSE[:, None] >= ends[:, 0]) & (DENSE[:, None] < ends[:, 1])).any(1)
            assert (inside == (overlap > above)).all()
            assert (np.diff(ends.ravel()) > 0).all()


@pytest.mark.oracle
def test_best_threshold_is_at_least_as_good_as_any_of_100000():
    for first in range(0, 60, 12):
        cases = curves([planted(seed, SHIFTS[seed % 3]) for seed in range(first, first + 12)], above=0.2)
        every = np.arange(len(cases))
        counts = (cases.iou(every, DENSE) > 0.2).sum(0)
        result = steps(cases.intervals)
        assert (result.count[np.searchsorted(result.thresholds, DENSE, side="right") - 1] == counts).all()
        assert (cases.iou(every, np.array([best(cases)])) > 0.2).sum() == result.count.max() >= counts.max()


@pytest.mark.oracle
def test_cases_computed_together_equal_single_cases():
    pairs = [planted(seed, SHIFTS[seed % 3], seed % 4) for seed in range(20)] + [(EMPTY, np.zeros((2, 4)))]
    cases, levels = curves(pairs, above=0.2), np.random.default_rng(0).random(21)
    levels[3] = np.nan
    alone = np.array([boxes_of(trace, level)[0] for (trace, _), level in zip(pairs, levels, strict=True)])
    np.testing.assert_allclose(cases.boxes(levels), alone)
    overlaps = [np.nan_to_num(iou(boxes_of(trace, DENSE[::999]), truth)).max(1, initial=0) for trace, truth in pairs]
    np.testing.assert_allclose(cases.iou(np.arange(21), DENSE[::999]), overlaps, atol=1e-12)


def fixed_ends(ends, truth):
    """Return a selector of the spot with one truth box and the interval of ``ends`` per case."""
    cases = curves([(spot(), truth)] * len(ends), above=0.3)
    cases.case_index, cases.intervals = np.arange(len(ends)), np.array(ends, dtype=np.float64)
    return cases


@pytest.mark.byhand
def test_optimum_between_two_points_of_the_usual_grid_is_found():
    assert best(fixed_ends([[0.1, 0.502], [0.501, 0.9]], [[10, 10, 20, 20]])) == pytest.approx(0.5015)


@pytest.mark.byhand
def test_touching_intervals_do_not_overlap_and_ties_go_to_the_larger_mean_iou():
    touching = [[0.2, 0.4], [0.4, 0.6]]
    assert steps(touching).count.tolist() == [0, 1, 1, 0]
    assert steps([[0.2, 0.4], [0.4 + 1e-15, 0.6]]).count.tolist() == [0, 1, 1, 0]
    assert best(fixed_ends(touching, [[10, 10, 20, 20]])) == pytest.approx(0.5)
    assert best(fixed_ends(touching, [[8, 8, 22, 22]])) == pytest.approx(0.3)


@pytest.mark.byhand
def test_largest_mean_iou_decides_without_any_hit():
    assert steps(np.zeros((0, 2))).thresholds.tolist() == [0, 1]
    assert best(curves([(EMPTY, [[0, 0, 9, 9]])], above=0.3)) == 0.5


@pytest.mark.planted
def test_best_step_is_a_local_maximum_for_any_weights():
    random = np.random.default_rng(0)
    cases = curves([planted(seed, SHIFTS[seed % 3]) for seed in range(40)], above=0.2)
    findings = np.array(["a" if n % 3 else "b" for n in range(40)])
    held = cases.oracle_hits(findings)
    for finding in ("a", "b"):
        own = np.flatnonzero(findings == finding)
        known = steps(cases.intervals[np.isin(cases.case_index, own)])
        every = cases.iou(own, known.middles) > 0.2
        for _ in range(50):
            weights = random.poisson(1, len(own))
            assert (weights @ held[own]).max() == (weights @ every).max()
        assert held.shape[1] < len(known.count) / 2


@pytest.mark.parametrize("above", [0.1, 0.3])
def test_hits_at_thresholds_equal_those_of_the_boxes(above):
    cases = curves([planted(seed, boxes=1 + seed % 2) for seed in range(40)], above)
    thresholds = np.arange(20) / 20
    hits = cases.hits(thresholds)
    np.testing.assert_array_equal(hits, cases.iou(np.arange(40), thresholds) > above)
    assert 0 < hits.mean() < 1
