"""FullGrad compared with results by hand, the logit and the grad-cam package."""

import pytest
import timm
import torch
from torch import nn

from locus import backbones
from locus.core.errors import NotAvailableError
from locus.core.frames import Grid
from locus.explaining.batch import collect_evidence, explain
from locus.methods.fullgrad import spanned


def one_channel(inplace=False):
    """Three convolutions of one channel, two with batch norm, with the conventional grid."""
    torch.manual_seed(0)
    steps = [nn.Conv2d(1, 1, 3, padding=1), nn.ReLU(inplace), nn.Conv2d(1, 1, 4, stride=2, padding=1), nn.BatchNorm2d(1)]
    net = nn.Sequential(*steps, nn.ReLU(inplace), nn.Conv2d(1, 1, 3, padding=1, bias=False), nn.BatchNorm2d(1), nn.ReLU())
    with torch.no_grad():
        for part in net:
            if isinstance(part, nn.BatchNorm2d):
                part.running_mean.fill_(0.2), part.running_var.fill_(1.5), part.bias.fill_(0.7)
    head = nn.Linear(1, 2)
    with torch.no_grad():
        head.weight.mul_(1000)  # the package adds 1e-7 to its divisors
    return nn.Sequential(net, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head).eval()


def wrapped(net):
    return backbones.wrap(net, features="0", head="3", channels=1)


def images(channels=1, side=16):
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(1))


