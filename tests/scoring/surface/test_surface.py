"""Surfaces of small maps by hand, and against pixels, which converge to the surface."""

import itertools

import numpy as np
import pytest

from locus.core.frames import Grid
from locus.scoring.surface import all_boxes, surface
from locus.scoring.surface.bilinear import boxes

CONVENTIONAL = "conventional"
SPOT, CORNER = np.zeros((3, 3)), np.zeros((3, 3))
SPOT[1, 1] = CORNER[2, 0] = 1


@pytest.mark.byhand
def test_one_vertex_reaches_the_points_where_its_edges_cross_the_threshold_or_the_edge_of_the_image():
    assert boxes(SPOT, 0.5, (30, 30), CONVENTIONAL).tolist() == [[10, 10, 20, 20]]
    assert boxes(SPOT, 0.5, (30, 60), CONVENTIONAL).tolist() == [[20, 10, 40, 20]]
    np.testing.assert_allclose(boxes(SPOT, 0.25, (30, 30), CONVENTIONAL), [[7.5, 7.5, 22.5, 22.5]])
    assert boxes(CORNER, 0.5, (30, 30), CONVENTIONAL).tolist() == [[0, 20, 10, 30]]  # it reaches the edge of the image


@pytest.mark.byhand
def test_diagonal_pair_is_one_component_below_its_saddle_only():
    pair = np.array([[3.0, 0.0], [0.0, 1.0]])  # saddle 3 / 4
    for values in (pair, pair[:, ::-1]):
        counts = [len(boxes(values, t, (20, 20), CONVENTIONAL)) for t in (0.74, np.nextafter(0.75, 0), 0.75, 0.76)]
        assert counts == [1, 1, 2, 2]


@pytest.mark.byhand
def test_ring_gives_one_box():
    """Pitfall: inner contours as boxes: a ring gives two."""
    ring = np.pad(np.ones((3, 3)), 1)
    ring[2, 2] = 0
    assert boxes(ring, 0.5, (50, 50), CONVENTIONAL).tolist() == [[10, 10, 40, 40]]


@pytest.mark.byhand
def test_spot_inside_a_ring_has_a_separate_box():
    ring = np.zeros((7, 7))
    ring[1:6, 1:6], ring[2:5, 2:5], ring[3, 3] = 1, 0, 0.9
    reach = 10 * 0.4 / 0.9
    result = boxes(ring, 0.5, (70, 70), CONVENTIONAL)
    np.testing.assert_allclose(result, [[10, 10, 60, 60], [35 - reach, 35 - reach, 35 + reach, 35 + reach]])


@pytest.mark.byhand
def test_plateau_is_one_component_and_a_threshold_on_it_leaves_nothing():
    plateau = np.pad(np.full((2, 2), 0.5), 1)
    assert boxes(plateau, 0.25, (40, 40), CONVENTIONAL).tolist() == [[10, 10, 30, 30]]
    assert boxes(plateau, 0.5, (40, 40), CONVENTIONAL).shape == (0, 4)


@pytest.mark.byhand
def test_aligned_map_is_half_a_stride_from_the_conventional_one():
    spot = np.zeros((7, 7))
    spot[3, 3] = 1
    aligned = boxes(spot, 0.5, (224, 224), Grid((224, 224), (32, 32), (0, 0)))
    assert aligned.tolist() == [[80.5, 80.5, 112.5, 112.5]]
    assert (boxes(spot, 0.5, (224, 224), CONVENTIONAL) - aligned).tolist() == [[15.5] * 4]


@pytest.mark.byhand
def test_components_are_sorted_by_highest_vertex_then_row_by_row():
    peaks = np.zeros((5, 5))
    peaks[0, 0], peaks[0, 4], peaks[4, 4], peaks[4, 0] = 0.8, 1, 0.8, 0.9
    result = boxes(peaks, 0.5, (50, 50), CONVENTIONAL)
    assert (result[:, :2] > 20).tolist() == [[True, False], [False, True], [False, False], [True, True]]


