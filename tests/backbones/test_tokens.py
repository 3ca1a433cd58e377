"""Transformers: tokens as a map, whose grid is that of the patches."""

import pytest
import torch
from torch import nn

from locus import backbones
from locus.backbones import grids, layers
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid
from locus.explaining.batch import explain

VIT, SWIN = "vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"
MORE = ["deit_tiny_distilled_patch16_224", "vit_medium_patch16_reg4_gap_256", "swinv2_tiny_window8_256", SWIN]
GRIDS = {"swin": (32, 15.5), "swinv2": (32, 15.5), "vit": (16, 7.5), "deit": (16, 7.5)}


def build(name):
    torch.manual_seed(0)
    return backbones.build(name, 3, "PCAM").eval()


def images(*size, count=2):
    return torch.randn(count, 3, *size, generator=torch.Generator().manual_seed(1))


def tokens_of(net, given):
    """Return the normed tokens that timm pools, without class tokens, (N, h*w, C)."""
    tokens = net.forward_features(given)
    return tokens.flatten(1, 2) if tokens.ndim == 4 else getattr(net, "fc_norm", lambda x: x)(tokens)[:, net.num_prefix_tokens :]


@pytest.mark.contract
@pytest.mark.parametrize("name", [VIT, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
def test_the_map_has_the_tokens_and_the_grid_of_the_patches(name):
    model = build(name)
    for size in [(64, 96), (96, 128)] if name == VIT else [(96, 128), (224, 224)]:
        given = images(*size)
        with torch.no_grad():
            A = model.features(given)
            expected = tokens_of(model.extractor.net, given)
            logits = model.head(A)
        stride, offset = GRIDS[name.split("_")[0]]
        assert torch.equal(A.flatten(2).transpose(1, 2), expected)
        assert A.shape[-2:] == tuple(side // stride for side in size)
        assert torch.allclose(model(given), logits, atol=1e-6)
        assert model.class_maps(A).shape == (2, 3, *A.shape[-2:])
        assert model.grid(size) == Grid(size, (stride, stride), (offset, offset))
    given, layer = images(96, 128), model.layer_names[-2]
    A, logits = layers.run(model, given, layer)
    (gradient,) = torch.autograd.grad(logits[:, 1].sum(), A)
    with torch.no_grad():
        assert torch.allclose(logits, model(given), atol=1e-5)
        moved = A + 1e-2 * gradient / gradient.norm()
        tail = layers.tail(model, given, layer)
        assert torch.allclose(tail(A), logits, atol=1e-5)
        assert torch.allclose(tail(A.repeat_interleave(2, 0)), logits.repeat_interleave(2, 0), atol=1e-5)
        risen = (tail(moved) - logits)[:, 1].sum()
    assert float(risen) == pytest.approx(1e-2 * float(gradient.norm()), rel=0.1)


@pytest.mark.byhand
def test_merging_doubles_the_stride_and_keeps_the_grid_centred():
    with torch.device("meta"):
        model = backbones.build(SWIN, 3)
    assert model.layer_names == ("layers.0", "layers.1", "layers.2", "layers.3")  # a norm follows the last
    placed = [model.grid((224, 224), layer) for layer in model.layer_names]
    assert [(grid.stride[0], grid.offset[0]) for grid in placed] == [(4, 1.5), (8, 3.5), (16, 7.5), (32, 15.5)]
    assert model.grid((224, 224)) == placed[-1]
    assert grids.features(model.extractor, (96, 132)).shape[-2:] == (3, 5)  # 33 patches: 17, 9, 5


@pytest.mark.planted
def test_a_token_is_located_at_its_patch():
    """Without attention, a token depends only on its patch."""
    model = build(VIT)
    for block in model.extractor.net.blocks:
        torch.nn.init.zeros_(block.attn.proj.weight)
    dark = torch.zeros(1, 3, 96, 128)
    bright = dark.clone()
    grid = model.grid((96, 128))
    y, x = (round(offset + stride * i) for offset, stride, i in zip(grid.offset, grid.stride, (2, 5), strict=True))
    bright[..., y, x] = 5
    with torch.no_grad():
        change = (model.features(bright) - model.features(dark)).abs().sum((0, 1))
    assert change.nonzero().tolist() == [[2, 5]]


@pytest.mark.parametrize(("size", "near"), [((230, 224), "224x224"), ((8, 32), "16x32")])
def test_a_size_that_is_not_a_multiple_of_the_patch_raises_a_clear_error(size, near):
    model = build(VIT)
    for ask in (lambda: model(images(*size)), lambda: model.grid(size), lambda: model.grid(size, "blocks.3")):
        with pytest.raises(BadValueError, match=rf"\b{size[0]}x{size[1]}\b.*\b16x16\b.* 16\b.*\b{near}$"):
            ask()


def test_a_submodule_without_tokens_raises_a_clear_error():
    model = build(VIT)
    assert model.grid((96, 128), "blocks.3.norm1") == model.grid((96, 128))
    with pytest.raises(NotAvailableError, match=r"'blocks\.3\.attn\.q_norm'.*\(2, 3, 49, 64\).*\(N, C, h, w\)"):
        layers.run(model, images(96, 128), "blocks.3.attn.q_norm")


class Patches(nn.Module):
    """Finding k is the brightness of one patch of 8x8 pixels in an image of 64x64, SPOTS[k]; ``arrange`` moves tokens."""

    def __init__(self, arrange, head=lambda net, tokens: net.fc(tokens.mean(1))):
        super().__init__()
        count = len(SPOTS)
        self.patch, self.norm, self.act = nn.Conv2d(1, count, 8, stride=8), nn.LayerNorm(count), nn.ReLU()
        self.fc, self.more = nn.Linear(count, count), nn.Linear(count, count)
        self.arrange, self.head = arrange, head
        spots = torch.zeros(1, count, 8, 8)
        for k, (y, x) in enumerate(SPOTS):
            spots[0, k, y, x] = 1
        self.register_buffer("spots", spots)
        with torch.no_grad():
            self.patch.weight.fill_(1 / 64)
            self.patch.bias.zero_()
            for layer in (self.fc, self.more):
                layer.weight.copy_(torch.eye(count))

    def forward(self, images):
        A = self.patch(images) * self.spots
        return self.head(self, self.act(self.arrange(A)))


SPOTS = [(0, 0), (1, 0), (2, 7), (3, 3), (5, 0), (6, 7)]


def rows(A):
    return A.flatten(2).mT


def after_class_token(A, at=0):
    tokens = rows(A)
    return torch.cat([tokens[:, :at], tokens.mean(1, keepdim=True), tokens[:, at:]], 1)


@pytest.mark.planted
def test_tokens_in_rows_after_the_class_token_are_at_their_patches():
    torch.manual_seed(0)
    model = backbones.wrap(Patches(after_class_token).eval(), img_size=64)
    layer_cam = explain(model, torch.rand(1, 1, 64, 64) + 0.5, ["layercam"])["layercam"][0]
    assert [divmod(int(one.argmax()), 8) for one in layer_cam] == SPOTS


@pytest.mark.parametrize(
    "arrange",
    [
        lambda A: rows(A.mT),
        lambda A: rows(A.flip(3)),
        lambda A: rows(A)[:, torch.randperm(64, generator=torch.Generator().manual_seed(0))],
        lambda A: after_class_token(A, at=32),
        lambda A: after_class_token(A, at=64),
    ],
    ids=["columns", "mirrored", "shuffled", "class token in the middle", "class token last"],
)
@pytest.mark.planted
def test_tokens_in_another_order_than_the_patches_are_refused(arrange):
    with pytest.raises(NotAvailableError, match="64 tokens"):
        backbones.wrap(Patches(arrange).eval(), img_size=64)


@pytest.mark.planted
def test_a_head_that_joins_class_token_and_patches_is_explained_where_both_depend_on_the_map():
    def joined(net, tokens):
        return net.fc(tokens[:, 0]) + 0.01 * net.more(tokens[:, 1:].mean(1)).flip(1)

    torch.manual_seed(0)
    model = backbones.wrap(Patches(after_class_token, joined).eval(), img_size=64)
    assert model.layer == "patch"
    layer_cam = explain(model, torch.rand(1, 1, 64, 64) + 0.5, ["layercam"])["layercam"][0]
    assert [divmod(int(one.argmax()), 8) for one in layer_cam] == SPOTS
