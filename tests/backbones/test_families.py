"""Forward passes of all backbone families."""

import re

import pytest
import torch

from locus import backbones
from locus.backbones import pooling as poolings
from locus.backbones.pooling import ATTENTIONS
from locus.core.errors import BadValueError, NotAvailableError, UnknownNameError

OPEN = ["resnet10t", "mobilenetv3_small_050", "convnext_atto"]
QUICK = ["custom", "resnet18", "tf_efficientnet_b0", "squeezenet1_1", "resnet10t"]
LARGE = [pytest.param(name, marks=pytest.mark.slow) for name in [*backbones.names(), *OPEN] if name not in (*QUICK, "small_vit")]
RECTIFIED = {"densenet121": True, "tf_efficientnet_b0": False, "efficientnet_b0": False}  # SiLU


@pytest.mark.contract
@pytest.mark.parametrize("name", [*QUICK, *LARGE])
def test_a_network_runs_at_small_and_odd_sizes_with_batch_one(name):
    torch.manual_seed(0)
    model, size = backbones.build(name, 2, global_pool="PCAM", dropout=0.2), (96, 101)
    images = torch.randn(1, 3, *size)
    model(images).sum().backward()  # batch 1 in train mode
    assert name in OPEN or all(parameter.grad is not None for parameter in model.parameters())
    model.eval()
    with torch.no_grad():
        A = model.features(images)
        before = A.clone()
        logits = model.head(A)
        model.class_maps(A)
    assert torch.equal(A, before)
    assert torch.equal(model(images), logits)
    assert A.shape[1] == model.weight.shape[1]
    assert model.grid(size).centres(A.shape[-2:], size)[0].max() <= size[0] + model.grid(size).stride[0]
    assert name not in RECTIFIED or bool(A.min() >= 0) == RECTIFIED[name]


@pytest.mark.contract
@pytest.mark.parametrize("pooling", poolings.POOLINGS)
@pytest.mark.parametrize("attention", ["none", *ATTENTIONS])
def test_the_small_network_trains_one_image_with_every_head(pooling, attention):
    model = backbones.build("custom", 2, pooling, attention)
    logits = model(torch.randn(1, 3, 96, 96))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in model.parameters() if parameter.grad is not None)


def test_the_small_vision_transformer_has_the_positions_of_the_small_cnn_and_no_class_token():
    model, images = backbones.build("small_vit", 2, global_pool="PCAM").eval(), torch.randn(2, 3, 128, 128)
    assert model.features(images).shape == (2, 96, 16, 16)
    assert model.grid((128, 128)) == backbones.build("custom", 2).grid((128, 128))
    assert model.features(torch.randn(1, 3, 64, 96)).shape == (1, 96, 8, 12)
    with pytest.raises(BadValueError, match="do not fit patches of 8x8"):
        model(torch.randn(1, 3, 96, 101))
    with pytest.raises(NotAvailableError, match="small_vit"):
        backbones.build("small_vit", 2, pretrained=True)


@pytest.mark.parametrize("name", ["custom", "resnet18"])
def test_bfloat16_autocast_gives_float32_logits(name):
    model = backbones.build(name, 2, "LSE", "FPA").eval()
    images = torch.randn(1, 3, 96, 96)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert model(images).dtype == torch.float32


def test_one_channel_is_repeated_to_three():
    model, grey = backbones.build("custom", 2).eval(), torch.randn(2, 1, 96, 96)
    assert torch.equal(model(grey), model(grey.repeat(1, 3, 1, 1)))


@pytest.mark.parametrize("shape", [(3, 96, 96), (1, 2, 96, 96)])
def test_images_of_another_shape_raise_a_clear_error(shape):
    with pytest.raises(BadValueError, match=rf"{re.escape(str(shape))}.*\(N, 3, H, W\)"):
        backbones.build("custom", 2)(torch.zeros(shape))


@pytest.mark.parametrize(("typed", "meant"), [("ResNet18", "resnet18"), ("EfficientNet", "efficientnet_b0"), ("custom", "custom")])
def test_aliases_are_resolved(typed, meant):
    assert backbones.build(typed, 2).build_options["name"] == meant


def test_a_typo_raises_an_error_with_the_nearest_timm_models():
    with pytest.raises(UnknownNameError, match=r"backbone.*'resnet19'.*'resnet18'.*custom.*timm") as caught:
        backbones.build("resnet19", 2)
    assert "resnet14t" not in str(caught.value)
    with pytest.raises(UnknownNameError, match=r"'convnext_tinny'.*'convnext_tiny'"):
        backbones.build("convnext_tinny", 2)


WITHOUT_MAPS = [pytest.param(name, marks=pytest.mark.slow) for name in ("cait_xxs24_224", "vit_tiny_r_s16_p8_224", "crossvit_9_240")]


@pytest.mark.parametrize("name", ["mixer_s16_224", *WITHOUT_MAPS])
def test_a_backbone_without_maps_raises_a_clear_error(name):
    with pytest.raises(NotAvailableError, match=rf"'{name}'.*\(N, \d+, h, w\).*backbones\.wrap"):
        backbones.build(name, 2)
