"""Grids by arithmetic equal those measured with gradients."""

import pytest
import torch
from torch import nn

from locus import backbones
from locus.backbones import extractors, grids
from locus.benchmark.inspect.method import state
from locus.core.errors import BadValueError
from locus.core.frames import Grid

SIZES = [(96, 96), (128, 160), (224, 224), (225, 201)]
LIGHT = ["custom", "resnet18", "densenet121", "efficientnet_b0", "tf_efficientnet_b0", "squeezenet1_1"]
QUICK = [*LIGHT, "vgg16"]
CONVOLUTIONAL = [name for name in backbones.names() if name != "small_vit"]
OFFSETS = {"densenet121": 14, "vgg16": 15.5, "squeezenet1_1": 15, "custom": 3.5}


@pytest.mark.contract
@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        *((name, [(96, 96), (97, 128)]) for name in LIGHT),
        *(pytest.param(name, SIZES, marks=pytest.mark.slow) for name in CONVOLUTIONAL),
    ],
)
def test_arithmetic_equals_gradient_probing(name, sizes):
    extractor = extractors.build(name, False).extractor
    for size in sizes:
        assert grids.arithmetic(extractor, size) == grids.probed(extractor, extractor, size)


@pytest.mark.contract
@pytest.mark.parametrize("name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in CONVOLUTIONAL])
def test_arithmetic_supports_every_convolutional_backbone(name):
    with torch.device("meta"):
        extractor = extractors.build(name, False).extractor
    for size in SIZES:
        grid = grids.arithmetic(extractor, size)
        assert grid.stride == ((8, 8) if name == "custom" else (16, 16) if name == "squeezenet1_1" else (32, 32))
        if not name.startswith("tf_"):  # the offset of same padding depends on the size
            assert grid.offset == (OFFSETS.get(name, 0),) * 2


STRIDED = ["resnet18", "resnet50", "efficientnet_b0", "tf_efficientnet_b0", "densenet121"]


@pytest.mark.contract
@pytest.mark.parametrize("stride", [8, 16])
@pytest.mark.parametrize("name", STRIDED)
def test_option_stride_sets_the_grid_and_keeps_the_weights(name, stride):
    model, usual = (backbones.build(word, 2) for word in (f"{name}:stride={stride}", name))
    shapes = [{key: value.shape for key, value in net.state_dict().items()} for net in (model, usual)]
    assert shapes[0] == shapes[1]
    size, side = (128, 128), 128 // stride
    assert model.features(torch.randn(2, 3, *size)).shape[2:] == (side, side)
    grid = model.grid(size)
    assert grid == grids.probed(model.extractor, model.extractor, size)
    assert grid.stride == (stride, stride)
    assert model.build_options["name"] == f"{name}:stride={stride}"
    if not name.startswith("tf_"):
        assert grid.offset == ((2 if stride == 8 else 6) if name == "densenet121" else 0,) * 2


def test_stride_of_32_is_the_usual_network():
    torch.manual_seed(0)
    images = torch.randn(1, 3, 64, 64)
    for name in ("resnet18", "densenet121"):
        usual = backbones.build(name, 2).eval()
        same = backbones.build(f"{name}:stride=32", 2).eval()
        same.load_state_dict(usual.state_dict())
        torch.testing.assert_close(same(images), usual(images), rtol=0, atol=0)


@pytest.mark.parametrize("word", ["resnet18:stride=4", "resnet18:stride=fine", "vgg16:stride=8", "custom:stride=8", "test_vit:stride=8"])
def test_stride_that_a_network_cannot_have_is_an_error(word):
    with pytest.raises(BadValueError, match="stride"):
        backbones.build(word, 2)


@pytest.mark.byhand
def test_same_padding_moves_the_grid_with_the_image_size():
    model = backbones.build("tf_efficientnet_b0", 2)
    assert model.grid((224, 224)).offset == (31, 31)  # five strided layers, each padded behind: 1 + 2 + 4 + 8 + 16
    assert model.grid((225, 224)).offset == (0, 31)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["resnet18", "tf_efficientnet_b0"])
def test_a_bright_pixel_changes_the_position_of_its_grid_cell(name):
    torch.manual_seed(0)
    model = backbones.build(name, 2).train()
    size = (224, 224)
    with torch.no_grad():
        model(torch.randn(4, 3, *size))  # calibrate batch norm
        model.eval()
        grid = model.grid(size)
        y = round(grid.offset[0] + 3 * grid.stride[0])
        images = torch.zeros(2, 3, *size)
        images[1, :, y - 2 : y + 3, y - 2 : y + 3] = 5
        A = model.features(images)
        change = (A[1] - A[0]).square().sum(0)
    assert divmod(int(change.argmax()), change.shape[1]) == (3, 3)


def test_attention_does_not_change_the_grid():
    plain, attended = backbones.build("custom", 2), backbones.build("custom", 2, attention_map="SAM")
    assert plain.grid((128, 128)) == attended.grid((128, 128)) == Grid((128, 128), (8, 8), (3.5, 3.5))


@pytest.mark.parametrize("name", ["custom", "convnext_atto"])
def test_computing_the_grid_has_no_side_effects(name):
    model = backbones.build(name, 2, dropout=0.5).train()
    model.head.eval()
    before, random = state(model), torch.get_rng_state()
    with torch.inference_mode():
        model.grid((96, 96))
    assert state(model) == before
    assert torch.equal(random, torch.get_rng_state())


def test_the_grid_is_computed_once_per_size():
    model = backbones.build("custom", 2)
    assert model.grid((96, 96)) is model.grid((96, 96))
    assert model.grid([96, 128]).size == (96, 128)


class Branches(nn.Module):
    """Two branches with different grids."""

    def __init__(self):
        super().__init__()
        self.left, self.right = nn.Conv2d(3, 4, 3, stride=2, padding=1), nn.Conv2d(3, 4, 2, stride=2)

    def forward(self, images):
        out = self.left(images)
        out += self.right(images)
        return out


def test_disagreeing_branches_are_probed():
    net = Branches()
    assert grids.arithmetic(net, (96, 96)) is None
    assert grids.locator(net)((96, 96)) == Grid((96, 96), (2, 2), (0.25, 0.25))


class Curious(nn.Conv2d):
    """Network whose control flow depends on its values."""

    def forward(self, images):
        return super().forward(images) * (1.0 if images.max().item() > 0 else 2.0)


def test_a_network_with_data_dependent_control_flow_is_probed():
    net = Curious(3, 4, 2, stride=2)
    assert grids.arithmetic(net, (96, 96)) is None
    assert grids.locator(net)((96, 96)) == Grid((96, 96), (2, 2), (0.5, 0.5))


def test_a_single_position_has_the_image_side_as_stride():
    net = nn.AvgPool2d(96)
    assert grids.probed(net, net, (96, 96)) == Grid((96, 96), (96, 96), (47.5, 47.5))


def test_named_paddings_are_traced():
    net = nn.Sequential(nn.Conv2d(3, 4, 4, padding="same"), nn.Conv2d(4, 4, 3, padding="valid"), nn.ZeroPad2d((3, 0, 1, 0)))
    assert grids.arithmetic(net, (96, 96)) == grids.probed(net, net, (96, 96)) == Grid((96, 96), (1, 1), (0.5, -1.5))