@pytest.mark.byhand
def test_one_convolution_equals_the_result_by_hand():
    """z = 2 I - 1 = (3, -1), A = (3, 0), S = 3 mean(A); dS/dz = (3/2, 0): the pixels add (6, 0), the bias (-3/2, 0)."""
    net = nn.Sequential(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
    with torch.no_grad():
        net[0][0].weight.fill_(2), net[0][0].bias.fill_(-1), net[3].weight.fill_(3)
    image = torch.tensor([[[[2.0, 0.0]]]])
    model = backbones.wrap(net, features="0", head="3", channels=1, grid=lambda size: Grid(size, (1, 1), (0, 0)))
    (terms,) = collect_evidence(model, image).full_gradients(image)
    assert [values.flatten().tolist() for _, values in terms] == [[6, 0], [-1.5, 0]]
    assert explain(model, image, ["fullgrad"])["fullgrad"].flatten().tolist() == [2, 0]


@pytest.mark.byhand
def test_the_magnitudes_of_a_layer_are_scaled_over_all_channels():
    assert spanned(torch.tensor([[[[1.0, -3.0]], [[2.0, -5.0]]]])).flatten().tolist() == [0, 0.5, 0.25, 1]


@pytest.mark.parametrize(("name", "pool"), [("custom", "PCAM"), ("squeezenet1_1", "AVG"), ("resnet18", "LSE"), ("small_vit", "PCAM")])
def test_the_terms_sum_to_the_logit_without_the_bias_of_the_head(name, pool):
    torch.manual_seed(0)
    model, given = backbones.build(name, 2, pool), images(3, 64)
    with torch.no_grad():
        model.train()(given)  # batch norm adds something once it has seen images
    evidence = collect_evidence(model, given)
    parts = torch.stack([sum(v.sum((1, 2, 3)) for _, v in terms) for terms in evidence.full_gradients(given)], 1)
    whole = evidence.gradients.dot_channels(evidence.A).sum((-2, -1))
    torch.testing.assert_close(parts, whole, atol=1e-4 * whole.abs().max().item(), rtol=0)


@pytest.mark.oracle
def test_maps_equal_the_grad_cam_package_if_layers_have_one_channel():
    package = pytest.importorskip("pytorch_grad_cam")
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    net = one_channel()
    ours = explain(wrapped(net), images(), ["fullgrad"])["fullgrad"]
    with package.FullGrad(net, []) as cam:
        for n, k in [(0, 0), (1, 1)]:
            theirs = torch.from_numpy(cam(images()[n : n + 1], [ClassifierOutputTarget(k)]))[0]
            map_ = ours[n, k] - ours[n, k].min()
            torch.testing.assert_close(map_ / map_.max(), theirs, atol=1e-5, rtol=0)


def test_in_place_rectifiers_do_not_change_the_map():
    plain, inplace = (explain(wrapped(one_channel(way)), images(), ["fullgrad"])["fullgrad"] for way in (False, True))
    assert torch.equal(plain, inplace)
    assert plain.amax() > 1


def test_networks_with_several_layers_after_the_map_are_supported():
    torch.manual_seed(0)
    tail = [nn.Flatten(), nn.Linear(2 * 64, 4), nn.ReLU(), nn.Linear(4, 2)]
    net = nn.Sequential(nn.Conv2d(3, 2, 3, 2, 1), nn.ReLU(), *tail).eval()
    model, given = backbones.wrap(net, img_size=16), images(3)
    assert model.layer is not None
    (pixels, bias), _ = collect_evidence(model, given).full_gradients(given[:1])
    image = given[:1].clone().requires_grad_()
    (G,) = torch.autograd.grad(net(image)[0, 0], image)
    torch.testing.assert_close(pixels[1], G * given[:1])
    assert bias[1].shape == (1, 2, 8, 8)
    assert (explain(model, given, ["fullgrad"])["fullgrad"].amax((2, 3)) > 1).all()


@pytest.mark.parametrize("name", ["test_efficientnet", "test_vit"])
def test_without_balanced_gradients_a_network_of_gates_or_attention_has_no_map(name):
    with pytest.raises(NotAvailableError, match=r"do not add up .* in float32 or higher"):
        explain(backbones.build(name, 2).eval(), images(3, 64), ["fullgrad:libra=False"])


def test_a_network_that_rounds_too_much_to_be_verified_is_reported_of_precision():
    with pytest.raises(NotAvailableError, match="in float32 or higher"):
        explain(wrapped(one_channel()).bfloat16(), images().bfloat16(), ["fullgrad"])


def transformer(name, **options):
    """A small transformer or ConvNeXt of timm with random weights and biases."""
    torch.manual_seed(0)
    net = timm.create_model(name, num_classes=2, **options).eval()
    with torch.no_grad():
        for part in net.parameters():
            part.add_(0.3 * torch.randn_like(part)) if part.ndim == 1 else None
    return net


VIT = {"img_size": 64, "depth": 2, "embed_dim": 32, "num_heads": 2}
BALANCED = {
    "class token": ("vit_tiny_patch16_224", VIT),
    "mean pooling": ("vit_tiny_patch16_224", {**VIT, "class_token": False, "global_pool": "avg"}),
    "registers": ("vit_tiny_patch16_224", {**VIT, "reg_tokens": 4, "init_values": 0.1}),
    "windows": (
        "swin_tiny_patch4_window7_224",
        {"img_size": 64, "window_size": 4, "embed_dim": 16, "depths": (2, 2), "num_heads": (2, 2)},
    ),
    "convnext": ("convnext_atto", {"depths": (1, 1, 1, 1), "dims": (8, 16, 24, 32)}),
}


@pytest.mark.parametrize("kind", BALANCED)
def test_balanced_gradients_give_every_kind_of_transformer_a_map_and_plain_gradients_do_not(kind):
    name, options = BALANCED[kind]
    model = backbones.wrap(transformer(name, **options), img_size=64)
    assert (explain(model, images(3, 64), ["fullgrad"])["fullgrad"].amax((2, 3)) > 0).all()
    with pytest.raises(NotAvailableError, match="do not add up"):
        explain(model, images(3, 64), ["fullgrad:libra=False"])


class OnePatch(nn.Module):
    """A transformer by hand: logit k is the brightness of patch ``spots[k]`` after a norm-free GELU block."""

    def __init__(self, spots):
        super().__init__()
        self.patch, self.cls = nn.Conv2d(1, 2, 8, 8), nn.Parameter(torch.zeros(1, 1, 2))
        mask = torch.zeros(1, 2, 8, 8)
        for k, (y, x) in enumerate(spots):
            mask[0, k, y, x] = 1
        self.register_buffer("mask", mask)
        self.act, self.fc = nn.GELU(), nn.Linear(2, 2)
        with torch.no_grad():
            self.patch.weight.fill_(1 / 64), self.patch.bias.zero_()
            self.fc.weight.copy_(torch.eye(2))

    def forward(self, x):
        tokens = (self.patch(x) * self.mask).flatten(2).transpose(1, 2)
        return self.fc(self.act(torch.cat([self.cls.expand(len(x), -1, -1), tokens], 1)).mean(1))


def test_a_logit_of_one_patch_has_its_maximum_there():
    spots = [(1, 0), (5, 6)]
    model = backbones.wrap(OnePatch(spots).eval(), img_size=64)
    maps = explain(model, images(1, 64)[:1].abs() + 0.5, ["fullgrad"])["fullgrad"][0]
    assert [(int(m.argmax()) // 64 // 8, int(m.argmax()) % 64 // 8) for m in maps] == spots
