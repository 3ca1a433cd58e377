"""Layers before the pooled map: their maps, gradients and grids."""

import pytest
import torch
from torch import nn

from locus import backbones
from locus.backbones import layers
from locus.backbones.layers import path
from locus.benchmark.inspect.method import state
from locus.core.errors import NotAvailableError, UnknownNameError
from locus.core.frames import Grid

IMAGES = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
HEAVY = ["densenet121", "vgg16", "resnet50", "convnext_atto", "mobilenetv3_small_050"]
HEAVY += ["efficientnet_b0", "tf_efficientnet_b0"]
NAMES = ["custom", "resnet18", "squeezenet1_1", *(pytest.param(name, marks=pytest.mark.slow) for name in HEAVY)]
INSIDE = {"resnet18": "layer3.1.conv1", "densenet121": "features.denseblock3.denselayer5", "efficientnet_b0": "blocks.2.1.conv_pw"}


def build(name, attention=None, pooling="AVG"):
    torch.manual_seed(0)
    return backbones.build(name, 3, pooling, attention).eval()


def check(model, layer):
    """Check gradients against plain autograd, and the logits of the rest of the network."""
    A, logits = layers.run(model, IMAGES, layer)
    seen = []

    def keep(part, inputs, output):
        seen.append(output)
        return output.clone()

    handle = model.get_submodule(path(model, layer)).register_forward_hook(keep)
    expected = model(IMAGES)
    handle.remove()
    (plain,) = torch.autograd.grad(expected[:, 1].sum(), seen[0])
    (found,) = torch.autograd.grad(logits[:, 1].sum(), A)
    assert A.is_leaf
    assert torch.equal(A.detach(), seen[0].detach())
    assert torch.allclose(logits, expected)
    assert torch.allclose(found, plain, atol=1e-5 * float(plain.abs().max()))
    check_tail(model, layer, A, logits, found)


def check_tail(model, layer, A, logits, gradient):
    tail = layers.tail(model, IMAGES, layer)
    again = A.detach().clone().requires_grad_()
    (found,) = torch.autograd.grad(tail(again)[:, 1].sum(), again)
    assert torch.allclose(found, gradient, atol=1e-5 * float(gradient.abs().max()))
    with torch.no_grad():
        assert torch.allclose(tail(A), logits, atol=1e-5)
        twice = tail(A.repeat_interleave(2, 0))
        assert torch.allclose(twice, logits.repeat_interleave(2, 0), atol=1e-5)
        assert not twice.requires_grad


@pytest.mark.contract
@pytest.mark.parametrize("name", NAMES)
def test_the_gradients_at_every_level_are_those_of_plain_autograd(name):
    model = build(name)
    assert model.layer_names
    for layer in [*model.layer_names, *([INSIDE[name]] if name in INSIDE else [])]:
        check(model, layer)


@pytest.mark.parametrize(
    ("name", "last"), [("resnet18", "layer4"), ("custom", "features.3"), pytest.param("convnext_atto", "stages.3", marks=pytest.mark.slow)]
)
def test_the_pooled_map_is_a_layer_only_if_attention_follows(name, last):
    assert last not in build(name).layer_names
    attended = build(name, "CAM")
    assert attended.layer_names[-1] == last
    check(attended, last)


@pytest.mark.byhand
def test_layers_of_a_resnet_have_strides_4_8_and_16_and_offset_0():
    model = build("resnet18")
    assert model.layer_names[1:] == ("layer1", "layer2", "layer3")
    for layer, stride in zip(model.layer_names, (2, 4, 8, 16), strict=True):
        assert model.grid((96, 101), layer) == Grid((96, 101), (stride, stride), (0, 0))


@pytest.mark.byhand
def test_every_even_average_pooling_shifts_the_grid_of_a_densenet():
    with torch.device("meta"):
        model = backbones.build("densenet121", 3)
    offsets = {f"features.denseblock{block}": offset for block, offset in ((1, 0), (2, 2), (3, 6))}  # 4/2, 4/2 + 8/2
    assert {layer: model.grid((96, 96), layer).offset[0] for layer in model.layer_names[1:]} == offsets


@pytest.mark.contract
@pytest.mark.parametrize("name", ["custom", "resnet18", "tf_efficientnet_b0"])
def test_the_arithmetic_of_a_level_equals_gradient_probing(name):
    model = build(name)
    wrapped = backbones.wrap(model, features="extractor", head=model.head)
    for layer in model.layer_names:
        same = path(model, layer)
        assert wrapped.grid((96, 101), same) == model.grid((96, 101), layer)


