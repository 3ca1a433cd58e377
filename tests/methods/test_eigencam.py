"""Eigen-CAM and Eigen-Grad-CAM: components, signs and constant features."""

import numpy as np
import pytest
import torch

from locus.methods._principal import _leading, first_component


def by_svd(features):
    """Compute the definition in float64, up to the sign: (C,h,w) -> (h,w)."""
    X = features.double().flatten(1).T.numpy()
    X = X - X.mean(0)
    return (X @ np.linalg.svd(X, full_matrices=False)[2][0]).reshape(features.shape[1:])


@pytest.mark.oracle
@pytest.mark.parametrize("shape", [(40, 7, 7), (12, 16, 16), (300, 16, 16), (100, 11, 12), (1, 3, 5), (30, 1, 6)])
def test_both_gram_matrices_give_the_singular_vector(shape):
    features = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)).relu()
    ours = first_component(features).double().numpy()
    for mine, each in zip(ours, features, strict=True):
        theirs = by_svd(each)
        theirs *= np.sign((mine * theirs).sum())
        np.testing.assert_allclose(mine, theirs, atol=1e-6 * np.abs(theirs).max())


@pytest.mark.parametrize("gap", [1e-2, 1e-5, 1e-8])
def test_close_singular_values_are_distinguished(gap):
    """Twelve orthogonal axes of lengths 1 + gap, 1, 1, ...: the iteration does not converge and falls back."""
    axes = torch.linalg.qr(torch.randn(144, 12, generator=torch.Generator().manual_seed(0), dtype=torch.float64)).Q
    values = torch.ones(12, dtype=torch.float64)
    values[0] += gap
    vector = _leading((axes * values @ axes.mT)[None])[0, :, 0]
    assert abs(vector @ axes[:, 0]).item() == pytest.approx(1, abs=1e-6)


def test_one_bright_position_is_found_wherever_it_is():
    features = torch.zeros(64, 70, 8, 8)
    features.flatten(2)[torch.arange(64), 0, torch.arange(64)] = 1.0
    maps = first_component(features).flatten(1)
    assert torch.equal(maps.argmax(1), torch.arange(64))
    torch.testing.assert_close(maps.amax(1), torch.full((64,), 63 / 64))


@pytest.mark.byhand
def test_if_channels_cancel_the_first_largest_value_is_positive():
    """Channels (1, 0, 0) and (0, 1, 1) add up to a constant: the map is (+, -, -) by its largest value."""
    features = torch.tensor([[[[1.0, 0, 0]], [[0, 1.0, 1.0]]]])
    expected = torch.tensor([[[2.0, -1, -1]]]) * 2**0.5 / 3
    for scale in (1e-3, 1.0, 1e4):
        torch.testing.assert_close(first_component(scale * features), scale * expected)
        torch.testing.assert_close(first_component(scale * features.flip(1)), scale * expected)


@pytest.mark.parametrize("value", [0.0, 0.1, -3.3, 1e30])
@pytest.mark.parametrize("shape", [(5, 7, 7), (200, 16, 16)])
def test_constant_features_give_zeros(value, shape):
    assert (first_component(torch.full((2, *shape), value)) == 0).all()


def test_features_of_any_size_are_decomposed():
    features = torch.randn(1, 100, 10, 10, generator=torch.Generator().manual_seed(0))
    expected = first_component(features)
    for size in (1e-30, 1e30):
        torch.testing.assert_close(first_component(features * size) / size, expected)


def test_an_image_that_is_not_finite_does_not_affect_the_others():
    features = torch.randn(3, 5, 4, 4)
    whole = first_component(features)
    features[1, 0, 0, 0] = torch.nan
    broken = first_component(features)
    assert broken[1].isnan().all()
    torch.testing.assert_close(broken[[0, 2]], whole[[0, 2]])
