from collections import OrderedDict

import numpy as np
import pytest
import torch
from torch import nn

from locus import backbones
from locus.benchmark.check.method_questions import state
from locus.core.errors import BadValueError, NotAvailableError, UnknownNameError
from locus.core.frames import Grid
from locus.core.types import GRAY_MEAN, GRAY_STD, Sample
from locus.datasets.io import transforms


class Net(nn.Module):
    """Third-party network that rectifies in place after its features."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(3, 8, 4, stride=2, padding=1), nn.BatchNorm2d(8), nn.MaxPool2d(2))
        self.classifier = nn.Linear(8, 3)

    def forward(self, images):
        A = torch.relu_(self.features(images))
        return self.classifier(A.mean((2, 3)))


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net().eval()


IMAGES = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))


def test_callables_give_the_logits_of_the_network(net):
    model = backbones.wrap(net, features=lambda x: net.features(x).relu(), head=lambda A: net.classifier(A.mean((2, 3))))
    assert torch.equal(model(IMAGES), net(IMAGES))
    assert model.pooling == ""
    assert model.build_options is model.num_classes is None


def test_naming_a_linear_layer_gives_class_maps(net):
    model = backbones.wrap(net, features=lambda x: net.features(x).relu(), head="classifier")
    A = model.features(IMAGES)
    assert torch.allclose(model.class_maps(A).mean((2, 3)) + model.bias, net(IMAGES), atol=1e-6)
    assert model.pooling == "AVG"
    assert model.num_classes == 3


def test_features_without_a_rectifier_raise_an_error(net):
    net.features.train()
    before = state(net)
    with pytest.raises(BadValueError, match=r"head.*features.*network.*0\.\d+.*callable.*lambda"):
        backbones.wrap(net, features="features", head="classifier")
    assert state(net) == before


def test_layers_after_the_linear_layer_do_not_count(net):
    whole = nn.Sequential(net, nn.Sigmoid())
    model = backbones.wrap(whole, features=lambda x: net.features(x).relu(), head="0.classifier")
    assert torch.allclose(model(IMAGES).sigmoid(), whole(IMAGES))


def test_a_network_that_rejects_the_test_image_is_not_checked(net):
    net.features.insert(0, nn.Unflatten(1, (5, 3)))
    assert backbones.wrap(net, features="features", head="classifier").num_classes == 3


def test_a_dotted_name_stops_before_in_place_operations(net):
    model = backbones.wrap(net, features="features.1", head=lambda A: net.classifier(net.features[2](A).relu().mean((2, 3))))
    A = model.features(IMAGES)
    assert torch.equal(A, net.features[1](net.features[0](IMAGES)))
    assert A.min() < 0
    assert not net.features[1]._forward_hooks


def test_class_maps_of_an_opaque_head_raise_a_clear_error(net):
    model = backbones.wrap(net, features="features", head=lambda A: A.sum((2, 3)))
    for ask in (lambda: model.class_maps(model.features(IMAGES)), lambda: model.weight, lambda: model.bias):
        with pytest.raises(NotAvailableError, match=r"head.*callable.*nn\.Linear"):
            ask()


def test_the_grid_of_a_wrapped_network_is_probed_unless_it_is_given(net):
    given = backbones.wrap(net, "features", lambda A: A, grid=lambda size: Grid(size, (4, 4), (9, 9)))
    assert given.grid((96, 96)).offset == (9, 9)
    model = backbones.wrap(net.train(), features="features", head=lambda A: A)
    assert model.grid((96, 97)) == Grid((96, 97), (4, 4), (1.5, 1.5))
    assert net.training
    assert net.features[1].num_batches_tracked == 0


def test_a_network_without_gradients_cannot_be_probed():
    net = nn.Linear(2, 2)
    model = backbones.wrap(net, features=lambda x: x.flatten(2).sort(-1).values.reshape(x.shape), head=lambda A: A)
    with pytest.raises(NotAvailableError, match=r"grid.*--grid.*grid= to locus\.wrap"):
        model.grid((96, 96))


def test_an_unknown_submodule_raises_an_error_with_the_nearest(net):
    with pytest.raises(UnknownNameError, match=r"submodule.*'feature'.*'features'"):
        backbones.wrap(net, features="feature", head="classifier")


def test_a_submodule_that_never_runs_raises_a_clear_error(net):
    net.unused = nn.Identity()
    with pytest.raises(NotAvailableError, match=r"submodule.*'unused'.*features"):
        backbones.wrap(net, features="unused", head="classifier")(IMAGES)


@pytest.mark.oracle
def test_a_torchxrayvision_densenet_is_wrapped():
    models = pytest.importorskip("torchxrayvision").models
    torch.manual_seed(0)
    net = models.DenseNet(weights=None).eval()
    with pytest.raises(BadValueError, match=r"head.*features.*network.*callable.*lambda"):
        backbones.wrap(net, features="features", head="classifier")
    model = backbones.wrap(net, features=lambda x: net.features(x).relu(), head="classifier").eval()
    images = torch.randn(1, 1, 96, 96) * 300
    with torch.no_grad():
        assert torch.allclose(model(images), net(images), atol=1e-6)
        A = model.features(images)
        before = A.clone()
        model.head(A)
    assert torch.equal(A, before)
    assert A.min() >= 0
    assert model.grid((96, 96)) == Grid((96, 96), (32, 32), (14, 14))
    assert net.features.denseblock1.training is False


def test_weights_of_a_wrapped_network_are_trained_and_saved_with_it(net):
    model = backbones.wrap(net, features=lambda x: net.features(x).relu(), head="classifier")
    assert {"extractor.module.features.0.weight", "head.linear.weight"} <= set(model.state_dict())
    assert model.weight is net.classifier.weight


def test_a_head_that_rejects_the_feature_map_raises_a_clear_error():
    layers = nn.Sequential(nn.Linear(512 * 9, 8), nn.ReLU(), nn.Linear(8, 2))
    network = nn.Sequential(OrderedDict(features=nn.Conv2d(3, 512, 32, 32), classifier=layers))  # as VGG's are
    with pytest.raises(BadValueError, match=r"head.*\(1, 512, 3, 3\).*\(N, K\)"):
        backbones.wrap(network, features="features", head="classifier")(torch.zeros(1, 3, 96, 96))


@pytest.mark.parametrize("statistics", [{}, {"mean": [0.5], "std": [0.25]}])
@pytest.mark.parametrize("named", [{}, {"features": "1", "head": "4"}])
def test_a_wrapped_network_of_one_channel_gets_images_of_one_channel(statistics, named):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 4, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    model = backbones.wrap(net, img_size=32, **named, **statistics)
    pixels = np.arange(1024, dtype=np.uint8).reshape(32, 32)
    sample = Sample("a", "a", (32, 32), np.zeros(2, np.float32), {}, lambda: pixels, "a")
    images = model.prepare([sample])
    mean, std = (torch.tensor(statistics.get(word, gray)) for word, gray in (("mean", GRAY_MEAN), ("std", GRAY_STD)))
    assert images.shape == (1, 1, 32, 32)
    expected = net((torch.from_numpy(pixels)[None, None] / 255 - mean) / std)
    assert torch.allclose(model(images), expected, atol=1e-5)
    assert torch.allclose(model(transforms.evaluation()(torch.from_numpy(pixels)[None])), expected, atol=1e-5)


def test_mean_and_std_require_each_other(net):
    with pytest.raises(BadValueError, match="std"):
        backbones.wrap(net, mean=[0.5])
