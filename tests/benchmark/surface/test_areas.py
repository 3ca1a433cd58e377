"""Areas of components: closed forms on paper, against pixels and against each other."""

import cv2
import numpy as np
import pytest

from benchmark.localize import to_frame
from benchmark.surface import all_boxes, min_max, surface
from core.boxes import area
from core.frames import Grid
from tests.oracles.areas import all_areas, patch, peak_areas

GRIDS = ["conventional", Grid((96, 96), (20, 14), (-21, 12)), Grid((96, 96), (5, 9), (20, 30))]


def areas(values, level, frame=(30, 30), grid="conventional"):
    return all_areas(surface(values, frame, grid), level)[0]


@pytest.mark.byhand
def test_one_vertex_is_bounded_by_four_hyperbolas():
    spot = np.zeros((3, 3))
    spot[1, 1] = 1  # in each patch (1 - u)(1 - v) > t
    for t in (0.1, 0.5, 0.9):
        assert areas(spot, t) == pytest.approx([4 * 100 * (1 - t + t * np.log(t))])


@pytest.mark.byhand
def test_a_patch_of_a_plane_is_cut_along_a_line():
    assert patch(1.0, -1.0, -1.0, -3.0) == pytest.approx((1 / 8, 0))  # a triangle with sides 1/2
    assert patch(3.0, 1.0, 1.0, -1.0) == pytest.approx((7 / 8, 0))
    assert patch(1.0, 1.0, -1.0, -1.0) == pytest.approx((1 / 2, 0))
    assert patch(2.0, 1.0, -1.0, -2.0) == pytest.approx((1 / 2, 0))  # a trapezoid
    assert patch(1.0, 0.5, 0.5, 0.0) == (1, 0)


@pytest.mark.byhand
def test_the_two_parts_of_a_diagonal_pair_are_apart_below_their_saddle_and_one_above_it():
    low, high = patch(1.0, -1.0, -1.0, 0.5), patch(1.0, -0.5, -0.5, 1.0)
    assert low[1] > 0
    assert high[1] == 0
    assert sum(patch(1.0, -1.0, -1.0, 1.0)) == pytest.approx(0.5)  # saddle 0: two squares
    pair = np.array([[1, 0.2], [0.2, 1]])  # saddle .6
    apart, one = areas(pair, 0.6 + 1e-9, (20, 20)), areas(pair, 0.6 - 1e-9, (20, 20))
    assert (len(apart), len(one)) == (2, 1)
    assert apart.sum() == pytest.approx(one.sum(), abs=1e-4)
    assert apart[0] == pytest.approx(apart[1])


@pytest.mark.byhand
def test_the_surface_runs_on_to_the_edges_and_a_hole_is_no_part_of_a_ring():
    assert areas([[1, 0]], 0.5, (10, 20)) == pytest.approx([100])
    ring = np.ones((5, 5))
    ring[0], ring[-1], ring[:, 0], ring[:, -1], ring[2, 2] = 0, 0, 0, 0, 0
    rounded = 4 * 100 * (0.5 + 0.5 * np.log(0.5))  # the hole, and the four outer corners together
    assert areas(ring, 0.5, (50, 50)) == pytest.approx([20 * 20 - rounded + 4 * 20 * 5 + rounded])


@pytest.mark.byhand
def test_a_plateau_at_the_threshold_has_no_area_and_a_flat_map_none_at_all():
    plateau = np.zeros((4, 4))
    plateau[1:3, 1:3] = 0.5
    on = surface(plateau, (40, 40), "conventional")
    assert peak_areas(on, [0.5, 0.7]).tolist() == [0, 0]
    assert peak_areas(on, np.nextafter(0.5, 0)) == pytest.approx([100])
    for flat in (0, 0.7):
        on = surface(np.full((3, 3), flat), (30, 30), "conventional")
        assert all_areas(on, [-1, 0, 0.5])[0].shape == (0,)
        assert peak_areas(on, [-1, 0.5]).tolist() == [0, 0]


@pytest.mark.oracle
@pytest.mark.parametrize("grid", GRIDS)
def test_all_areas_together_are_the_share_of_pixels_above(grid):
    for seed in range(4):
        values, frame = np.random.default_rng(seed).random((6, 7)), (900, 700)
        picture, on = to_frame(values, frame, grid), surface(values, frame, grid)
        for level in (0.3, 0.6, 0.8):
            assert areas(values, level, frame, grid).sum() == pytest.approx((picture > level).sum(), abs=1e-3 * picture.size)
            assert len(all_areas(on, level)[0]) == len(all_boxes(on, level)[0])


@pytest.mark.oracle
@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("wide", [1.5, pytest.param(1, marks=pytest.mark.slow)])
def test_pixels_converge_to_the_area_of_the_peaks_component(grid, wide):
    coarse, fine = (np.mean([_miscount(seed, (side, int(side * wide)), grid) for seed in range(8)]) for side in (256, 1024))
    assert fine < 0.4 * coarse
    assert fine < 2e-3


def _miscount(seed, frame, grid):
    """|pixels - area| / area of the peak's component, mean over thresholds."""
    values = min_max(cv2.GaussianBlur(np.random.default_rng(seed).random((12, 12)), (0, 0), 1.2))
    picture, on = to_frame(values, frame, grid), surface(values, frame, grid)
    levels = np.array([0.3, 0.5, 0.7]) * on.values.max()
    return np.mean([abs(_pixels(picture, t) - a) / a for t, a in zip(levels, peak_areas(on, levels), strict=True)])


def _pixels(picture, level):
    _, labels, stats, _ = cv2.connectedComponentsWithStats((picture > level).astype(np.uint8), connectivity=8)
    return stats[labels.flat[picture.argmax()], cv2.CC_STAT_AREA]


@pytest.mark.planted
def test_areas_never_exceed_their_boxes_and_fall_with_the_threshold():
    for seed in range(20):
        on = surface(np.random.default_rng(seed).random((9, 7)), (300, 500), GRIDS[seed % 3])
        levels = np.linspace(0, 1, 50)
        assert (all_areas(on, levels)[0] <= area(all_boxes(on, levels)[0]) * (1 + 1e-12)).all()
        assert (np.diff(peak_areas(on, levels)) <= 1e-9).all()


@pytest.mark.planted
def test_nearly_flat_saddles_and_nearly_touching_corners_keep_their_digits():
    for tiny in (0.0, 1e-300, 1e-18, 1e-12, 1e-9, 1e-5):
        assert patch(1.0, -1.0, -1.0 - tiny, -3.0 + tiny)[0] == pytest.approx(1 / 8, abs=1e-4)
        assert patch(1.0, -tiny, -tiny, -1.0)[0] == pytest.approx(patch(1.0, -1e-5, -1e-5, -1.0)[0], abs=1e-3)
        assert patch(1.0, tiny, -1.0, -1.0)[0] == pytest.approx(patch(1.0, 0.0, -1.0, -1.0)[0], abs=1e-3)
