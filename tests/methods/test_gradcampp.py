"""Grad-CAM++ compared with the published formula in float64 and with the grad-cam package."""

import pytest
import torch

from locus import methods
from locus.explaining.batch import collect_evidence, run_method
from locus.methods.gradcampp import GradCAMpp


def published(A, G, epsilon=0.0):
    """Equation 19 as printed, in float64; A (C,h,w), G (C,h,w). ``epsilon``: the grad-cam package adds 1e-6 to the denominator."""
    A, G = A.double(), G.double()
    denominator = 2 * G**2 + A.sum((-2, -1), keepdim=True) * G**3 + epsilon
    alpha = torch.where(denominator == 0, 0, G**2 / denominator)
    weights = (alpha * G.clamp(min=0)).sum((-2, -1))
    return torch.einsum("c,chw->hw", weights, A).clamp(min=0)


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("A", "G", "weight"),
    [
        ([1.0, 3.0], [0.5, -0.1], 0.125),  # alpha(.5) = .25 / (.5 + 4 * .125) = .25; weight = .25 * .5
        ([1.0, 3.0], [0.5, 0.25], 0.5 / (2 + 4 * 0.5) + 0.25 / (2 + 4 * 0.25)),
        ([-4.0, 0.0], [0.5, 0.0], 0),  # sum(A) * G = -2: the denominator is 0, possible where A < 0
    ],
)
def test_weights_of_two_positions_equal_those_by_hand(A, G, weight):
    """Pitfall: sum(A g^3) for (sum A) g^3 would give another weight in the second case."""
    A, G = (torch.tensor(values).view(1, 1, 1, 1, 2) for values in (A, G))
    assert GradCAMpp().weights(A, G).item() == pytest.approx(weight)


@pytest.mark.oracle
def test_every_pooling_gives_the_published_formula(model, images):
    evidence = collect_evidence(model, images)
    ours = run_method(methods.build("gradcampp"), evidence).maps
    for n, k in [(0, 0), (3, 2)]:
        expected = published(evidence.A[n], evidence.G[n, k])
        torch.testing.assert_close(ours[n, k].double(), expected, atol=1e-5 * expected.max().item(), rtol=0)


@pytest.mark.oracle
def test_with_its_epsilon_the_formula_equals_the_grad_cam_package(make_model, images):
    package = pytest.importorskip("pytorch_grad_cam").GradCAMPlusPlus
    model = make_model("AVG")
    with torch.no_grad():
        model.weight.mul_(0.1)  # as for a head of 1024 channels
    evidence = collect_evidence(model, images)
    A, G = evidence.A, evidence.G[:, 1]
    weights = package.get_cam_weights(None, None, None, None, A.numpy(), G.numpy())  # does not use its instance
    theirs = torch.einsum("nc,nchw->nhw", torch.from_numpy(weights), A).clamp(min=0).double()
    torch.testing.assert_close(published(A[0], G[0], 1e-6), theirs[0], atol=1e-5 * theirs[0].max().item(), rtol=0)
    exact = published(A[0], G[0])
    assert (exact / exact.max() - theirs[0] / theirs[0].max()).abs().max() > 0.01


@pytest.mark.parametrize("pool", ["AVG", "MAX", "LSE"])
def test_the_gradient_is_that_of_the_logit_and_does_not_vanish(make_model, images, pool):
    """Pitfall: the gradient of the sigmoid vanishes for confident predictions."""
    model = make_model(pool)
    before = collect_evidence(model, images).G
    with torch.no_grad():
        model.bias.fill_(200.0)
    torch.testing.assert_close(collect_evidence(model, images).G, before)
