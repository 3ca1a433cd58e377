import numpy as np
import pytest

from locus.benchmark.baselines.prior import Prior
from locus.benchmark.baselines.truth import Truth
from locus.core.frames import Grid
from locus.core.types import Sample

GRID = Grid((100, 100), (10, 10), (4.5, 4.5))


def sample(patient, boxes, masks=None):
    boxes = {finding: np.array(b, dtype=np.float64) for finding, b in boxes.items()}
    read_masks = None if masks is None else (lambda: masks)
    return Sample(
        patient, patient, (100, 100), np.zeros(2, np.float32), boxes, lambda: np.zeros((100, 100), np.uint8), read_masks=read_masks
    )


@pytest.mark.byhand
def test_truth_on_a_centred_grid_is_the_area_average_of_the_box():
    maps = Truth().maps([sample("a", {"Mass": [[10, 20, 35, 40]]})], ["Mass", "Nodule"], GRID, (10, 10))
    assert Truth().geometry(GRID, (10, 10)) == (GRID, (10, 10))
    assert maps[0, 0, 2].tolist() == [0, 1, 1, 0.5, 0, 0, 0, 0, 0, 0]
    assert maps[0, 0].sum() == pytest.approx(5.0)
    assert maps[0, 1].sum() == 0


@pytest.mark.byhand
def test_truth_on_a_shifted_grid_averages_the_square_around_the_position_clipped_to_the_image():
    maps = Truth().maps([sample("a", {"Mass": [[0, 0, 5, 100]]})], ["Mass"], Grid((100, 100), (10, 10), (-0.5, -0.5)), (10, 10))
    assert maps[0, 0, 0, :2].tolist() == [1.0, 0.0]


def test_truth_uses_the_mask_if_there_is_one():
    mask = np.zeros((100, 100), dtype=bool)
    mask[20:30, 30:40] = True
    maps = Truth().maps([sample("a", {"Mass": [[0, 0, 100, 100]]}, {"Mass": mask})], ["Mass"], GRID, (10, 10))
    assert np.argwhere(maps[0, 0]).tolist() == [[2, 3]]


def test_prior_excludes_the_patients_boxes():
    samples = [sample(str(i), {"Mass": [[0, 0, 50, 50]]} if i else {"Mass": [[90, 90, 100, 100]]}) for i in range(20)]
    maps = Prior(side=10).maps(samples, ["Mass"], GRID, (10, 10))
    assert maps[0, 0, 9, 9] == 0
    assert maps[0, 0, 0, 0] == 1


def test_prior_is_the_mean_of_the_other_patients_boxes():
    samples = [sample(str(i), {"Mass": [[0, 0, 50, 100]] if i % 2 else [[0, 0, 100, 100]]}) for i in range(40)]
    prior = Prior(folds=2, side=4)
    grid, shape = prior.geometry(GRID, (10, 10))
    maps = prior.maps(samples, ["Mass"], grid, shape)
    assert maps[:, 0, :, 0].min() == 1
    assert 0.2 < maps[:, 0, :, 3].mean() < 0.8
    assert grid.stride == (25, 25)
