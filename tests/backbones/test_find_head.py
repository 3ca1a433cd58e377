import pytest
import timm
import torch
import torchvision
from torch import nn

from locus import backbones
from locus.backbones.find_head import find_model_spec, observe
from locus.backbones.layers import ModelSpec
from locus.benchmark.inspect.method import state
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid
from locus.core.types import IMAGENET_MEAN, IMAGENET_STD
from locus.explaining.batch import explain


def image(channels=3, side=64):
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(1))


class Tail(nn.Module):
    """Two convolutions followed by other layers."""

    def __init__(self, tail, channels=3):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 8, 4, stride=4), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
        self.fc, self.more = nn.Linear(8, 5), nn.Linear(8, 5)
        self.tail = tail

    def forward(self, images):
        return self.tail(self, self.body(images))


def net(tail, channels=3):
    torch.manual_seed(0)
    return Tail(tail, channels).eval()


def timm_net(name, **options):
    return lambda: timm.create_model(name, num_classes=3, img_size=64, **options).eval()


def torchvision_net(name):
    return lambda: torchvision.models.get_model(name, num_classes=3).eval()


def tail_of(end):
    return lambda: net(end)


class Twice(nn.Module):
    """A layer that runs twice, as the attention of jfhealthcare's network."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU())
        self.again, self.fc = nn.Conv2d(8, 8, 3, padding=1), nn.Linear(8, 5)

    def forward(self, images):
        first = self.again(self.body(images))
        return self.fc((first + self.again(first)).tanh().mean((2, 3)))


class WithScalar(nn.Module):
    """A network with a submodule that returns a number without dimensions."""

    def __init__(self):
        super().__init__()
        self.body, self.fc = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU()), nn.Linear(8, 5)
        self.total = nn.L1Loss()

    def forward(self, images):
        A = self.body(images)
        return self.fc(A.mean((2, 3))) + 0 * self.total(A, A)


STRIDE = (4, 1.5)
"""Stride and offset of the body of the small networks."""


@pytest.mark.parametrize(
    ("build", "spec", "grid"),
    [
        (tail_of(lambda net, A: net.fc(A.mean((2, 3)))), ModelSpec("body", "fc"), STRIDE),
        (tail_of(lambda net, A: net.fc(torch.relu_(A).mean((2, 3)))), ModelSpec("body", "fc", activation="relu"), STRIDE),
        (tail_of(lambda net, A: net.fc(A.amax((2, 3)))), ModelSpec("body", "fc", "MAX"), STRIDE),
        (tail_of(lambda net, A: net.fc(A.mean((2, 3))).sigmoid()), ModelSpec("body", "fc"), STRIDE),
        (tail_of(lambda net, A: net.fc(A.mean((2, 3)))[:, [3, 1, 0]].sigmoid()), ModelSpec("body", "fc", outputs=(3, 1, 0)), STRIDE),
        (tail_of(lambda net, A: -net.fc(A.mean((2, 3)))), ModelSpec("body", None), STRIDE),
        (tail_of(lambda net, A: net.fc(A.mean((2, 3))).square()), ModelSpec("body", None), STRIDE),
        (tail_of(lambda net, A: net.fc(A.mean((2, 3))).cumsum(1)), ModelSpec("body", None), STRIDE),
        (tail_of(lambda net, A: net.fc(A.mean((2, 3))) + 0.1 * net.more(A.mean((2, 3)))), ModelSpec("body", None), STRIDE),
        (tail_of(lambda net, A: (net.fc(A.mean((2, 3))), net.more(A.mean((2, 3))))[0]), ModelSpec("body", "fc"), STRIDE),
        (tail_of(lambda net, A: torch.cat([net.fc(A.mean((2, 3))), net.more(A.mean((2, 3)))], 1)), ModelSpec("body", None), STRIDE),
        (Twice, ModelSpec("body", None), STRIDE),
        (WithScalar, ModelSpec("body", "fc"), STRIDE),
        (torchvision_net("resnet18"), ModelSpec("layer4", "fc"), (32, 0)),
        (torchvision_net("squeezenet1_1"), ModelSpec("features", None), (16, 15)),
        (timm_net("test_vit"), ModelSpec("blocks.5.norm1", None, patch=16, prefix=1), (16, 7.5)),
        (timm_net("test_vit3"), ModelSpec("norm", None, patch=16, prefix=1), (16, 7.5)),
        (timm_net("swin_tiny_patch4_window7_224", depths=(1, 1, 1, 1)), ModelSpec("norm", "head.fc", patch=4, stages=4), (32, 15.5)),
    ],
)
def test_a_network_has_these_features_head_grid_and_logits(build, spec, grid):
    """Class maps exist only if each output increases with one row of a linear layer over a pooled map."""
    torch.manual_seed(0)
    network = build().eval()
    found = find_model_spec(observe(network, 3, 64))
    model, expected = backbones.wrap(network, img_size=64, mean=IMAGENET_MEAN, std=IMAGENET_STD), network(image())
    stride, offset = grid
    assert found == spec
    assert model.grid((64, 64)) == Grid((64, 64), (stride, stride), (offset, offset))
    logits = model(image())
    assert any(torch.allclose(same, expected, atol=1e-6) for same in (logits, logits.sigmoid()))
    maps = explain(model, image(), methods=["gradcam", "layercam", *(["cam"] if spec.head else [])])
    assert all(of_method.isfinite().all() for of_method in maps.values())


@pytest.mark.parametrize(
    "tail",
    [
        lambda net, A: 3 * net.fc(A.mean((2, 3))),
        lambda net, A: net.fc(A.mean((2, 3))) + 1,
        lambda net, A: (net.fc(A.mean((2, 3))) / 2).sigmoid(),
        lambda net, A: 1 - net.fc(A.mean((2, 3))).sigmoid(),
    ],
    ids=["factor", "constant", "temperature", "1 - sigmoid"],
)
def test_a_network_that_changes_the_outputs_of_its_last_layer_is_refused(tail):
    with pytest.raises(BadValueError, match="'fc'"):
        backbones.wrap(net(tail), img_size=64)


@pytest.mark.parametrize(
    "tail", [lambda net, A: net.fc(A.mean((2, 3)))[:, [4, 3, 1, 0]], lambda net, A: net.fc(A.mean((2, 3)).tanh())[:, [4, 3, 1, 0]]]
)
@pytest.mark.parametrize("findings", [["-", "Mass", "Nodule", "-"], {"Mass": 1, "Nodule": 2}])
def test_maps_of_selected_outputs_equal_gradients_of_the_network(tail, findings):
    network = net(tail)
    model = backbones.wrap(network, img_size=64, findings=findings)
    A = network.body(image()).detach().requires_grad_()
    logits = network.tail(network, A)
    (G,) = torch.autograd.grad(logits[:, 2].sum(), A)
    assert model.findings == ("Mass", "Nodule")
    assert model.num_classes == 2
    assert torch.allclose(model(image()), logits[:, 1:3], atol=1e-6)
    assert torch.allclose(explain(model, image(), methods=["hirescam"], findings="Nodule")["hirescam"][:, 0], (G * A).sum(1), atol=1e-6)


def gap(net, A):
    logits = net.fc(A.mean((2, 3)))
    return torch.cat([logits[:, :4], logits[:, 4:] * torch.nan], 1)


@pytest.mark.parametrize(
    ("findings", "facts"),
    [
        (["Mass", "Nodule"], "5 outputs, but findings has 2 names.*'-'"),
        ({"Mass": 5}, "names the output 5: .*0 to 4"),
        ({"Mass": 0, "Nodule": 0}, "twice"),
        (["-"] * 5, "skips all 5 outputs"),
        ((), "outputs 4 of the network are NaN.*'-'"),
    ],
)
def test_findings_that_do_not_fit_the_outputs_raise_a_clear_error(findings, facts):
    with pytest.raises(BadValueError, match=facts):
        backbones.wrap(net(gap), img_size=64, findings=findings)
    assert backbones.wrap(net(gap), img_size=64, findings=[*"ABCD", "-"]).findings == (*"ABCD",)


def test_given_features_and_head_must_give_the_outputs_of_the_network():
    network = net(lambda net, A: net.fc(A.mean((2, 3)))[:, [1, 0]])
    model = backbones.wrap(network, features="body", head="fc", img_size=64)
    assert torch.allclose(model(image()), network(image()), atol=1e-6)
    with pytest.raises(BadValueError, match="does not give the logits"):
        backbones.wrap(network, "body", lambda A: network.fc(A.mean((2, 3)))[:, :2], img_size=64)
    both = net(lambda net, A: net.fc(A.mean((2, 3))) + net.more(A.mean((2, 3))))
    with pytest.raises(BadValueError, match="other layers than 'fc'"):
        backbones.wrap(both, features="body", head="fc", img_size=64)


@pytest.mark.parametrize("features", [None, "body"])
@pytest.mark.parametrize(
    "pool", [lambda S: S.amax((2, 3)), lambda S: S.flatten(2).topk(2, -1).values.mean(-1), lambda S: S.flatten(2).sort(-1).values[..., -1]]
)
def test_networks_that_take_the_highest_of_class_maps_are_explained_before_these_maps(pool, features):
    class Classes(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU())
            self.classes = nn.Sequential(nn.Dropout(0.1), nn.Conv2d(8, 2, 1), nn.LeakyReLU())

        def forward(self, images):
            return pool(self.classes(self.body(images)))

    for seed in range(3):
        torch.manual_seed(seed)
        network = Classes().eval()
        assert find_model_spec(observe(network, 3, 64), features) == ModelSpec("body", None)


def test_a_submodule_that_runs_twice_is_not_chosen_as_features():
    torch.manual_seed(0)
    network = Twice().eval()
    with pytest.raises(NotAvailableError, match="'again' runs several times"):
        find_model_spec(observe(network, 3, 64), "again")


def test_another_head_is_opaque_and_says_why():
    network = net(lambda net, A: net.fc(A.mean((2, 3)).tanh()))
    model = backbones.wrap(network, img_size=64)
    maps = explain(model, image(), methods=["gradcam", "hirescam"])
    A = network.body(image()).detach().requires_grad_()
    logits = network.fc(A.mean((2, 3)).tanh())
    (G,) = torch.autograd.grad(logits[:, 2].sum(), A)
    assert torch.allclose(maps["hirescam"][:, 2], (G * A).sum(1), atol=1e-6)
    assert torch.allclose(maps["gradcam"][:, 2], (G.mean((2, 3), keepdim=True) * A).sum(1).relu(), atol=1e-6)
    for ask in (lambda: explain(model, image(), methods=["cam"]), lambda: model.head(model.features(image()))):
        with pytest.raises(NotAvailableError):
            ask()


def test_an_unused_submodule_raises_an_error_with_advice():
    network = timm.create_model("test_vit", num_classes=3, img_size=64, global_pool="token").eval()
    with pytest.raises(NotAvailableError, match=r"'blocks'.*class token.*leave features out"):
        backbones.wrap(network, features="blocks", img_size=64)
    with pytest.raises(BadValueError, match=r"'head'.*mean.*'blocks'.*leave head out"):
        backbones.wrap(network, features="blocks", head="head", img_size=64)


@pytest.mark.parametrize(
    ("tail", "facts"),
    [
        (lambda net, A: (net.fc(A.mean((2, 3))), A), "a tuple"),
        (lambda net, A: {"out": net.fc(A.mean((2, 3)))}, "a dict"),
        (lambda net, A: A, r"shape \(1, 8, 16, 16\)"),
        (lambda net, A: net.fc(A), "fails for an image of 3x64x64"),
        (lambda net, A: net.fc(A.mean((2, 3))).half(), "float16"),
        (lambda net, A: net.fc(A.mean((2, 3)).tanh()).softmax(1), "ends in a softmax"),
    ],
)
def test_a_network_without_logits_raises_a_clear_error(tail, facts):
    with pytest.raises(BadValueError, match=facts):
        backbones.wrap(net(tail), img_size=64)


def test_a_network_without_a_map_raises_a_clear_error():
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 64 * 64, 3))
    with pytest.raises(NotAvailableError, match=r"no submodule.*features.*callables"):
        backbones.wrap(network, img_size=64)


def test_detection_does_not_change_the_network():
    network = net(lambda net, A: net.fc(A.mean((2, 3)))).train()
    before = state(network)
    backbones.wrap(network, img_size=64)
    assert state(network) == before


class Patchwise(nn.Module):
    """Classifies the four quarters of an image separately and averages their logits, as MedicalPatchNet does."""

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2))

    def forward(self, images):
        quarters = images.unfold(2, 32, 32).unfold(3, 32, 32).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        return self.net(quarters).unflatten(0, (len(images), -1)).mean(1)


def test_maps_of_parts_of_an_image_are_not_used_as_the_features():
    with pytest.raises(NotAvailableError, match="no submodule that returns a map"):
        backbones.wrap(Patchwise(), img_size=64)
    with pytest.raises(NotAvailableError, match=r"'net\.1' returns 4 maps per image"):
        backbones.wrap(Patchwise(), features="net.1", img_size=64)
