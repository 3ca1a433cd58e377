import numpy as np
import pytest
import timm
import torch
from torch import nn

from locus import backbones
from locus.core.errors import BadValueError, NotAvailableError, UnknownNameError
from locus.core.frames import Grid
from locus.core.types import GRAY_MEAN, GRAY_STD, IMAGENET_MEAN, IMAGENET_STD, Sample
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


def test_layers_after_the_linear_layer_do_not_count(net):
    whole = nn.Sequential(net, nn.Sigmoid())
    model = backbones.wrap(whole, features=lambda x: net.features(x).relu(), head="0.classifier")
    assert torch.allclose(model(IMAGES).sigmoid(), whole(IMAGES))


def test_a_dotted_name_stops_before_in_place_operations(net):
    model = backbones.wrap(net, features="features.1", head=lambda A: net.classifier(net.features[2](A).relu().mean((2, 3))))
    A = model.features(IMAGES)
    assert torch.equal(A, net.features[1](net.features[0](IMAGES)))
    assert A.min() < 0
    assert not net.features[1]._forward_hooks


def test_an_unknown_submodule_raises_an_error_with_the_nearest(net):
    with pytest.raises(UnknownNameError, match=r"submodule.*'feature'.*'features'"):
        backbones.wrap(net, features="feature", head="classifier")


def test_a_submodule_that_never_runs_raises_a_clear_error(net):
    net.unused = nn.Identity()
    with pytest.raises(NotAvailableError, match="'unused'"):
        backbones.wrap(net, features="unused", head="classifier")(IMAGES)


@pytest.mark.oracle
def test_a_torchxrayvision_densenet_is_wrapped():
    models = pytest.importorskip("torchxrayvision").models
    torch.manual_seed(0)
    net = models.DenseNet(weights=None).eval()
    with pytest.raises(BadValueError, match=r"head.*features.*network.*callable.*lambda"):
        backbones.wrap(net, features=lambda x: net.features(x) + 0, head="classifier")
    model = backbones.wrap(net, features=lambda x: net.features(x).relu(), head="classifier").eval()
    images = torch.randn(1, 1, 96, 96) * 300
    with torch.no_grad():
        assert torch.allclose(model(images), net(images), atol=1e-6)
        assert torch.equal(backbones.wrap(net, "features", "classifier")(images), model(images))
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


def test_a_network_of_timm_gets_grey_values_as_it_states_them():
    network = timm.create_model("vit_tiny_patch16_224", num_classes=2, depth=1)
    model = backbones.wrap(network, findings=["a", "b"], img_size=224)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    torch.testing.assert_close(model.rescale((1 - mean) / std), torch.ones(1, 3, 1, 1))  # its mean and standard deviation are .5
