"""Identities between methods, and where they do not hold."""

import pytest
import torch

from locus import backbones, methods
from locus.explaining.batch import collect_evidence, explain, run_method
from locus.methods.gradcam import GradCAM

SUM_TO_ONE = ["AVG", "MAX", "LSE", "EXP", "AVG_MAX", "AVG_MAX_LSE"]
FAST = [word for word in methods.names() if methods.get(word).is_fast() and word not in ("noise", "center", "pcam")]


class Unrectified(GradCAM):
    """Grad-CAM before its ReLU."""

    name = "unrectified"
    rectified = False


def relative(ours, theirs):
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


def test_cam_is_gradcam_times_positions_if_pooling_weights_sum_to_one(model, images):
    """Pitfall: CAM read from another layer than Grad-CAM."""
    maps = explain(model, images, ["cam", Unrectified])
    error = relative(maps["unrectified"] * 144, maps["cam"])
    assert (error < 1e-6) == (model.pooling in SUM_TO_ONE), f"{model.pooling}: relative error {error}"


def test_with_avg_hirescam_is_cam_and_xgradcam_is_gradcam(model, images):
    maps = explain(model, images, ["cam", "gradcam", "hirescam", "xgradcam"])
    errors = relative(maps["hirescam"] * 144, maps["cam"]), relative(maps["xgradcam"], maps["gradcam"])
    assert (max(errors) < 1e-5) == (model.pooling == "AVG"), f"{model.pooling}: relative errors {errors}"


def test_hirescam_sums_to_the_first_order_effect_of_all_features(model, images):
    evidence = collect_evidence(model, images)
    total = (evidence.G * evidence.A.unsqueeze(1)).sum((-3, -2, -1))
    torch.testing.assert_close(run_method(methods.build("hirescam"), evidence).maps.sum((-2, -1)), total, atol=1e-4, rtol=1e-5)


def test_gradients_per_finding_equal_the_full_gradients(model, images):
    gradients = collect_evidence(model, images).gradients
    for each in (gradients, gradients.positive()):
        torch.testing.assert_close(torch.stack(list(each.each()), 1), each.full(), atol=0, rtol=0)


def test_an_avg_head_averages_its_cam_into_the_logit(make_model, images):
    model = make_model("AVG")
    maps = explain(model, images, ["cam"])
    torch.testing.assert_close(maps["cam"].mean((-2, -1)) + model.bias, maps.logits, atol=1e-5, rtol=1e-5)


BIG = [pytest.param(*case, marks=pytest.mark.slow) for case in (("resnet18", 225, True), ("resnet18", 224, False), ("vgg16", 224, True))]


@pytest.mark.parametrize(("name", "side", "mirrors"), [("resnet18", 97, True), ("resnet18", 96, False), *BIG])
def test_a_mirrored_image_and_network_give_the_mirrored_map(name, side, mirrors):
    """ResNet looks from pixel 0 on in steps of 32: symmetric at 32 n + 1 pixels, shifted elsewhere. VGG's grid is centred.

    Measured, the largest difference as a share of the map's maximum: ResNet-18 at 225 px 2e-6 at most, VGG-16 at 224 px
    9e-6 at most; ResNet-18 at 224 px from .42 (Grad-CAM++) to 1.46 (CAM).
    """
    torch.manual_seed(0)
    model, images = backbones.build(name, 2, "LSE:gamma=1").eval(), torch.randn(2, 3, side, side)
    plain = explain(model, images, FAST)
    for part in model.modules():
        if isinstance(part, torch.nn.Conv2d):
            part.weight.data = part.weight.data.flip(-1)
    mirrored = explain(model, images.flip(-1), FAST)
    errors = {word: relative(mirrored[word].flip(-1), plain[word]) for word in FAST}
    assert max(errors.values()) < 1e-4 if mirrors else min(errors.values()) > 0.2, errors


def test_pcam_is_the_probability_of_each_position_alone(make_model, images):
    model = make_model("PCAM")
    evidence = collect_evidence(model, images)
    maps = run_method(methods.build("pcam"), evidence).maps
    alone = model.head(evidence.A[:, :, 4:5, 7:8])
    torch.testing.assert_close(maps[:, :, 4, 7], alone.sigmoid().detach())
