"""Perturbation curves: models with known curves, and ROAD against grad-cam."""

import numpy as np
import pytest
import torch
from pytorch_grad_cam.metrics.road import ROADCombined, ROADLeastRelevantFirstAverage
from torch import nn

from locus.benchmark.validity import faithfulness
from locus.benchmark.validity.faithfulness import (
    INSERTED_SHARES,
    REMOVED,
    area_under_curve,
    blur,
    in_batches,
    measures,
    mixed,
    order,
    perturbation_curves,
)
from locus.core.frames import Grid

SIDE = 8
"""Of 64 pixels the i-th of 8 steps shows i² ones, a whole number."""
PIXELS = Grid((SIDE, SIDE), (1, 1), (0, 0))
NO_NOISE = torch.zeros(3, SIDE, SIDE)
ROWS = np.arange(SIDE * SIDE)
"""Row-major order."""


def linear(weights):
    """Return a network of one finding: the weighted sum of the first channel."""
    return lambda pictures: (pictures[:, 0] * weights).sum((-2, -1))[:, None]


def curves(image, weights, *orders):
    return perturbation_curves(image, np.stack(orders), NO_NOISE, linear(weights))


@pytest.mark.byhand
def test_network_of_equal_weights_has_half_the_area_for_any_order():
    image, weights = torch.ones(3, SIDE, SIDE), torch.full((SIDE, SIDE), 1 / 64)
    for pixels in (ROWS, ROWS[::-1], np.random.default_rng(0).permutation(64)):
        known = measures(curves(image, weights, pixels))
        assert known["deletion"].ravel() == pytest.approx([0.5])
        assert known["insertion"].ravel() == pytest.approx([1])  # a white image is its own blur


@pytest.mark.byhand
def test_network_of_one_pixel_depends_only_on_that_pixel():
    image, weights = torch.zeros(3, SIDE, SIDE), torch.zeros(SIDE, SIDE)
    image[:, 0, 0] = weights[0, 0] = 1
    first, last = faithfulness.parts(curves(image, weights, ROWS, ROWS[::-1].copy()))["deletion"][:, 0]
    assert first.tolist() == [1] + [0] * 8
    assert last.tolist() == [1] * 8 + [0]
    assert area_under_curve(INSERTED_SHARES, first) == pytest.approx(1 / 128)
    assert area_under_curve(INSERTED_SHARES, last) == pytest.approx(1 - 15 / 128)


@pytest.mark.byhand
def test_insertion_begins_at_the_blurred_image():
    image, weights = torch.zeros(3, SIDE, SIDE), torch.zeros(SIDE, SIDE)
    image[:, 0, 0] = weights[0, 0] = 1
    start = float(blur(image)[0, 0, 0])
    inserted = faithfulness.parts(curves(image, weights, ROWS))["insertion"][0, 0]
    assert inserted.tolist() == pytest.approx([start] + [1] * 8)
    assert 0 < start < 1
    assert area_under_curve(INSERTED_SHARES, inserted) == pytest.approx(1 - (1 - start) / 128)


@pytest.mark.byhand
def test_road_is_half_the_difference_of_least_and_most_relevant_first():
    image, weights = torch.zeros(3, SIDE, SIDE), torch.zeros(SIDE, SIDE)
    image[:, 0, 0] = weights[0, 0] = 1
    known = measures(curves(image, weights, ROWS))
    assert known["road@lerf"].ravel() == pytest.approx([1])  # the pixel is in the last tenth
    assert known["road@morf"].ravel() == pytest.approx([0])  # imputed from zeros
    assert known["road"].ravel() == pytest.approx([0.5])


def test_equal_values_are_ordered_row_by_row_and_least_first_is_the_same_backwards():
    assert order(np.ones((2, 3)), Grid((2, 3), (1, 1), (0, 0))).tolist() == [0, 1, 2, 3, 4, 5]
    weights = 2.0 ** -torch.arange(64).reshape(SIDE, SIDE)
    image, backwards = torch.ones(3, SIDE, SIDE), ROWS[::-1].copy()
    one, other = (faithfulness.parts(curves(image, weights, pixels)) for pixels in (ROWS, backwards))
    assert np.array_equal(one["morf"], other["lerf"])


def test_order_is_that_of_the_surface_on_the_true_grid():
    values, size = [[0, 0], [0, 1]], (8, 8)
    centred, shifted = (order(values, Grid(size, (4, 4), (at, at))) for at in (1.5, 0))
    assert divmod(int(centred[0]), 8) == (6, 6)  # the first of the pixels beyond the last position
    assert divmod(int(shifted[0]), 8) == (4, 4)


def test_share_shows_the_nearest_whole_number_of_pixels():
    shown = mixed(torch.ones(3, 1, 5), torch.zeros(3, 1, 5), np.array([4, 0, 1, 2, 3]), [0, 0.2, 0.29, 0.31, 1])
    assert shown[:, 0, 0].tolist() == [[0] * 5, [0, 0, 0, 0, 1], [0, 0, 0, 0, 1], [1, 0, 0, 0, 1], [1] * 5]


def test_equal_orders_are_computed_once():
    asked = []

    def ask(pictures):
        asked.append(len(pictures))
        return pictures.mean((1, 2, 3))[:, None]

    image = torch.rand(3, SIDE, SIDE)
    both = perturbation_curves(image, np.stack([ROWS, ROWS]), NO_NOISE, ask)
    one = perturbation_curves(image, ROWS[None], NO_NOISE, ask)
    assert asked[0] == asked[1]
    assert np.array_equal(both, np.concatenate([one] * 2))


@pytest.mark.oracle
def test_area_at_even_steps_equals_the_papers_code():
    curve = np.random.default_rng(0).random(11)
    assert area_under_curve(np.linspace(0, 1, 11), curve) == pytest.approx((curve.sum() - curve[0] / 2 - curve[-1] / 2) / 10)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 8, 5, padding=2), nn.Tanh(), nn.Conv2d(8, 4, 5, padding=2), nn.AdaptiveAvgPool2d(1), nn.Flatten())


@pytest.mark.oracle
def test_road_equals_grad_cam_without_tied_pixels(network, monkeypatch):
    monkeypatch.setattr("torch.randn_like", torch.zeros_like)  # its noise has no seed
    rng = np.random.default_rng(0)
    image, ranks = torch.from_numpy(np.float32(rng.normal(size=(3, 20, 20)))), rng.permutation(400)
    cam = np.float32(ranks.reshape(1, 20, 20) / 400)
    percentiles = [100 * (1 - share) for share in REMOVED]
    with torch.no_grad():
        ours = measures(perturbation_curves(image, order(cam[0], Grid((20, 20), (1, 1), (0, 0)))[None], torch.zeros_like(image), network))
    targets = [[lambda said, k=k: said[k]] for k in range(4)]
    both = [ROADCombined(percentiles)(image[None], cam, target, network)[0] for target in targets]
    changes = [ROADLeastRelevantFirstAverage(percentiles)(image[None], cam, target, network)[0] for target in targets]
    assert ours["road"][0] == pytest.approx(both, abs=1e-5)
    assert ours["road@lerf"][0] - network(image[None])[0].detach().numpy() == pytest.approx(changes, abs=1e-5)


@pytest.mark.contract
def test_predictions_do_not_depend_on_the_batch(network):
    pictures = torch.rand(30, 3, 64, 64)
    assert in_batches(network, pictures, 0.001) == pytest.approx(in_batches(network, pictures, 2), abs=1e-6)
