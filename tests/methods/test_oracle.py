"""Raw maps equal to the grad-cam package's, before its post-processing."""

import numpy as np
import pytest
import torch

import backbones
from benchmark.explain import explain

pytorch_grad_cam = pytest.importorskip("pytorch_grad_cam")


@pytest.mark.oracle
@pytest.mark.parametrize("pool", ["AVG", "MAX", "LSE", "PCAM"])
@pytest.mark.parametrize("backbone", ["custom", "resnet18"])
def test_gradcam_equals_the_grad_cam_package(backbone, pool, images):
    torch.manual_seed(0)
    model = backbones.build(backbone, 3, pool)
    with torch.no_grad():
        model.train()(torch.randn(8, 3, 96, 96))
    model.eval()
    ours = explain(model, images, ["gradcam"])["gradcam"]
    for k in range(3):
        theirs = package_map(model, images, k)
        np.testing.assert_allclose(ours[:, k].numpy(), np.maximum(theirs, 0), atol=1e-5 * np.abs(theirs).max())


def package_map(model, images, finding):
    """The package's weights times its activations, unscaled: (N,h,w)."""
    from pytorch_grad_cam import GradCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with GradCAM(model=model, target_layers=[model.extractor]) as cam:
        outputs = cam.activations_and_grads(images)
        cam.model.zero_grad()
        sum(ClassifierOutputTarget(finding)(output) for output in outputs).backward()
        A, G = cam.activations_and_grads.activations[0].numpy(), cam.activations_and_grads.gradients[0].numpy()
        weights = cam.get_cam_weights(images, model.extractor, None, A, G)
    return (weights[..., None, None] * A).sum(1)
