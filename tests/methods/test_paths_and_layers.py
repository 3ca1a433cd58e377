"""Expected Gradients, RefineCAM, and options of Integrated Gradients and FullGrad."""

import numpy as np
import pytest
import torch
from captum import attr
from torch import nn
from torchcam.methods import LayerCAM
from torchcam.methods import RefineCAM as Package

from locus import backbones, methods
from locus.backbones import layers
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.frames import Grid
from locus.explaining.batch import collect_evidence, explain, run_method
from locus.methods.expected_gradients import expected


def noise(n, seed, side=48):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def draw(index, count, seed):
    return noise(count, 100 + seed)


@pytest.fixture
def model(make_model):
    return make_model("LSE")


@pytest.mark.oracle
def test_expected_gradients_equal_gradient_shap_of_captum_with_the_same_draws(model):
    image, baselines = noise(1, 1), noise(5, 2)
    np.random.seed(3)
    theirs = attr.GradientShap(model).attribute(image, baselines, n_samples=5, stdevs=0.0, target=1)
    np.random.seed(3)
    drawn = np.random.choice(5, 5).tolist()
    shares = torch.from_numpy(np.random.uniform(0, 1, 5).astype("float32"))
    evidence = collect_evidence(model, image)
    ours = expected(evidence, image, baselines[drawn], shares)[1]
    torch.testing.assert_close(ours, theirs[0].detach(), atol=1e-5 * theirs.abs().max().item(), rtol=0)


@pytest.mark.byhand
def test_expected_gradients_of_a_linear_model_are_the_difference_from_the_mean_image_times_the_weights(on_features):
    """S = mean(2 I): the gradient is 1 at both positions of the one channel."""
    image, others = torch.tensor([[[[3.0, -1.0]]]]), torch.tensor([[[[1.0, 1.0]]], [[[0.0, 2.0]]]])
    evidence = collect_evidence(on_features("AVG", [[2.0]]), image, draw=lambda index, count, seed: others)
    found = run_method(methods.build("expected_gradients:n=2"), evidence).maps
    torch.testing.assert_close(found.flatten(), torch.tensor([2.5, 2.5]))


def test_expected_gradients_require_a_data_set(model):
    with pytest.raises(NotAvailableError, match="other patients"):
        explain(model, noise(1, 1, 96), ["expected_gradients"])


def test_a_tolerance_makes_the_sum_of_every_finding_complete(model):
    image = noise(1, 1)
    evidence = collect_evidence(model, image)
    change = evidence.logits[0] - collect_evidence(model, torch.zeros_like(image)).logits[0]

    def error(word):
        return ((methods.build(word).attribute(evidence, image).sum((1, 2, 3)) - change).abs() / change.abs()).max()

    assert error("integrated_gradients:steps=1") > 0.05 > error("integrated_gradients:steps=1,tolerance=.05")


def test_a_tolerance_that_every_finding_meets_changes_nothing(model):
    words = ["integrated_gradients:steps=3", "integrated_gradients:steps=3,tolerance=1000"]
    first, second = explain(model, noise(1, 1, 96), words, any_size=True).values()
    assert torch.equal(first, second)


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("options", "expected_map"),
    # terms (6, 0) of the pixels and (-3/2, 0) of the bias: see test_fullgrad; without bias the gradient is (3/2, 0)
    [
        ("", [2, 0]),
        (":layers=last", [1, 0]),
        (":layers=input", [1, 0]),
        (":form=positive", [1, 0]),
        (":form=signed", [0, 0]),
        (":form=signed,bias=False", [2, 0]),
        (":form=positive,layers=last", [0, 0]),
        (":layers=last3,bias=False", [2, 0]),
    ],
)
def test_options_of_fullgrad_equal_the_result_by_hand(options, expected_map):
    net = nn.Sequential(nn.Sequential(nn.Conv2d(1, 1, 1), nn.ReLU()), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 1))
    with torch.no_grad():
        net[0][0].weight.fill_(2), net[0][0].bias.fill_(-1), net[3].weight.fill_(3)
    model = backbones.wrap(net, features="0", head="3", channels=1, grid=lambda size: Grid(size, (1, 1), (0, 0)))
    (found,) = explain(model, torch.tensor([[[[2.0, 0.0]]]]), ["fullgrad" + options]).values()
    assert found.flatten().tolist() == expected_map


@pytest.mark.byhand
def test_refinecam_is_the_product_of_the_scaled_maps_of_two_layers_of_the_same_grid(model):
    images, layer = noise(2, 1, 96), model.layer_names[-1]
    product = torch.ones(())
    for name in (layer, None):
        maps = explain(model, images, ["layercam"], layer=name)["layercam"]
        low, high = maps.amin((-2, -1), keepdim=True), maps.amax((-2, -1), keepdim=True)
        product = product * (maps - low) / (high - low)
    (found,) = explain(model, images, [f"refinecam:base=layercam,layers={layer}"]).values()
    torch.testing.assert_close(found, product)


@pytest.mark.oracle
def test_refinecam_equals_torchcam_on_conventional_grids(make_model):
    model, image = make_model("AVG", classes=3), noise(1, 1, 64)
    ours = explain(model, image, ["refinecam:base=layercam"], any_size=True)
    modules = [model.get_submodule(layers.path(model, name)) for name in model.layer_names[-2:]]
    with Package(model, [*modules, model.extractor], base_method=LayerCAM) as package:
        (theirs,) = package(1, model(image), normalized=False)
    error = (ours["refinecam:base=layercam"][0, 1] - theirs[0]).abs().max()
    assert error < 1e-4


@pytest.mark.parametrize(
    ("word", "match"),
    [
        ("expected_gradients:n=0", r"^n is 0\b"),
        ("expected_gradients:n=1_0", "'1_0' for the option 'n'"),
        ("integrated_gradients:tolerance=-1", "tolerance"),
        ("fullgrad:layers=first", "'first'.*last3"),
        ("fullgrad:form=square", "'square'.*absolute"),
        ("refinecam:base=eigencam", "'eigencam'.*layercam"),
    ],
)
def test_an_invalid_option_is_named_with_the_allowed_values(word, match):
    with pytest.raises(BadValueError, match=match):
        methods.build(word)
