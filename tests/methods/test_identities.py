"""What is the same by construction, and what is not."""

import torch

import methods
from benchmark.explain import explain, gather, one
from methods.base import GradientMethod

SUM_TO_ONE = ["AVG", "MAX", "LSE", "EXP", "AVG_MAX", "AVG_MAX_LSE"]


class Unrectified(GradientMethod):
    """Grad-CAM before its ReLU."""

    name = "unrectified"
    source = "test"
    weights = methods.get("gradcam").weights


def both(model, images):
    evidence = gather(model, images)
    return one(methods.build("cam"), evidence), one(Unrectified(), evidence) * evidence.A[0, 0].numel()


def test_cam_is_gradcam_times_its_positions_where_the_pooling_weights_sum_to_one(model, images):
    cam, gradcam = both(model, images)
    error = (cam - gradcam).abs().max() / cam.abs().max()
    assert (error < 1e-6) == (model.pooling in SUM_TO_ONE), f"{model.pooling}: relative error {error}"


def test_gradcam_is_rectified_and_cam_is_not(model, images):
    maps = explain(model, images, ["cam", "gradcam", "gradcampp"])
    assert maps["gradcam"].min() >= 0
    assert maps["gradcampp"].min() >= 0
    assert maps["cam"].min() < 0


def test_an_avg_head_averages_its_cam_into_the_logit(make_model, images):
    model = make_model("AVG")
    maps = explain(model, images, ["cam"])
    torch.testing.assert_close(maps["cam"].mean((-2, -1)) + model.bias, maps.logits, atol=1e-5, rtol=1e-5)


def test_cam_and_gradcam_are_read_from_the_same_feature_map(model, images):
    """Pitfall: CAM read from another layer than Grad-CAM."""
    evidence = gather(model, images)
    torch.testing.assert_close(evidence.A, model.features(images), atol=1e-6, rtol=0)
    torch.testing.assert_close(model.head(evidence.A), evidence.logits, atol=1e-6, rtol=0)