@pytest.mark.byhand
@pytest.mark.parametrize("value", [0, 0.3, -7])
def test_flat_map_has_no_box_at_any_threshold(value):
    """Pitfall: a flat map divided by its range has nan boxes."""
    for grid in (CONVENTIONAL, Grid((30, 30), (13, 13), (-9, -3))):
        assert all_boxes(surface(np.full((4, 4), value), (30, 30), grid), [-9, 0, 0.1])[0].shape == (0, 4)


@pytest.mark.byhand
def test_parts_of_the_surface_outside_the_frame_are_cropped():
    grid = Grid((40, 40), (20, 20), (-30.5, 9.5))  # rows at -30, -10, 10, 30
    high = np.zeros((4, 2))
    high[0, 0] = 1
    assert boxes(high, 0.5, (40, 40), grid).shape == (0, 4)
    high[1, 1] = 2
    on = surface(high, (40, 40), grid)
    assert on.peak == (30, 0)
    assert on.values.max() == 1
    assert boxes(high, 0.5, (40, 40), grid).tolist() == [[20, 0, 40, 5]]


@pytest.mark.byhand
def test_mean_and_the_integral_are_those_of_the_surface():
    on = surface([[0, 1]], (10, 20), CONVENTIONAL)  # 0 until x = 5, then a ramp, 1 from x = 15
    assert on.mean == pytest.approx(0.5)
    assert on.integrals((0, 2), (5, 15)) == pytest.approx(10)
    assert on.integrals((0, 10), (15, 20)) == pytest.approx(50)


def slowly(values: np.ndarray, on, level: float) -> list[list[float]]:
    """Return the boxes of the components by their definition, in plain Python."""
    label = {(i, j): i * values.shape[1] + j for i, j in np.argwhere(values > level).tolist()}
    for _ in label:
        for (i, j), (k, m) in itertools.permutations(label, 2):
            saddle = (values[i, j] - level) * (values[k, m] - level) > (values[i, m] - level) * (values[k, j] - level)
            if abs(i - k) + abs(j - m) == 1 or (abs(i - k) == abs(j - m) == 1 and saddle):
                label[i, j] = label[k, m] = min(label[i, j], label[k, m])
    return [_extent(values, on, level, [at for at in label if label[at] == own]) for own in set(label.values())]


def _extent(values: np.ndarray, on, level: float, vertices: list[tuple[int, int]]) -> list[float]:
    ends = []
    for (i, j), (di, dj) in itertools.product(vertices, ((0, -1), (-1, 0), (0, 1), (1, 0))):
        k, m = i + di, j + dj
        y, x = (0, on.frame[0])[di > 0], (0, on.frame[1])[dj > 0]
        if 0 <= k < values.shape[0] and 0 <= m < values.shape[1]:
            part = (values[i, j] - level) / (values[i, j] - values[k, m]) if values[k, m] <= level else 1
            y, x = on.y[i] + part * (on.y[k] - on.y[i]), on.x[j] + part * (on.x[m] - on.x[j])
        ends.append((x, y, di, dj))
    edges = [min(x for x, _, _, d in ends if d < 0), min(y for _, y, d, _ in ends if d < 0)]
    return [*edges, max(x for x, _, _, d in ends if d > 0), max(y for _, y, d, _ in ends if d > 0)]


@pytest.mark.oracle
@pytest.mark.parametrize("kind", ["random", "plateaus"])
def test_boxes_equal_the_definition(kind):
    for seed in range(12):
        random = np.random.default_rng(seed)
        shape = tuple(random.integers(1, 6, 2))
        values = random.random(shape) if kind == "random" else random.integers(0, 4, shape) / 4
        on = surface(values, (40, 60), CONVENTIONAL)
        for level in () if on.flat else (0.0, 0.25, 0.45, 0.7):
            np.testing.assert_allclose(sorted(all_boxes(on, level)[0].tolist()), sorted(slowly(values, on, level)), atol=1e-9)
            assert len(all_boxes(on, level)[0]) == len(slowly(values, on, level))
