"""Networks that cannot be explained as they are: several paths, unstable logits, moved positions, invalid arguments."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import locus
from locus.backbones import weight_files
from locus.core.errors import BadValueError, DataError, NotAvailableError
from locus.core.frames import Grid
from locus.explaining.batch import explain

BANDS = list(range(8))


class Bands(nn.Module):
    """Output k is the brightness of horizontal band k, or of band 7 - k if ``flip``."""

    def __init__(self, flip=False):
        super().__init__()
        self.conv, self.act, self.fc = nn.Conv2d(1, 8, 8, stride=8), nn.ReLU(), nn.Linear(8, 8)
        nn.init.constant_(self.conv.weight, 1 / 64)
        nn.init.zeros_(self.conv.bias)
        nn.init.zeros_(self.fc.bias)
        self.fc.weight.data.copy_(torch.eye(8))
        self.register_buffer("mask", (torch.eye(8).flip(0) if flip else torch.eye(8))[None, :, :, None])

    def features(self, images):
        return self.act(self.conv(images).abs() * self.mask)

    def forward(self, images):
        return self.fc(self.features(images).mean((2, 3)))


class Paths(nn.Module):
    """Two networks of bands that ``join`` makes one."""

    def __init__(self, join):
        super().__init__()
        self.a, self.b, self.join = Bands(), Bands(flip=True), join

    def forward(self, images):
        return self.join(self.a, self.b, images)


class Chain(Bands):
    """One network of bands whose features or images ``change``."""

    def __init__(self, change=lambda A: A, before=lambda images: images):
        super().__init__()
        self.change, self.before, self.last = change, before, nn.Identity()
        self.more = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())
        self.counter = 0

    def features(self, images):
        return self.more(self.change(super().features(self.before(images))))


IMAGES = torch.rand(2, 1, 64, 64, generator=torch.Generator().manual_seed(0))
JOINED = {
    "a mean with weights .99 and .01": lambda a, b, x: 0.99 * a(x) + 0.01 * b(x),
    "in the other order": lambda a, b, x: 0.01 * b(x) + 0.99 * a(x),
    "a mean with a large bias": lambda a, b, x: 100 + 0.99 * a(x) + 0.01 * b(x),
    "a stack": lambda a, b, x: torch.stack([a(x), a.fc(b.features(x).mean((2, 3))) * 0.1]).mean(0),
    "joined before one head": lambda a, b, x: a.fc(a.features(x).mean((2, 3)) + 0.1 * b.features(x).mean((2, 3))),
    "a product": lambda a, b, x: a(x) * (1 + b(x)),
    "a soft maximum": lambda a, b, x: torch.logaddexp(a(x), b(x)),
    "another head for the mean and the maximum": lambda a, b, x: a(x) + 0.1 * b.fc(b.features(x).amax((2, 3))),
}
IMAGE = {
    "a branch on a smaller image": lambda a, b, x: a(x) + 0.1 * b(functional.avg_pool2d(x, 2).repeat(1, 1, 2, 2)),
    "a shortcut around the map": lambda a, b, x: a(x) + 0.1 * functional.avg_pool2d(x, 8).mean(3).flatten(1),
    "a factor of the image": lambda a, b, x: a(x) * x.std((1, 2, 3))[:, None],
}


def bands(heat):
    return heat.clamp(min=0).sum(-1).reshape(8, 8, -1).sum(-1).argmax(1).tolist()


@pytest.mark.parametrize("join", [*JOINED, *IMAGE])
def test_logits_that_depend_on_another_path_are_refused_unless_this_path_is_named(join):
    network = Paths({**JOINED, **IMAGE}[join])
    with pytest.raises(NotAvailableError, match=r"also depend on ('[ab]\.act'|the image itself).*--features [ab]\.act") as caught:
        locus.wrap(network, img_size=64)
    chosen = str(caught.value).split("--features ")[1].split()[0]
    assert locus.wrap(network, img_size=64, features=chosen).layer == chosen


@pytest.mark.parametrize("size", [1, 1e-4, 1e-5])
def test_two_heads_of_one_map_count_both_also_if_their_logits_are_small(size):
    network = Bands()
    network.second = nn.Linear(8, 8, bias=False)
    network.second.weight.data.copy_(size / 3 * torch.eye(8).flip(0))
    network.fc.weight.data.mul_(size)

    def forward(images):
        pooled = network.features(images).mean((2, 3))
        return (network.fc(pooled) + network.second(pooled)) / 2

    network.forward = forward
    model = locus.wrap(network, img_size=64)
    assert bands(explain(model, IMAGES, ["gradcam"])["gradcam"][0]) == BANDS


def test_a_network_that_computes_in_bfloat16_itself_is_accepted():
    network = Bands()

    def autocast(images):
        with torch.autocast("cpu", torch.bfloat16):
            return network.fc(network.features(images).mean((2, 3))).float()

    network.forward = autocast
    model = locus.wrap(network, img_size=64)
    assert model.pooling
    assert bands(explain(model, IMAGES, ["gradcam"])["gradcam"][0]) == BANDS


@pytest.mark.parametrize("join", JOINED)
def test_maps_of_several_paths_are_their_sum_on_the_finest_grid(join):
    network = Paths(JOINED[join])
    model = locus.wrap(network, img_size=64, features="a.act+b.act")
    methods = ["gradcam", "hirescam", "saliency"]
    maps, *parts = (explain(model, IMAGES, methods, layer=layer) for layer in (None, "a.act", "b.act"))
    for word in methods[:2]:
        assert torch.allclose(maps[word], parts[0][word] + parts[1][word])
    assert torch.allclose(maps["saliency"], parts[0]["saliency"])
    assert maps.grids["gradcam"] == Grid((64, 64), (8, 8), (3.5, 3.5))
    if "mean" in join or "order" in join:
        assert bands(maps["gradcam"][0]) == BANDS
    with pytest.raises(BadValueError, match=r"one grid.*several paths"):
        locus.wrap(network, img_size=64, features="a.act+b.act", grid=lambda size: Grid(size, (8, 8), (3.5, 3.5)))


def counted(network):
    network.counter += 1
    return network.counter


UNSTABLE = {
    "dropout": (lambda net, A: functional.dropout(A), "each time"),
    "noise": (lambda net, A: A + 0.1 * torch.rand_like(A), "each time"),
    "a random roll": (lambda net, A: A * torch.rand(1, 8, 1, 1), "each time"),
    "a counter": (lambda net, A: A * counted(net), "each time"),
    "a shuffle of channels": (lambda net, A: A[:, torch.randperm(8)], "each time"),
    "batch norm of the batch": (lambda net, A: functional.batch_norm(A, None, None, training=True), "batch of two"),
    "the mean of the batch": (lambda net, A: A - A.mean(0), "batch of two"),
    "the maximum of the batch": (lambda net, A: A / A.amax(), "batch of two"),
    "the first image of the batch": (lambda net, A: A.flip(0), "batch of two"),
    "the number of images": (lambda net, A: A * len(A), "batch of two"),
    "a softmax over the batch": (lambda net, A: A.softmax(0), "batch of two"),
}


class Unstable(Chain):
    def features(self, images):
        return self.last(self.change(self, Bands.features(self, images)))


@pytest.mark.parametrize("kind", UNSTABLE)
def test_logits_that_change_with_the_call_or_the_batch_are_refused_with_the_reason(kind):
    change, reason = UNSTABLE[kind]
    network = Unstable(change)
    callables = {"features": network.features, "head": lambda A: network.fc(A.mean((2, 3)))}
    for parts in ({}, callables):
        with pytest.raises(BadValueError, match=reason):
            locus.wrap(network, img_size=64, channels=1, **parts)


def test_callables_that_accept_one_image_only_are_refused():
    network = Chain(before=lambda images: images.reshape(1, 1, 64, 64))
    with pytest.raises(BadValueError, match="a batch of two images"):
        locus.wrap(network, img_size=64, channels=1, features=network.features, head=lambda A: network.fc(A.mean((2, 3))))


ORDER = torch.cat([torch.arange(4, 8), torch.arange(4)])
MOVED = {
    "indexing": lambda A: A[:, :, ORDER],
    "index_select": lambda A: A.index_select(3, ORDER),
    "gather": lambda A: A.gather(2, ORDER[:, None].expand_as(A)),
    "take_along_dim": lambda A: A.take_along_dim(ORDER.expand_as(A), 3),
    "grid_sample": lambda A: functional.grid_sample(
        A, -functional.affine_grid(torch.eye(2, 3)[None], [1, 1, 8, 8], align_corners=False).expand(len(A), -1, -1, -1), align_corners=False
    ),
    "matmul": lambda A: A @ torch.eye(8)[ORDER],
    "einsum": lambda A: torch.einsum("nchw,hk->nckw", A, torch.eye(8)[ORDER]),
    "a Fourier shift": lambda A: torch.fft.ifft2(torch.fft.fft2(A) * torch.exp(2j * torch.pi * 0.5 * torch.arange(8))[:, None]).real,
    "fold": lambda A: functional.fold(A.flatten(2).flip(-1), (8, 8), 1),
    "flip": lambda A: A.flip(-1),
    "a transposition": lambda A: A.mT.flip(-1),
    "unfold": lambda A: functional.unfold(A, 1)[..., torch.randperm(64, generator=torch.Generator().manual_seed(0))].reshape(A.shape),
}


class Moved(Chain):
    def features(self, images):
        return self.more(self.change(self.conv(images)))


@pytest.mark.parametrize("kind", MOVED)
def test_maps_whose_positions_move_are_refused_unless_the_grid_is_given(kind):
    torch.manual_seed(0)
    network = Moved(MOVED[kind])
    with pytest.raises(NotAvailableError, match=r"--grid stride=.*grid= to locus\.wrap"):
        locus.wrap(network, img_size=64).grid((64, 64))
    grid = Grid((64, 64), (8, 8), (3.5, 3.5))
    assert locus.wrap(network, img_size=64, grid=lambda size: grid).grid((64, 64)) == grid


@pytest.mark.parametrize("grid", [Grid((64, 64), (4, 4), (3.5, 3.5)), Grid((64, 64), (8, 8), (1e6, 0)), Grid((64, 32), (8, 8), (3.5, 3.5))])
def test_a_given_grid_must_cover_the_map(grid):
    model = locus.wrap(Bands(), img_size=64, grid=lambda size: grid)
    with pytest.raises(BadValueError, match="8x8 positions"):
        explain(model, IMAGES, ["gradcam"])
    score = {"truth": {("a", "Mass"): [[0, 0, 9, 9]]}, "frames": {"a": (64, 64)}}
    with pytest.raises(BadValueError, match="8x8 positions"):
        locus.score({("a", "Mass"): np.eye(8)}, **score, grids=grid, protocol="pointing")


@pytest.mark.parametrize(
    "resize", [lambda maps: functional.interpolate(maps, (64, 64)), lambda maps: maps[..., 1:, 1:], lambda maps: maps.repeat(1, 1, 2, 2)]
)
def test_a_method_whose_map_does_not_have_its_grid_is_refused(resize):
    class Resized(locus.GradientMethod):
        name = "resized"

        def maps(self, evidence):
            return resize((evidence.G * evidence.A.unsqueeze(1)).sum(2))

    with pytest.raises(BadValueError, match=r"'resized'.*grid\(evidence\)"):
        explain(locus.wrap(Bands(), img_size=64), IMAGES, [Resized])


@pytest.mark.parametrize(
    "end", [lambda net, A: net.fc(A.mean((2, 3))), lambda net, A: net.fc(A.mean((2, 3)).tanh())], ids=["linear", "opaque"]
)
@pytest.mark.parametrize("findings", [[*"ABCDEFGH"], ["-", "B", "C", *"-----"], {"C": 2, "B": 1}])
@pytest.mark.parametrize("target", ["logit", "difference"])
def test_softmax_gives_probabilities_and_maps_are_of_logits_or_differences(end, findings, target):
    network = Chain()
    network.forward = lambda images: end(network, network.features(images))
    columns = [*findings.values()] if isinstance(findings, dict) else [k for k, name in enumerate(findings) if name != "-"]
    model = locus.wrap(network, img_size=64, findings=findings, outputs="softmax", target=target)
    with torch.no_grad():
        logits = network(IMAGES)
        others = (logits.sum(1, keepdim=True) - logits) / 7
        assert torch.allclose(model.predict(IMAGES).sigmoid(), logits.softmax(1)[:, columns], atol=1e-6)
        expected = (logits - others if target == "difference" else logits)[:, columns]
        assert torch.allclose(model(IMAGES), expected, atol=1e-6)
    maps = explain(model, IMAGES, ["hirescam", "cam"] if model.pooling else ["hirescam"])
    A = network.features(IMAGES).detach().requires_grad_()
    logits = end(network, A)
    total = logits - (logits.sum(1, keepdim=True) - logits) / 7 if target == "difference" else logits
    (G,) = torch.autograd.grad(total[:, columns[0]].sum(), A)
    assert torch.allclose(maps["hirescam"][:, 0], (G * A).sum(1), atol=1e-6)


@pytest.mark.parametrize("name", ["silu", "gelu", "hardswish", "elu", "tanh", "leaky_relu(0.1)"])
@pytest.mark.parametrize("shared", [True, False])
def test_the_pooled_map_is_found_behind_any_activation(name, shared):
    act = nn.Module()
    act.forward = locus.backbones.layers.ACTIVATIONS[name]

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.act, self.fc = nn.Conv2d(1, 8, 8, stride=8), nn.Conv2d(8, 8, 1), act, nn.Linear(8, 3)

        def features(self, images):
            A = self.second(self.act(self.first(images)))
            return self.act(A) if shared else act.forward(A)

        def forward(self, images):
            return self.fc(self.features(images).mean((2, 3)))

    torch.manual_seed(0)
    network = Net()
    model = locus.wrap(network, img_size=64)
    assert torch.allclose(model.features(IMAGES), network.features(IMAGES), atol=1e-6)
    assert explain(model, IMAGES, ["cam"])["cam"].shape == (2, 3, 8, 8)


@pytest.mark.parametrize(
    ("arguments", "fact"),
    [
        ({"img_size": -1}, "img_size is -1"),
        ({"img_size": "32"}, "img_size is '32'"),
        ({"img_size": True}, "img_size is True"),
        ({"channels": 0}, "channels is 0"),
        ({"mean": 0.5, "std": "a"}, "std is 'a'"),
        ({"mean": None, "std": 0.5}, "mean and std"),
        ({"mean": [float("nan")], "std": [1.0]}, "mean is nan"),
        ({"mean": [], "std": [1.0]}, r"mean is \[\]"),
        ({"mean": 2, "std": 1}, "mean is 2"),
        ({"findings": {*"ABCDEFGH"}}, "findings is {"),
        ({"findings": (word for word in "ABCDEFGH")}, "findings is <generator"),
        ({"findings": None}, "findings is None"),
        ({"findings": "ABCDEFGH"}, "findings is 'ABC"),
        ({"findings": [*range(8)]}, "finding 0 is not a name"),
        ({"outputs": "soft"}, "outputs is 'soft'"),
        ({"target": None}, "target is None"),
    ],
)
def test_python_arguments_are_checked_as_flags_are(arguments, fact):
    with pytest.raises(BadValueError, match=fact):
        locus.wrap(Bands(), **{"img_size": 64, **arguments})


@pytest.mark.parametrize(("images", "fact"), [(IMAGES[:, :0], r"shape \(2, 0, 64, 64\)"), (IMAGES.to_sparse(), "sparse")])
def test_images_without_values_are_refused(images, fact):
    with pytest.raises(BadValueError, match=fact):
        explain(locus.wrap(Bands(), img_size=64), images, ["gradcam"])


def test_one_number_is_the_mean_of_all_channels():
    assert torch.equal(*(locus.wrap(Bands(), img_size=64, mean=m, std=s)(IMAGES) for m, s in ((0.5, 0.25), ([0.5], [0.25]))))


@pytest.mark.parametrize(
    ("build", "fact"),
    [
        (lambda: torch.export.export(Bands().eval(), (IMAGES,)).module(), "torch.export"),
        (lambda: torch.ao.quantization.quantize_dynamic(Bands().eval(), {nn.Linear}, torch.qint8), "int8"),
        (lambda: torch.jit.trace(Bands(), IMAGES), "TorchScript"),
        (lambda: nn.Sequential(nn.LazyConv2d(8, 4, 4), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2)), "lazy layers"),
        (lambda: "resnet18", "is a str"),
    ],
)
def test_a_network_whose_layers_cannot_be_seen_is_refused(build, fact):
    with pytest.raises(BadValueError, match=fact):
        locus.wrap(build(), img_size=64)


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.bool, torch.int64, torch.complex64])
def test_weights_of_another_kind_are_refused(kind):
    state = {name: value.to(kind) for name, value in Bands().state_dict().items()}
    with pytest.raises(DataError, match=rf" is {kind}, not torch\.float32"):
        weight_files.load_external(Bands(), state, "w.pt", "net")
    halves = {name: value.half() for name, value in Bands().state_dict().items()}
    assert "none missing" in weight_files.load_external(Bands(), halves, "w.pt", "net")


@pytest.mark.parametrize(
    "keys", [("model", "net"), ("state_dict", "model"), ("ema", "teacher"), ("state_dict", "state_dict_ema"), ("model", "model_ema")]
)
def test_a_file_with_two_sets_of_weights_is_refused(keys):
    content = {key: Bands().state_dict() for key in keys}
    with pytest.raises(DataError, match=rf"\(({keys[0]}, {keys[1]}|{keys[1]}, {keys[0]})\)"):
        weight_files.extract_weights(content)
    assert weight_files.extract_weights({keys[0]: content[keys[0]], keys[1]: {"lr": 0.1}})


def test_weights_of_an_averaged_or_compiled_network_load():
    average = torch.optim.swa_utils.AveragedModel(Bands())
    compiled = {name.replace("conv.", "conv._orig_mod."): value for name, value in Bands().state_dict().items()}
    for state in (average.state_dict(), compiled):
        assert "none missing" in weight_files.load_external(Bands(), weight_files.extract_weights(state), "w.pt", "net")


def test_state_of_a_metric_beside_the_weights_is_named_and_not_used_and_a_copy_is_refused():
    state = {f"net.{name}": value for name, value in Bands().state_dict().items()}
    said = weight_files.load_external(Bands(), {**state, "auroc.preds": torch.rand(3)}, "w.ckpt", "net")
    assert said.endswith("none missing, none unexpected, not used: auroc.preds")
    copy = {name.replace("net.", "average.module."): value for name, value in state.items()}
    for other in (copy, {"net.scale": torch.rand(1)}):
        with pytest.raises(DataError, match="unexpected"):
            weight_files.load_external(Bands(), {**state, **other}, "w.ckpt", "net")


class InPlace(Bands):
    def features(self, images):
        return super().features(images.sub_(0.5))


def test_a_network_that_changes_its_input_in_place_gets_a_copy():
    images = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)) + 1
    given = images.clone()
    maps = {
        name: explain(locus.wrap(net.eval(), img_size=64), images, ["gradcam", "saliency"])
        for name, net in (("in place", InPlace()), ("copy", Bands()))
    }
    assert torch.equal(images, given)
    assert torch.allclose(maps["in place"]["saliency"], maps["copy"]["saliency"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_weights_of_another_precision_than_images_are_refused(dtype):
    with pytest.raises(BadValueError, match=rf"{dtype}.*network\.float\(\)"):
        locus.wrap(Bands().to(dtype), img_size=64)