def test_an_in_place_rectifier_after_a_layer_does_not_change_it():
    """Pitfall: torchvision's DenseNet rectifies in place after its features."""
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(inplace=True), nn.Conv2d(4, 4, 1))
    model = backbones.wrap(net, features="2", head=lambda A: A.mean((2, 3)))
    A, logits = layers.run(model, IMAGES, "0")
    before = A.detach().clone()
    assert A.min() < 0
    logits.sum().backward()
    layers.tail(model, IMAGES, "0")(A)
    assert torch.equal(A, before)
    assert (A.grad[A <= 0] == 0).all()


@pytest.mark.parametrize("layer", ["layer2", "layer3.1.conv1"])
def test_computing_a_layer_has_no_side_effects(layer):
    model = build("resnet18", "FPA", "PCAM")
    model.train()
    model.extractor.net.layer1.eval()
    before = state(model)
    for context in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with context():
            A, logits = layers.run(model, IMAGES, layer)
            layers.tail(model, IMAGES, layer)(A)
            model.grid((96, 96), layer)
        assert A.requires_grad
        assert logits.requires_grad
    assert state(model) == before


def test_the_layers_before_run_once_if_no_path_bypasses_the_layer():
    model = build("resnet18")
    A, _ = layers.run(model, IMAGES, "layer3")
    seen = []
    model.extractor.net.layer1.register_forward_hook(lambda part, inputs, output: seen.append(len(output)))
    layers.tail(model, IMAGES, "layer3")(A.repeat(4, 1, 1, 1))
    assert seen == [1, 1]
    layers.tail(model, IMAGES, "layer3.1.conv1")(A.repeat(4, 1, 1, 1))
    assert seen[2:] == [1, 8]


def test_half_precision_networks_give_a_float32_level():
    model = build("custom")
    with torch.autocast("cpu", torch.bfloat16):
        A, logits = layers.run(model, IMAGES, "features.1.0")
    assert A.dtype == logits.dtype == torch.float32


def test_layers_of_a_compiled_network_are_computed_uncompiled():
    model = build("custom")
    expected, grids = model(IMAGES), [model.grid((96, 96), layer) for layer in (None, "features.1")]
    model = build("custom")
    model.extractor.compile(backend="eager")
    assert [model.grid((96, 96), layer) for layer in (None, "features.1")] == grids
    assert len(model.layer_names) == 3
    assert torch.allclose(layers.run(model, IMAGES, "features.1")[1], expected, atol=1e-6)


def test_an_unknown_layer_raises_an_error_with_the_nearest():
    model = build("resnet18")
    with pytest.raises(UnknownNameError, match=r"layer.*'layer5'.*'layer\d'.*act1, layer1, layer2, layer3; or use"):
        layers.run(model, IMAGES, "layer5")
    with pytest.raises(UnknownNameError, match=r"'layer3\.1\.conv'.*'layer3\.1\.conv\d'"):
        layers.tail(model, IMAGES, "layer3.1.conv")
    with pytest.raises(UnknownNameError, match=r"'layr2'.*'layer2'"):
        model.grid((96, 96), "layr2")


class Odd(nn.Module):
    """Submodules that cannot be explained."""

    def __init__(self):
        super().__init__()
        self.stem, self.act, self.flat = nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(2)
        self.unused = nn.Identity()

    def forward(self, images):
        A = self.act(self.act(self.stem(images)))
        return A + self.flat(A).mean(-1)[..., None, None]


@pytest.mark.parametrize(
    ("layer", "facts"), [("act", "'act'.*several times"), ("unused", "layer 'unused'"), ("flat", r"'flat'.*\(2, 4, 8836\).*\(N, C, h, w\)")]
)
def test_a_submodule_without_a_map_raises_a_clear_error(layer, facts):
    net = Odd()
    model = backbones.wrap(net, features=net, head=lambda A: A.mean((2, 3)))
    assert model.layer_names == ()
    with pytest.raises(NotAvailableError, match=facts):
        layers.run(model, IMAGES, layer)
    assert not any(part._forward_hooks for part in net.modules())


def test_a_layer_of_a_wrapped_network_keeps_its_name():
    net = build("resnet18").extractor.net
    model = backbones.wrap(net, features=net.forward_features, head=lambda A: A.mean((2, 3)))
    assert model.grid((96, 96), "layer2") == Grid((96, 96), (8, 8), (0, 0))
    check(model, "layer2")
