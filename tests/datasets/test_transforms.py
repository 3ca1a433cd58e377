"""Transforms for evaluation and training."""

import pytest
import torch

from locus.core.errors import UnknownNameError
from locus.datasets.io import transforms
from locus.datasets.io.transforms import AUGMENTS, Augment, evaluation, training

IMAGES = torch.arange(2 * 32 * 32, dtype=torch.int64).remainder(256).to(torch.uint8).reshape(2, 32, 32)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.byhand
def test_gray_becomes_three_normalised_channels():
    out = evaluation()(torch.full((1, 4, 4), 255, dtype=torch.uint8))
    expected = [(1 - m) / s for m, s in zip(transforms.IMAGENET_MEAN, transforms.IMAGENET_STD, strict=True)]
    assert out.shape == (1, 3, 4, 4)
    assert out[0, :, 2, 2].tolist() == pytest.approx(expected)


def test_the_evaluation_transform_is_deterministic():
    """Pitfall: a random flip in the evaluation transform mirrors the map and not the truth."""
    apply = evaluation()
    assert torch.equal(apply(IMAGES), apply(IMAGES))
    assert torch.equal(apply(IMAGES), apply(IMAGES.unsqueeze(1)))
    assert torch.equal(apply(IMAGES), training("none")(IMAGES))


def test_the_evaluation_transform_keeps_the_geometry():
    """Pitfall: a correction for a crop that does not exist."""
    seen = evaluation()(IMAGES)[:, 0] * transforms.IMAGENET_STD[0] + transforms.IMAGENET_MEAN[0]
    assert torch.equal((seen * 255).round().to(torch.uint8), IMAGES)


@pytest.mark.parametrize("augment", [name for name in AUGMENTS if name != "none"])
def test_the_same_generator_gives_the_same_augmentation(augment):
    first, again, other = (training(augment, seeded(s))(IMAGES) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (2, 3, 32, 32)


def test_an_unknown_augmentation_raises_an_error():
    with pytest.raises(UnknownNameError, match=r"augmentation.*'lite'.*'light'"):
        training("lite")


@pytest.mark.planted
def test_a_zero_augmentation_moves_nothing_and_a_flip_mirrors():
    images = IMAGES.unsqueeze(1).float() / 255
    still = transforms._augmented(images, Augment(rotation=1e-9), seeded())
    assert torch.allclose(still, images, atol=1e-4)
    flipped = transforms._augmented(images.repeat(8, 1, 1, 1), Augment(flip=True), seeded())
    mirrored = [torch.allclose(f, images[i % 2].flip(-1), atol=1e-4) for i, f in enumerate(flipped)]
    same = [torch.allclose(f, images[i % 2], atol=1e-4) for i, f in enumerate(flipped)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert any(mirrored)
    assert any(same)


@pytest.mark.byhand
def test_the_amounts_determine_the_matrix():
    chance = torch.zeros(1, 9)
    chance[0, 0], chance[0, 2], chance[0, 4] = 1, 1, -1
    matrix = transforms._matrices(chance, Augment(rotation=90, scale=1, translation=0.25))[0]
    assert matrix.tolist() == [pytest.approx([0, 0.5, -0.5], abs=1e-6), pytest.approx([-0.5, 0, 0], abs=1e-6)]


@pytest.mark.byhand
def test_the_area_outside_the_image_has_the_fill_value():
    images = torch.full((4, 1, 8, 8), 1.0)
    for fill in (0.0, 0.5):
        moved = transforms._augmented(images, Augment(translation=0.4, fill=fill), seeded())
        assert moved.min().item() == pytest.approx(fill)
        assert moved.max().item() == pytest.approx(1.0)
