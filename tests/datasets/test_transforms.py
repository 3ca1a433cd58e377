"""Transforms for evaluation and training."""

import pytest
import torch

from locus.core.errors import BadValueError, UnknownNameError
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


@pytest.mark.parametrize("augment", [name for name in AUGMENTS if name not in ("none", "cutmix")])
def test_the_same_generator_gives_the_same_augmentation(augment):
    first, again, other = (training(augment, seeded(s))(IMAGES) for s in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert first.shape == (2, 3, 32, 32)


def test_an_unknown_augmentation_raises_an_error():
    with pytest.raises(UnknownNameError, match=r"augmentation.*'lite'.*'light'"):
        training("lite")


@pytest.mark.parametrize("word", ["has:hide=True", "light:rotation=True", "light:flip=3"])
def test_an_amount_that_is_a_switch_and_a_switch_that_is_an_amount_are_errors(word):
    option, _, value = word.split(":")[1].partition("=")
    with pytest.raises(BadValueError, match=f"{option}={value}"):
        training(word)


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


@pytest.mark.byhand
def test_squares_below_the_share_are_hidden_and_the_last_ones_are_cut_off():
    """Squares of 2 on an image of 3 x 3: chances .4, .6 / .6, .4 hide the first and the last one."""
    chances = torch.full((3, 3), 0.9)
    chances[:2, :2] = torch.tensor([[0.4, 0.6], [0.6, 0.4]])
    hidden = transforms.hide(torch.ones(3, 3, 3), 2 / 3, chances, 0.5)
    assert hidden[0].tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]
    assert torch.equal(transforms.hide(torch.ones(3, 3, 3), 0.0, chances, 0.5), torch.ones(3, 3, 3))


def test_hide_and_seek_hides_half_of_the_patches_in_mean_grey():
    seen = training("has", seeded())(torch.full((300, 32, 32), 255, dtype=torch.uint8))[:, 0]
    assert (seen == 0).float().mean() == pytest.approx(0.8 * 0.5, abs=0.05)  # one of five sides hides nothing
    assert training("affine_contrast:hide=.5", seeded())(IMAGES).shape == (2, 3, 32, 32)


@pytest.mark.oracle
def test_cutmix_cuts_the_box_of_wsolevaluation_and_mixes_labels_by_area():
    """Its rand_bbox: sides int(size * sqrt(share)), a random centre, half a side in each direction, clipped."""
    images, labels = torch.randn(4, 3, 10, 20), torch.eye(4)
    share, down, right = torch.rand(4, generator=seeded(5)).tolist()[1:]
    half = [int(size * share**0.5) // 2 for size in (10, 20)]
    centre = int(10 * down), int(20 * right)
    (top, bottom), (left, end) = [(max(c - h, 0), min(c + h, n)) for c, h, n in zip(centre, half, (10, 20), strict=True)]
    inside = torch.zeros(10, 20, dtype=torch.bool)
    inside[top:bottom, left:end] = True
    found, mixed = transforms.mixed(images, labels, "cutmix", seeded(5))
    generator = seeded(5)
    torch.rand(4, generator=generator)
    order = torch.randperm(4, generator=generator)
    assert torch.equal(found, torch.where(inside, images[order], images))
    torch.testing.assert_close(mixed, labels + inside.float().mean() * (labels[order] - labels))


def test_a_label_that_is_unknown_in_one_image_is_unknown_in_the_mixture():
    labels = torch.tensor([[torch.nan, 1.0], [0.0, 1.0]])
    found = torch.stack([transforms.mixed(torch.zeros(2, 3, 8, 8), labels, "cutmix", seeded(s))[1] for s in range(20)])
    torch.testing.assert_close(found[:, :, 1], torch.ones(20, 2))
    assert found[:, :, 0].isnan().all(1).any()


def test_a_batch_is_mixed_with_the_probability_of_the_option():
    images, labels = torch.randn(4, 3, 8, 8), torch.eye(4)
    assert torch.equal(transforms.mixed(images, labels, "light", seeded())[0], images)
    with pytest.raises(BadValueError, match="cutmix=2"):
        training("cutmix:cutmix=2")
