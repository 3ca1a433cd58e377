"""LayerCAM of several layers with different grids."""

import pytest
import torch

from locus.core.frames import Grid, interpolation
from locus.explaining.batch import collect_evidence, explain, run_method
from locus.methods.fusion import divide_by_maximum, finest
from locus.methods.layercam import LayerCAM


@pytest.fixture
def network(make_model):
    return make_model("LSE:gamma=1", name="resnet18")


def test_fused_maps_have_the_grid_of_the_finest_layer_and_without_layers_that_of_the_pooled_map(network, images):
    word = "layercam:layers=layer2+layer3"
    maps = explain(network, images, [word, "layercam"])
    assert maps["layercam"].shape[-2:] == (3, 3)
    assert maps.grids["layercam"] == network.grid((96, 96))
    assert maps[word].shape == (4, 3, 12, 12)
    assert maps.grids[word] == Grid((96, 96), (8, 8), (0, 0))
    assert maps[word].min() >= 0
    assert maps[word].max() <= 1


def test_fused_maps_are_the_maximum_of_the_scaled_layers(network, images):
    evidence = collect_evidence(network, images)
    pooled, earlier = divide_by_maximum(run_method(LayerCAM(), evidence).maps), run_method(LayerCAM(), evidence.at("layer3"))
    fused = run_method(LayerCAM("layer3"), evidence)
    rows, columns = interpolation(evidence.grid, (3, 3), earlier.grid, (6, 6))
    moved = torch.from_numpy(rows).float() @ pooled @ torch.from_numpy(columns).float().T
    torch.testing.assert_close(fused.maps, torch.maximum(moved, torch.tanh(2 * divide_by_maximum(earlier.maps))), atol=1e-6, rtol=1e-5)
    assert fused.grid == earlier.grid


def test_the_grid_of_fused_maps_needs_no_forward_pass(network, images):
    evidence, passed = collect_evidence(network, images), []
    hook = network.register_forward_pre_hook(lambda _, given: passed.extend(given if not given[0].is_meta else []))
    assert LayerCAM("layer2+layer3").grid(evidence) == Grid((96, 96), (8, 8), (0, 0))
    hook.remove()
    assert passed == []


@pytest.mark.byhand
def test_the_finest_grid_is_the_first_with_the_smallest_stride():
    grids = [Grid((96, 96), (stride, stride), (offset, offset)) for stride, offset in ((32, 0), (8, 0), (16, 0), (8, 3.5))]
    assert finest(grids) == 1


@pytest.mark.byhand
def test_a_map_is_divided_by_its_maximum_and_zeros_stay():
    maps = torch.tensor([[[[-1.0, 2.0]], [[4.0, 1.0]], [[0.0, -3.0]]]])
    assert divide_by_maximum(maps).tolist() == [[[[0, 1]], [[1, 0.25]], [[0, 0]]]]
