"""ShapleyCAM compared with the grad-cam package, and with Grad-CAM if the logit is linear in the features."""

from types import SimpleNamespace

import pytest
import torch

from locus import backbones
from locus.core.frames import Grid
from locus.explaining.batch import explain


@pytest.mark.oracle
@pytest.mark.parametrize("pool", ["LSE", "PCAM", "EXP"])
def test_weights_equal_those_of_the_grad_cam_package(on_features, pool):
    """Call the package's function of A and G; its hooks fail to release such a graph with this version of torch."""
    package = pytest.importorskip("pytorch_grad_cam")
    random = torch.Generator().manual_seed(0)
    model, images = on_features(pool, torch.randn(3, 6, generator=random)), torch.randn(2, 6, 4, 5, generator=random).relu()
    state = SimpleNamespace(activations_and_grads=SimpleNamespace(reshape_transform=None), device="cpu")
    ours = explain(model, images, ["shapleycam", "gradcam"])
    for k in range(3):
        A = images.clone().requires_grad_()
        (G,) = torch.autograd.grad(model.head(A)[:, k].sum(), A, create_graph=True)
        weights = torch.from_numpy(package.ShapleyCAM.get_cam_weights(state, None, None, None, A, G))
        theirs = (weights[..., None, None] * A.detach()).sum(1).clamp(min=0)
        torch.testing.assert_close(ours["shapleycam"][:, k], theirs, atol=2e-5 * theirs.abs().max().item(), rtol=0)
    scale = ours["gradcam"].abs().max().item()
    assert torch.allclose(ours["shapleycam"], ours["gradcam"], rtol=0, atol=1e-4 * scale) == (pool != "PCAM")


@pytest.mark.byhand
def test_the_second_order_cancels_the_first_for_a_square():
    """S = A^2 / 2: G = A, H A = A, so the weight is half the mean gradient."""
    place = {"channels": 1, "grid": lambda size: Grid(size, (1, 1), (0, 0))}
    model = backbones.wrap(torch.nn.Identity(), lambda x: x, lambda A: A.square().sum((1, 2, 3))[:, None] / 2, **place)
    A = torch.tensor([[[[1.0, 3.0]]]])
    assert explain(model, A, ["shapleycam"])["shapleycam"].flatten().tolist() == pytest.approx([1, 3])
    assert explain(model, A, ["gradcam"])["gradcam"].flatten().tolist() == pytest.approx([2, 6])
