"""LayerCAM of several levels, each on its own true grid."""

import pytest
import torch

import backbones
from benchmark.explain import explain, gather, one
from core.frames import Grid, interpolation
from methods.fusion import share
from methods.layercam import LayerCAM


@pytest.fixture
def network(images):
    torch.manual_seed(0)
    model = backbones.build("resnet18", 3, "LSE:gamma=1")
    with torch.no_grad():
        model.train()(images)
    return model.eval()


def test_the_plain_word_is_the_pooled_map(network, images):
    maps = explain(network, images, ["layercam"])
    assert maps["layercam"].shape[-2:] == (3, 3)
    assert maps.grids["layercam"] == network.grid((96, 96))


def test_fused_maps_lie_on_the_finest_level_and_carry_its_grid(network, images):
    word = "layercam:layers=layer2+layer3"
    maps = explain(network, images, [word])
    assert maps[word].shape == (4, 3, 12, 12)
    assert maps.grids[word] == Grid((96, 96), (8, 8), (0, 0))
    assert maps[word].min() >= 0
    assert maps[word].max() <= 1


def test_the_largest_of_the_scaled_levels_counts(network, images):
    evidence = gather(network, images)
    pooled, earlier = share(one(LayerCAM(), evidence).maps), one(LayerCAM(), evidence.at("layer3"))
    fused = one(LayerCAM("layer3"), evidence)
    rows, columns = interpolation(evidence.grid, (3, 3), earlier.grid, (6, 6))
    moved = torch.from_numpy(rows).float() @ pooled @ torch.from_numpy(columns).float().T
    torch.testing.assert_close(fused.maps, torch.maximum(moved, torch.tanh(2 * share(earlier.maps))), atol=1e-6, rtol=1e-5)
    assert fused.grid == earlier.grid


@pytest.mark.byhand
def test_a_share_is_of_the_maps_own_maximum_and_zeros_stay():
    maps = torch.tensor([[[[-1.0, 2.0]], [[4.0, 1.0]], [[0.0, -3.0]]]])
    assert share(maps).tolist() == [[[[0, 1]], [[1, 0.25]], [[0, 0]]]]
