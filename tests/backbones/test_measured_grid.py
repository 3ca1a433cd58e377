"""Grids of networks for which arithmetic alone has no answer, and networks that do not pass on gradients."""

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from locus import backbones
from locus.backbones import grids
from locus.benchmark import opening
from locus.config import NetworkFlags
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid
from locus.explaining.batch import explain

GRID = Grid((64, 64), (4, 4), (1.5, 1.5))


class Net(nn.Module):
    """Four pixels per position; ``before`` changes the images, ``after`` the map, ``end`` the logits."""

    def __init__(self, before=lambda x: x, after=lambda net, A: A, end=lambda net, A: net.fc(A.mean((2, 3)))):
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 8, 4, stride=4), nn.ReLU())
        self.last, self.fc = nn.Identity(), nn.Linear(8, 2)
        self.features = nn.Sequential(nn.Conv2d(8, 8, 1), nn.ReLU())
        self.change = (before, after, end)

    def forward(self, images):
        before, after, end = self.change
        return end(self, self.features(after(self, self.body(before(images)))))


def net(**change):
    torch.manual_seed(0)
    return Net(**change).eval()


def nonlocal_block(net, A):
    tokens = A.flatten(2)
    return A + (tokens @ (tokens.mT @ tokens).softmax(-1)).reshape(A.shape)


def attention_of_tokens(net, A):
    tokens = A.flatten(2).mT[:, None]
    mixed = nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)
    return (tokens + mixed)[:, 0].mT.reshape(A.shape)


@pytest.mark.parametrize(
    "change",
    [
        {"before": lambda x: 1 - x},
        {"before": lambda x: x.clamp(0, 1)},
        {"before": lambda x: (x - x.amin((1, 2, 3), True)) / (x.amax((1, 2, 3), True) - x.amin((1, 2, 3), True))},
        {"before": lambda x: (x.clamp(0, 1) * 255).to(torch.uint8).float() / 255},
        {"after": nonlocal_block},
        {"after": attention_of_tokens},
        {"after": lambda net, A: A * A.mean((2, 3), keepdim=True).sigmoid()},
        {"after": lambda net, A: A + A.mean((2, 3), keepdim=True)},
        {"before": lambda x: 1 - x, "after": attention_of_tokens},
    ],
)
def test_preprocessing_and_global_paths_do_not_change_the_grid(change):
    assert backbones.wrap(net(**change), img_size=64).grid((64, 64)) == GRID


def test_the_flag_grid_is_kept_in_the_run_of_a_network(tmp_path):
    (tmp_path / "net.py").write_text(
        "from tests.backbones.test_measured_grid import net\ndef build():\n    return net(after=lambda net, A: A.flip(-1))"
    )
    flags = {"model": f"{tmp_path}/net.py:build", "findings": ("Mass", "Nodule"), "img_size": 64}
    with pytest.raises(NotAvailableError, match="--grid"):
        opening.build(NetworkFlags(**flags))
    model = opening.build(NetworkFlags(**flags, grid="stride=4,offset=1.5")).model
    assert opening.rebuild(model.build_options, "its run", trust=True).grid((64, 64)) == model.grid((64, 64)) == GRID
    for text in ("stride=4", "stride=0,offset=1", "4,1", "stride=4,offset=nan"):
        with pytest.raises(BadValueError, match="stride=32,offset=0"):
            grids.parse(text)


def frozen(run):
    class Frozen(Net):
        def forward(self, images):
            with run():
                A = self.features(self.body(images))
            return self.change[2](self, A)

    return Frozen


class Recomputed(Net):
    def forward(self, images):
        return self.change[2](self, checkpoint(self.features, checkpoint(self.body, images, use_reentrant=False), use_reentrant=False))


@pytest.mark.parametrize("end", [lambda net, A: net.fc(A.mean((2, 3))), lambda net, A: net.fc(A.mean((2, 3)).tanh())])
@pytest.mark.parametrize("kind", [frozen(torch.no_grad), frozen(torch.inference_mode), Recomputed])
def test_layers_without_gradients_are_explained_by_what_follows(kind, end):
    torch.manual_seed(0)
    network, plain = kind(end=end).eval(), net(end=end)
    plain.load_state_dict(network.state_dict())
    images = torch.randn(1, 3, 64, 64)
    maps, expected = (explain(backbones.wrap(part, img_size=64), images, methods=["gradcam"]) for part in (network, plain))
    assert torch.allclose(maps["gradcam"], expected["gradcam"], atol=1e-6)
    assert maps.grids["gradcam"] == GRID


def test_methods_that_need_gradients_of_the_image_are_not_available_without_them():
    network = net(before=lambda x: (x.clamp(0, 1) * 255).to(torch.uint8).float() / 255)
    with pytest.raises(NotAvailableError, match="'saliency' requires gradients"):
        explain(backbones.wrap(network, img_size=64), torch.rand(1, 3, 64, 64), methods=["saliency"])


def test_a_network_in_half_precision_is_computed_in_float32(tmp_path):
    (tmp_path / "net.py").write_text("from tests.backbones.test_measured_grid import net\ndef build():\n    return net().half()")
    loaded = opening.network_of(f"{tmp_path}/net.py:build", None)
    assert {weight.dtype for weight in loaded.module.parameters()} == {torch.float32}
    assert "float16" in loaded.weights


class Mixed(Net):
    """Tokens of pairs of positions after a stem of convolutions."""

    def forward(self, images):
        A = self.body(images)
        tokens = self.last(nn.functional.conv2d(images, self.body[0].weight, stride=3).flatten(2).mT)
        return self.fc((tokens @ self.fc.weight.T @ self.fc.weight).amax(1) + A.mean((2, 3)))


def test_tokens_at_unknown_positions_are_not_left_out_in_silence():
    torch.manual_seed(0)
    network = Mixed().eval()
    with pytest.raises(NotAvailableError, match=r"'last'.*--features, such as 'body'"):
        backbones.wrap(network, img_size=64)
    assert backbones.wrap(network, features="body", img_size=64).layer == "body"


@pytest.mark.parametrize(("size", "side"), [(64, 96), (96, 224), (256, 224)])
def test_a_resize_to_the_nearest_pixel_has_no_whole_stride(size, side):
    """The stride in pixels is 4 * size / side; two neighbouring positions are a whole number of pixels apart."""
    resized = net(before=lambda x: nn.functional.interpolate(x, size=(side, side)))
    with pytest.raises(NotAvailableError, match="--grid stride"):
        backbones.wrap(resized, img_size=size).grid((size, size))


def test_a_resize_to_a_multiple_keeps_its_grid():
    resized = net(before=lambda x: nn.functional.interpolate(x, size=(128, 128)))
    assert backbones.wrap(resized, img_size=64).grid((64, 64)) == Grid((64, 64), (2, 2), (0.5, 0.5))
