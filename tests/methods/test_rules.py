"""LRP and DeepLIFT compared with results by hand, captum and the logit."""

import pytest
import torch
import torchvision
from captum import attr
from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule
from torch import nn

from locus import backbones, methods
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid
from locus.explaining.batch import build_methods, collect_evidence, explain, maps_of
from locus.methods.deeplift import contributions_to

WORDS = ["lrp", "deeplift"]


class Chain(nn.Module):
    """Convolutions without bias, a max pooling, separate ReLUs: captum explains it."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        convs = [nn.Conv2d(a, 8, 3, padding=1, bias=False) for a in (3, 8)]
        self.body = nn.Sequential(convs[0], nn.ReLU(), nn.MaxPool2d(3, 2, 1), convs[1], nn.ReLU())
        self.pool, self.head = nn.AdaptiveAvgPool2d(1), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.pool(self.body(x)).flatten(1))


class Keywords(Chain):
    """The same with the input of a function as a keyword argument."""

    def forward(self, x):
        self.body[4] = nn.Identity()
        return self.head(self.pool(nn.functional.relu(input=self.body(x))).flatten(1))


class Copy(nn.Module):
    """Copy of the input: captum applies both rules of two layers only if the second reads another tensor."""

    def forward(self, x):
        return x.clone()


def attributions(model, images, word):
    """Return signed attributions (N,K,3,H,W)."""
    evidence = collect_evidence(model, images)
    return torch.stack([methods.build(word).attribute(evidence, image) for image in images.split(1)]).detach()


def noise(n=2, side=64):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))


def calibrated(net):
    with torch.no_grad():
        net.train()(noise(8))
    return net.eval()


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        # z = (2 - 1, 2 * 3 + 2) - 1 = (0, 7), A = (0, 7); R_A = (0, 7/2 * 3); z+ = (2, 8): 21/2 * (6, 2) / 8
        ("lrp", [0, 63 / 8, 0, 21 / 8]),
        # from a baseline with A = 0: slopes are (0 - 0) / (1 - 0) and 7 / 8 (z without bias 8)
        ("deeplift", [0, 63 / 8, 0, 21 / 8]),
    ],
)
def test_a_convolution_of_two_channels_equals_the_result_by_hand(word, expected):
    """Two pixels of two channels, weights (2, 1), bias -1, ReLU, S = 3 mean(A)."""
    net = nn.Sequential(nn.Sequential(nn.Conv2d(2, 1, 1), nn.ReLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
    with torch.no_grad():
        net[0][0].weight.copy_(torch.tensor([2.0, 1.0]).reshape(1, 2, 1, 1)), net[0][0].bias.fill_(-1)
        net[3].weight.fill_(3), net[3].bias.fill_(0.5)
    model = backbones.wrap(net, features="0", head="3", channels=2, grid=lambda size: Grid(size, (1, 1), (0, 0)))
    found = attributions(model, torch.tensor([[[[1.0, 3.0]], [[-1.0, 2.0]]]]), word)
    torch.testing.assert_close(found.flatten(), torch.tensor(expected))


@pytest.mark.oracle
@pytest.mark.parametrize("word", WORDS)
def test_a_function_with_a_keyword_argument_is_traced(word):
    images = noise(1, 32)
    usual, by_keyword = (explain(backbones.wrap(net.eval(), img_size=32), images, [word])[word] for net in (Chain(), Keywords()))
    assert torch.equal(usual, by_keyword)


@pytest.mark.parametrize("k", [0, 2])
def test_maps_equal_captum_on_a_network_that_captum_explains(k):
    net, images = Chain().eval(), noise(side=16).abs()
    model = backbones.wrap(net, features="body", head="head")
    theirs = {"deeplift": attr.DeepLift(net).attribute(images, torch.zeros_like(images), target=k)}
    for part in net.modules():
        if isinstance(part, nn.Conv2d):
            part.rule = Alpha1_Beta0_Rule(set_bias_to_zero=True)
    theirs["lrp"] = attr.LRP(net).attribute(images, target=k)
    for word, expected in theirs.items():
        error = (attributions(model, images, word)[:, k] - expected).abs().max() / expected.abs().max()
        assert error < 1e-4, word


@pytest.mark.parametrize("pool", ["AVG", "EXP", "LINEAR", "LSE", "MAX", "PCAM", "AVG_MAX_LSE"])
def test_relevances_sum_to_the_logit_without_the_bias_of_the_head(make_model, pool):
    model, images = make_model(pool), noise()
    found = attributions(model, images, "lrp:epsilon=1e-12").sum((2, 3, 4))
    torch.testing.assert_close(found, collect_evidence(model, images).logits - model.bias.detach(), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("build", [torchvision.models.densenet121, torchvision.models.resnet18])
def test_sums_are_right_for_reused_and_in_place_rectifiers_residuals_and_dense_blocks(build):
    torch.manual_seed(0)
    model, images = backbones.wrap(calibrated(build(num_classes=2)), img_size=64), noise(1)
    logits = collect_evidence(model, images).logits
    sums = {word: attributions(model, images, word).sum((2, 3, 4)) for word in WORDS}
    torch.testing.assert_close(sums["lrp"], logits - model.bias.detach(), rtol=1e-3, atol=1e-3)
    grey = collect_evidence(model, torch.zeros_like(images)).logits
    torch.testing.assert_close(sums["deeplift"], logits - grey, rtol=1e-3, atol=1e-3)


def test_deeplift_explains_max_pooling_and_pcam(make_model):
    for pool in ("MAX", "PCAM", "LSE", "EXP"):
        model, images = make_model(pool), noise()
        with torch.no_grad():
            model.weight.mul_(30)  # the weights of PCAM saturate
        change = collect_evidence(model, images).logits - collect_evidence(model, torch.zeros_like(images)).logits
        found = attributions(model, images, "deeplift").sum((2, 3, 4))
        torch.testing.assert_close(found, change, rtol=1e-2, atol=1e-4)


@pytest.mark.byhand
def test_deeplift_from_the_mean_of_other_patients_images_is_a_worked_example():
    net = nn.Sequential(nn.Sequential(nn.Conv2d(2, 1, 1), nn.ReLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
    with torch.no_grad():
        net[0][0].weight.copy_(torch.tensor([2.0, 1.0]).reshape(1, 2, 1, 1)), net[0][0].bias.fill_(-1)
        net[3].weight.fill_(3), net[3].bias.fill_(0.5)
    model = backbones.wrap(net, features="0", head="3", channels=2, grid=lambda size: Grid(size, (1, 1), (0, 0)))
    image = torch.tensor([[[[1.0, 3.0]], [[-3.0, 2.0]]]])  # the rectifier gets -2 and 7
    others = torch.tensor([0.0, 1.0, 0.0, 3.0]).reshape(2, 2, 1, 1).expand(2, 2, 1, 2).repeat(16, 1, 1, 1)  # mean 0 and 2: it gets 1
    evidence = collect_evidence(model, image, draw=lambda index, count, seed: others[:count])
    (found,) = maps_of(build_methods(["deeplift:baseline=mean"]), evidence).values()
    torch.testing.assert_close(found.flatten(), torch.tensor([1 + 5 / 2, 9.0]))  # multipliers 1/3 and 1, times 3/2
    with pytest.raises(BadValueError, match=r"black.*grey or mean"):
        methods.build("deeplift:baseline=black")


@pytest.mark.oracle
@pytest.mark.parametrize("k", [0, 2])
def test_deeplift_from_the_mean_of_other_patients_images_equals_captum(k):
    """Where the values of the baseline are not 0, captum needs ``Copy`` and windows that do not overlap.

    Without them its contributions do not sum to the difference of the logits; those of ``Chain`` itself do here.
    """
    net = Chain().eval()
    net.body[2] = nn.Sequential(Copy(), nn.MaxPool2d(2))
    images, others = noise(side=16).abs(), noise(32, side=16).abs()
    model = backbones.wrap(net, features="body", head="head")
    evidence = collect_evidence(model, images, draw=lambda index, count, seed: others[:count])
    (found,) = maps_of(build_methods(["deeplift:baseline=mean"]), evidence).values()
    mean = others.mean(0, keepdim=True)
    theirs, missing = attr.DeepLift(net).attribute(images, mean, target=k, return_convergence_delta=True)
    assert missing.abs().max() < 1e-6
    expected = theirs.abs().sum(1)
    assert (found[:, k] - expected).abs().max() < 1e-4 * expected.max()


def test_deeplift_sums_to_the_change_from_a_mean_image_if_windows_of_a_max_pooling_overlap():
    images, mean = noise(side=16).abs(), noise(32, side=16).abs().mean(0, keepdim=True)
    evidence = collect_evidence(backbones.wrap(Chain().eval(), features="body", head="head"), images)
    with torch.no_grad():
        expected = evidence.network(images) - evidence.network(mean)
    found = torch.stack([contributions_to(evidence, image, mean).sum((1, 2, 3)) for image in images.split(1)])
    torch.testing.assert_close(found.detach(), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("word", WORDS)
def test_a_layer_without_rule_is_named(word):
    model = backbones.build("test_vit", 2, "AVG")
    with pytest.raises(NotAvailableError, match="layer_norm"):
        explain(model, noise(), [word])


@pytest.mark.parametrize("value", ["0", "-1", "nan", "x"])
def test_epsilon_must_be_a_number_above_0(value):
    with pytest.raises(BadValueError, match="epsilon"):
        methods.build(f"lrp:epsilon={value}")


class BetweenConvolutions(nn.Module):
    """A function between two convolutions."""

    def __init__(self, function):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.function = nn.Conv2d(3, 8, 3, padding=1), function
        self.second, self.head = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 3)

    def forward(self, images):
        return self.head(self.second(self.function(self.first(images))).relu().mean((2, 3)))


@pytest.mark.parametrize(
    "function",
    [
        torch.sigmoid,
        lambda x: (x - x.mean((2, 3), keepdim=True)) / x.std((2, 3), keepdim=True),
        lambda x: x * x.mean((2, 3), keepdim=True).tanh(),
        lambda x: x.relu() * x.relu(),
    ],
    ids=["sigmoid as activation", "norm by hand", "gate by tanh", "square"],
)
def test_lrp_is_not_available_where_its_relevance_does_not_sum_to_the_logit(function):
    model = backbones.wrap(BetweenConvolutions(function).eval(), features="second", head="head")
    with pytest.raises(NotAvailableError, match="does not add up"):
        explain(model, noise(), ["lrp"])


@pytest.mark.parametrize(
    "function",
    [lambda x: x * x.sigmoid(), lambda x: 2 * x.relu() + 0.5, lambda x: 1 - x.relu(), lambda x: (-1 - x.abs()).relu()],
    ids=["gate by sigmoid", "constant added", "constant minus", "dead"],
)
def test_lrp_counts_constants_and_what_convolutions_withhold(function):
    explain(backbones.wrap(BetweenConvolutions(function).eval(), features="second", head="head"), noise(), ["lrp"])
