"""ROAD's imputation: by hand, and against the authors' code in grad-cam."""

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics.road import NoisyLinearImputer

from locus.benchmark.validity.faithfulness import impute


@pytest.mark.byhand
def test_one_removed_pixel_is_the_weighted_mean_of_its_neighbours():
    image = np.array([[[12.0, 6, 0], [6, 99, 6], [0, 6, 24]]])
    removed = np.zeros((3, 3), bool)
    removed[1, 1] = True
    assert impute(image, removed)[0, 1, 1] == pytest.approx(4 * 6 / 6 + (12 + 24) / 12)


@pytest.mark.byhand
def test_in_a_corner_only_the_neighbours_that_exist_count():
    image = np.array([[[99.0, 1], [2, 9]]])
    removed = np.array([[True, False], [False, False]])
    assert impute(image, removed)[0, 0, 0] == pytest.approx((1 / 6 + 2 / 6 + 9 / 12) / (5 / 12))


@pytest.mark.oracle
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_imputed_pixels_equal_the_authors_code(share):
    rng = np.random.default_rng(0)
    image, smooth = rng.random((3, 20, 24)), np.add.outer(np.sin(np.arange(20) / 3), np.cos(np.arange(24) / 4))
    for removed in (rng.random((20, 24)) < share, smooth > np.quantile(smooth, 1 - share)):
        mask = torch.from_numpy(np.float32(~removed))
        theirs = NoisyLinearImputer(noise=0)(torch.from_numpy(np.float32(image)), mask)
        assert impute(image, removed) == pytest.approx(theirs.numpy(), abs=1e-5)


def test_removed_values_are_not_used_and_other_pixels_do_not_change():
    rng = np.random.default_rng(0)
    image, removed = rng.random((1, 9, 9)), rng.random((9, 9)) < 0.6
    other = np.where(removed, 1e6, image)
    assert np.array_equal(impute(image, removed), impute(other, removed))
    assert np.array_equal(impute(image, removed)[:, ~removed], image[:, ~removed])


def test_image_without_remaining_pixels_is_mean_grey():
    assert not impute(np.ones((3, 4, 4)), np.ones((4, 4), bool)).any()
