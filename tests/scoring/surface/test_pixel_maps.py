"""Maps of as many pixels as their image: quick ways that give the numbers of the general ones."""

import numpy as np
import pytest

from locus.core.frames import Grid, conventional
from locus.scoring import pixels
from locus.scoring.surface import surface
from locus.scoring.surface.bilinear import to_frame

FRAME = (60, 50)


def random_map(shape):
    return np.random.default_rng(0).random(shape)


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [FRAME, (30, 25), (7, 7)])
def test_integrals_over_pixels_equal_those_over_cells_of_one_pixel(shape):
    heat = surface(random_map(shape), FRAME, "conventional")
    edges = [np.arange(side + 1) for side in FRAME]
    rows, columns = (np.arange(side) for side in FRAME)
    whole = heat.pixel_integrals(rows, columns)
    assert whole == pytest.approx(heat.integrals(*edges), rel=1e-12, abs=1e-14)
    assert heat.integral == pytest.approx(whole.sum(), rel=1e-12)
    np.testing.assert_allclose(heat.pixel_integrals(rows[5:9], columns[:3]), whole[5:9, :3], rtol=1e-12)


@pytest.mark.oracle
@pytest.mark.parametrize("grid", ["conventional", conventional(FRAME, FRAME), Grid(FRAME, (1, 1), (3, 0))])
def test_a_map_in_pixels_of_the_frame_is_the_one_that_interpolation_gives(grid):
    values = random_map(FRAME)
    np.testing.assert_array_equal(pixels._on_pixels(values, grid, FRAME), to_frame(values, FRAME, grid))
