"""ShapleyCAM: equal to grad-cam's, and Grad-CAM's own map where the logit is linear in the features."""

import pytest
import torch

from benchmark.explain import explain


@pytest.mark.oracle
@pytest.mark.parametrize("pool", ["LSE", "PCAM", "EXP"])
def test_it_equals_the_grad_cam_package(make_model, images, pool):
    package = pytest.importorskip("pytorch_grad_cam")
    target = pytest.importorskip("pytorch_grad_cam.utils.model_targets").ClassifierOutputTarget
    model, given = make_model(pool), images[:2].requires_grad_()
    ours = explain(model, given, ["shapleycam", "gradcam"])
    for k in range(3):
        with package.ShapleyCAM(model, [model.extractor]) as cam:
            score = cam.activations_and_grads(given)[:, k].sum()
            torch.autograd.grad(score, given, retain_graph=True, create_graph=True)
            A, G = cam.activations_and_grads.activations[0], cam.activations_and_grads.gradients[0]
            theirs = torch.from_numpy(cam.get_cam_image(given, model.extractor, [target(k)] * 2, A, G, False)).clamp(min=0)
        torch.testing.assert_close(ours["shapleycam"][:, k], theirs, atol=2e-5 * theirs.abs().max().item(), rtol=0)
    assert not torch.allclose(ours["shapleycam"], ours["gradcam"], rtol=0.01)


@pytest.mark.byhand
def test_a_square_loses_its_whole_first_order():
    """S = A^2 / 2: G = A, H A = A, so the weight is half the mean gradient."""
    import backbones
    from core.frames import Grid

    model = backbones.wrap(
        torch.nn.Identity(),
        lambda x: x,
        lambda A: A.square().sum((1, 2, 3))[:, None] / 2,
        channels=1,
        grid=lambda size: Grid(size, (1, 1), (0, 0)),
    )
    A = torch.tensor([[[[1.0, 3.0]]]])
    assert explain(model, A, ["shapleycam"])["shapleycam"].flatten().tolist() == pytest.approx([1, 3])
    assert explain(model, A, ["gradcam"])["gradcam"].flatten().tolist() == pytest.approx([2, 6])
