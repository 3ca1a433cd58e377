"""examples/jfhealthcare.py: names and shapes of the weights in its file, and logits computed step by step."""

import pytest
import torch
import torchvision
from torch import Tensor
from torch.nn import functional

from examples.jfhealthcare import PyramidAttention, build
from tests.backbones.test_parity import seen

ATTENTION = {
    "channel_attention.fc1": (512, 1024), "channel_attention.fc2": (1024, 512),
    "spatial_attention.conv1": (128, 1024, 1, 1), "spatial_attention.conv2": (128, 1024, 1, 1),
    "spatial_attention.conv3": (1024, 1024, 1, 1),
    "pyramid_attention.gap_branch.1.conv.0": (1024, 1024, 1, 1), "pyramid_attention.mid_branch.conv.0": (1024, 1024, 1, 1),
    "pyramid_attention.downsample1.conv.0": (1, 1024, 7, 7), "pyramid_attention.downsample2.conv.0": (1, 1, 5, 5),
    "pyramid_attention.downsample3.conv.0": (1, 1, 3, 3), "pyramid_attention.scale1.conv.0": (1, 1, 7, 7),
    "pyramid_attention.scale2.conv.0": (1, 1, 5, 5), "pyramid_attention.scale3.conv.0": (1, 1, 3, 3),
}  # fmt: skip
"""Layer of ``attention_map`` -> shape of its weight, in the published source."""
NORM = ("weight", "bias", "running_mean", "running_var")


def published_shapes() -> dict[str, tuple[int, ...]]:
    """Name -> shape of each weight in the file, without batch norm's counters."""
    shapes = {f"backbone.{name}": tuple(value.shape) for name, value in torchvision.models.densenet121().state_dict().items()}
    for index in range(5):
        shapes |= {f"fc_{index}.weight": (1, 2048, 1, 1), f"fc_{index}.bias": (1,)}
        shapes |= {f"bn_{index}.{word}": (2048,) for word in NORM}
    for layer, shape in ATTENTION.items():
        shapes |= {f"attention_map.{layer}.weight": shape, f"attention_map.{layer}.bias": shape[:1]}
        if layer.endswith("conv.0"):
            shapes |= {f"attention_map.{layer[:-1]}1.{word}": shape[:1] for word in NORM}
    shapes["attention_map.spatial_attention.gamma"] = (1,)
    return {name: shape for name, shape in shapes.items() if not name.endswith("num_batches_tracked")}


def test_names_and_shapes_are_those_of_the_published_file():
    state = build().state_dict()
    assert {n: tuple(v.shape) for n, v in state.items() if not n.endswith("num_batches_tracked")} == published_shapes()


def block(state: dict[str, Tensor], layer: str, x: Tensor, stride: int = 1) -> Tensor:
    """Convolution, batch norm and ReLU of a layer of the pyramid."""
    name = f"attention_map.pyramid_attention.{layer}.conv."
    weight, kernel = state[f"{name}0.weight"], state[f"{name}0.weight"].shape[-1]
    x = functional.conv2d(x, weight, state[f"{name}0.bias"], stride, kernel // 2)
    gain, shift, mean, variance = (state[f"{name}1.{word}"] for word in NORM)
    return functional.batch_norm(x, mean, variance, gain, shift).relu()


def attended(state: dict[str, Tensor], A: Tensor) -> Tensor:
    """Feature pyramid attention, one step per line."""
    half = block(state, "downsample1", A, 2)
    quarter = block(state, "downsample2", half, 2)
    eighth = block(state, "downsample3", quarter, 2)
    sides = [(A.shape[2] // part, A.shape[3] // part) for part in (4, 2, 1)]
    total = functional.interpolate(block(state, "scale3", eighth), sides[0], mode="bilinear", align_corners=False)
    total = functional.interpolate(block(state, "scale2", quarter) + total, sides[1], mode="bilinear", align_corners=False)
    total = functional.interpolate(block(state, "scale1", half) + total, sides[2], mode="bilinear", align_corners=False)
    return total * block(state, "mid_branch", A) + block(state, "gap_branch.1", A.mean((2, 3), keepdim=True))


@pytest.mark.oracle
@torch.no_grad()
def test_logits_pass_the_attention_once_more_for_each_finding():
    torch.manual_seed(0)
    net = seen(build(), torch.randn(4, 3, 128, 128))
    state, images = net.state_dict(), torch.randn(2, 3, 128, 128)
    features = torchvision.models.densenet121()
    features.load_state_dict({n.removeprefix("backbone."): v for n, v in state.items() if n.startswith("backbone.")})
    A, logits = features.eval().features(images).relu(), []
    for index in range(5):
        A = attended(state, A)
        pooled = torch.cat([A.mean((2, 3)), A.amax((2, 3))], 1)
        gain, shift, mean, variance = (state[f"bn_{index}.{word}"] for word in NORM)
        normed = functional.batch_norm(pooled, mean, variance, gain, shift)
        logits.append(normed @ state[f"fc_{index}.weight"].flatten(1).T + state[f"fc_{index}.bias"])
    expected = torch.cat(logits, 1)
    assert expected.std(0).min() > 1e-4
    assert torch.allclose(net(images), expected, rtol=1e-4, atol=1e-4)


def test_sides_that_are_no_multiple_of_128_px_are_supported():
    with torch.no_grad():
        assert PyramidAttention(8).eval()(torch.rand(1, 8, 7, 5)).shape == (1, 8, 7, 5)
