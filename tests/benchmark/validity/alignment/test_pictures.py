"""Conventions: invariances, differences, and comparison with the packages."""

import numpy as np
import pytest
import torch

from locus.benchmark.validity.alignment import CONVENTIONS, captum, captum_bilinear, grad_cam, ours, torchcam, wsolevaluation, x_ray
from locus.core.frames import Grid, conventional

SIZE = (64, 96)


def signed(shape=(4, 6), seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def centred(values):
    return conventional(SIZE, values.shape)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_pictures_have_the_input_size_and_range_0_to_1(name):
    values = signed()
    picture = CONVENTIONS[name](values, centred(values))
    assert picture.shape == SIZE
    assert (picture.min(), picture.max()) == (0, 1)


@pytest.mark.parametrize("name", CONVENTIONS)
def test_positive_factor_changes_no_picture_and_a_flat_map_gives_a_flat_one(name):
    values = signed()
    one, scaled, flat = (CONVENTIONS[name](v, centred(v)) for v in (values, values * 8, np.full_like(values, 3)))
    np.testing.assert_allclose(scaled, one, atol=2e-6)
    assert np.ptp(flat) == 0


def test_ours_is_plain_bilinear_on_a_centred_grid():
    values = signed()
    np.testing.assert_allclose(ours(values, centred(values)), x_ray(values, centred(values)), atol=1e-5)


def test_only_ours_uses_the_exact_grid():
    values = np.zeros((2, 2), np.float32)
    values[0, 0] = 1
    resnet = Grid((64, 64), (32, 32), (0, 0))
    assert ours(values, resnet)[0, 0] == 1
    assert ours(values, resnet)[16, 16] == pytest.approx(0.25)
    assert x_ray(values, resnet)[15, 15] == 1


def test_order_of_relu_and_bilinear_does_not_matter_for_positive_maps():
    values = signed() - signed().min()
    for other in (x_ray, captum_bilinear):
        np.testing.assert_allclose(grad_cam(values, centred(values)), other(values, centred(values)), atol=1e-5)


def test_relu_before_and_after_the_interpolation_differ_for_signed_maps():
    values = signed()
    assert np.abs(grad_cam(values, centred(values)) - captum_bilinear(values, centred(values))).max() > 0.1


@pytest.mark.parametrize("convention", [wsolevaluation, torchcam])
def test_bicubic_undershoots_next_to_a_peak(convention):
    values = np.zeros((5, 5), np.float32)
    values[2, 2] = 1
    picture = convention(values, conventional((50, 50), (5, 5)))
    assert picture[25, 25] > 0.95
    assert picture[25].min() == 0 < 0.02 < picture[0, 0]  # far from the peak all positions are 0, which is not the lowest any more


@pytest.mark.oracle
def test_grad_cam_equals_the_package():
    base = pytest.importorskip("pytorch_grad_cam.base_cam")
    image = pytest.importorskip("pytorch_grad_cam.utils.image")
    values = signed((5, 7))
    scaled = image.scale_cam_image(np.maximum(values, 0)[None], (96, 64))
    theirs = base.BaseCAM.aggregate_multi_layers(None, [scaled[:, None]])[0]
    np.testing.assert_allclose(grad_cam(values, conventional(SIZE, (5, 7))), theirs, atol=1e-6)


@pytest.mark.oracle
def test_captum_equals_the_package():
    attr = pytest.importorskip("captum.attr")
    values = signed((5, 7))
    for convention, mode in ((captum, "nearest"), (captum_bilinear, "bilinear")):
        theirs = attr.LayerAttribution.interpolate(torch.from_numpy(values)[None, None], SIZE, mode)[0, 0].clamp(min=0).numpy()
        np.testing.assert_allclose(convention(values, conventional(SIZE, (5, 7))), theirs / theirs.max(), atol=1e-5)


@pytest.mark.oracle
def test_torchcam_equals_the_package():
    core = pytest.importorskip("torchcam.methods.core")
    from PIL import Image

    values = signed((5, 7))
    scaled = core._CAM._normalize(torch.from_numpy(values.copy())[None])[0].numpy()
    theirs = np.asarray(Image.fromarray(scaled).resize((96, 64), Image.Resampling.BICUBIC))
    expected = (theirs - theirs.min()) / np.ptp(theirs)
    np.testing.assert_allclose(torchcam(values, conventional(SIZE, (5, 7))), expected, atol=1e-5)
