"""Energy-based pointing game: shares of integrals by hand, and against pixels."""

import dataclasses

import numpy as np
import pytest

from locus.core.frames import Grid
from locus.scoring.protocols.base import Case
from locus.scoring.protocols.energy import Energy, inside, inside_mask
from locus.scoring.surface import surface
from locus.scoring.surface.bilinear import to_frame

FRAME = (30, 30)
SPOT = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.float32)  # a pyramid of hyperbolas around (15, 15)
pytestmark = pytest.mark.byhand


def case(image, boxes, values=SPOT, **more):
    return Case(image, image, "mass", values, "conventional", FRAME, np.array(boxes, dtype=np.float64).reshape(-1, 4), **more)


def evaluate(*cases):
    return Energy().evaluate(cases, ("mass",), 0)


def score(result, metric):
    return next((s.value, s.n) for s in result.scores if (s.metric, s.finding) == (metric, "mass"))


def test_share_in_a_box_is_a_share_of_the_integral():
    assert score(evaluate(case("a", [[5, 5, 15, 25]])), "energy") == (0.5, 1)
    quarter = 0.5 - 0.5**2 / 2  # of a hat's half, from its middle to halfway down
    assert score(evaluate(case("a", [[10, 10, 20, 20]])), "energy") == (pytest.approx(quarter**2 * 4, abs=1e-6), 1)


def test_overlapping_boxes_count_once_and_parts_outside_the_frame_do_not_count():
    assert score(evaluate(case("a", [[5, 5, 15, 25], [5, 5, 15, 25], [5, 5, 15, 15]])), "energy") == (0.5, 1)
    ramp = surface([[0, 1]], FRAME, "conventional")
    assert inside(ramp, [[15, -500, 9999, 30]]) == pytest.approx(1 - inside(ramp, [[0, 0, 15, 30]]))


def test_map_is_rectified_at_its_positions_before_it_is_interpolated():
    values = np.array([[-1, 1, -1]], dtype=np.float32)
    assert score(evaluate(case("a", [[5, 0, 25, 30]], values)), "energy") == (1, 1)  # afterwards, [10, 20] would hold all of it
    assert score(evaluate(case("a", [[10, 0, 20, 30]], values)), "energy") == (0.75, 1)


def test_maps_without_energy_are_left_out_and_counted():
    result = evaluate(*(case(f"i{factor}", [[5, 5, 15, 25]], SPOT * factor) for factor in (1, 0, -1)))
    assert score(result, "energy") == (0.5, 1)
    assert score(result, "no_energy") == (pytest.approx(2 / 3, abs=1e-6), 3)
    assert [row["reason"] for row in result.rows] == ["", "flat map", "flat map"]
    assert not result.failed


def test_energy_of_a_constant_map_is_the_truths_share_of_the_image():
    constant = case("a", [[0, 0, 10, 9]], np.ones((3, 3), np.float32))
    assert score(evaluate(constant), "energy") == (pytest.approx(0.1), 1)
    result = evaluate(constant, dataclasses.replace(constant, image_id="b", map=None, reason="it broke"))
    assert score(result, "energy") == (pytest.approx(0.05), 2)
    assert result.failed == [("b", "mass", "it broke")]


def test_mask_replaces_boxes():
    left = np.zeros(FRAME, dtype=bool)
    left[:, :15] = True
    assert score(evaluate(case("a", [[0, 0, 30, 30]], read_mask=lambda: left)), "energy") == (0.5, 1)


@pytest.mark.oracle
@pytest.mark.parametrize("grid", ["conventional", Grid((96, 96), (8, 8), (-8, 2)), Grid((96, 96), (7, 9), (0, 18))])
def test_share_of_pixels_converges_to_the_exact_share(grid):
    values, errors = np.random.default_rng(0).random((12, 10)), []
    for frame in ((45, 35), (450, 350)):
        picture, on = to_frame(values, frame, grid), surface(values, frame, grid)
        x0, y0, x1, y1 = box = np.array([8, 5, 20, 16]) * (frame[0] // 45)
        truth = np.zeros(frame, dtype=bool)
        truth[y0:y1, x0:x1] = True
        assert inside_mask(on, truth) == pytest.approx(inside(on, [box]), rel=1e-12)
        errors.append(abs(picture[truth].sum(dtype=np.float64) / picture.sum(dtype=np.float64) - inside(on, [box])))
    assert errors[1] < errors[0] / 3 + 2e-6
    assert errors[1] < 1e-5
