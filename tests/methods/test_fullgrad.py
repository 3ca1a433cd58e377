"""FullGrad compared with results by hand, the logit and the grad-cam package."""

import pytest
import torch
from torch import nn

from locus import backbones
from locus.benchmark.explain.batch import collect_evidence, explain
from locus.core.errors import NotAvailableError
from locus.core.frames import Grid
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


@pytest.mark.parametrize(("name", "pool"), [("custom", "PCAM"), ("squeezenet1_1", "AVG"), ("resnet18", "LSE")])
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
    with pytest.raises(NotAvailableError, match="do not add up .* in float32 or higher"):
        explain(backbones.build(name, 2).eval(), images(3, 64), ["fullgrad:libra=False"])


def test_a_network_that_rounds_too_much_to_be_verified_is_reported_of_precision():
    with pytest.raises(NotAvailableError, match="in float32 or higher"):
        explain(wrapped(one_channel()).bfloat16(), images().bfloat16(), ["fullgrad"])
