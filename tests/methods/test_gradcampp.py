"""Grad-CAM++ against the published formula, written out in float64."""

import pytest
import torch

import methods
from benchmark.explain import gather, one
from methods.gradcampp import GradCAMpp


def published(A, G):
    """Equation 19 position by position; A (C,h,w), G (C,h,w), both float64."""
    result = torch.zeros(A.shape[1:], dtype=torch.float64)
    for c in range(len(A)):
        weight = 0.0
        for g in G[c].flatten():
            denominator = 2 * g**2 + A[c].sum() * g**3
            alpha = g**2 / denominator if denominator != 0 else 0.0
            weight = weight + alpha * max(g, 0.0)
        result += weight * A[c]
    return result.clamp(min=0)


@pytest.mark.byhand
def test_two_positions_by_hand():
    """A = (1, 3), G = (.5, -.1): alpha(.5) = .25 / (.5 + 4 * .125) = .25; weight = .25 * .5 = .125."""
    A, G = torch.tensor([1.0, 3.0]).view(1, 1, 1, 1, 2), torch.tensor([0.5, -0.1]).view(1, 1, 1, 1, 2)
    assert GradCAMpp().weights(A, G).item() == pytest.approx(0.125)


@pytest.mark.byhand
def test_the_sum_is_over_a_alone_not_over_a_times_g_cubed():
    """Pitfall: sum(A g^3) for (sum A) g^3 would give another weight here."""
    A, G = torch.tensor([1.0, 3.0]).view(1, 1, 1, 1, 2), torch.tensor([0.5, 0.25]).view(1, 1, 1, 1, 2)
    right = 0.5 / (2 + 4 * 0.5) + 0.25 / (2 + 4 * 0.25)
    assert GradCAMpp().weights(A, G).item() == pytest.approx(right)


@pytest.mark.oracle
def test_every_pooling_gives_the_published_formula(model, images):
    evidence = gather(model, images)
    ours = one(methods.build("gradcampp"), evidence)
    for n, k in [(0, 0), (3, 2)]:
        expected = published(evidence.A[n].double(), evidence.G[n, k].double())
        torch.testing.assert_close(ours[n, k].double(), expected, atol=1e-5 * expected.max().item(), rtol=0)


def test_a_logit_of_200_gives_a_finite_map(model, images):
    with torch.no_grad():
        model.bias.fill_(200.0)
    evidence = gather(model, images)
    assert evidence.logits.max() > 150
    ours = one(methods.build("gradcampp"), evidence)
    assert ours.isfinite().all()
    assert ours.max() > 0


@pytest.mark.parametrize("pool", ["AVG", "MAX", "LSE"])
def test_the_gradient_is_the_logits_and_does_not_vanish_for_a_sure_model(make_model, images, pool):
    """Pitfall: the gradient of the sigmoid vanishes for sure predictions."""
    model = make_model(pool)
    before = gather(model, images).G
    with torch.no_grad():
        model.bias.fill_(200.0)
    torch.testing.assert_close(gather(model, images).G, before)


@pytest.mark.byhand
def test_a_denominator_of_zero_gives_weight_zero():
    """sum(A) * G = -2, possible where A < 0."""
    A, G = torch.tensor([-4.0, 0.0]).view(1, 1, 1, 1, 2), torch.tensor([0.5, 0.0]).view(1, 1, 1, 1, 2)
    assert GradCAMpp().weights(A, G).item() == 0
