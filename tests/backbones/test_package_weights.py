import pytest
import torch

from locus import backbones
from locus.benchmark.training import load
from locus.core.errors import DataError
from tests.backbones.published.networks import seen


def package(size, findings=5):
    """Return a network of the package with random weights and calibrated batch norm, and images."""
    network = pytest.importorskip("efficientnet_pytorch").EfficientNet
    torch.manual_seed(0)
    net = network.from_name(f"efficientnet-{size}", num_classes=findings, dropout_rate=0.0, drop_connect_rate=0.0)
    images = torch.randn(2, 3, net._global_params.image_size, net._global_params.image_size)
    return seen(net, images), images


@pytest.mark.oracle
@pytest.mark.parametrize("size", ["b0", *(pytest.param(f"b{n}", marks=pytest.mark.slow) for n in range(1, 8))])
def test_logits_equal_the_package(size):
    net, images = package(size)
    model = backbones.build(f"efficientnet-{size}", 5).eval()
    load.load(model, net.state_dict(), "package.pth")
    assert model.build_options["name"] == f"tf_efficientnet_{size}"
    with torch.no_grad():
        expected = net(images)
        assert expected.std() > 0.01
        assert torch.allclose(model(images), expected, rtol=0, atol=1e-5)


def test_a_head_of_another_width_is_not_loaded():
    net, _ = package("b0", findings=7)
    model = backbones.build("tf_efficientnet_b0", 2)
    ours = model.weight.detach().clone()
    load.load(model, {f"module.{key}": value for key, value in net.state_dict().items()}, "package.pth", initial=True)
    assert torch.equal(model.weight, ours)
    assert torch.equal(model.extractor.net.conv_stem.weight, net._conv_stem.weight)


def test_weights_of_another_package_raise_a_clear_error():
    with pytest.raises(DataError, match=r"efficientnet-pytorch.* 1 .* 16$"):
        load.load(backbones.build("tf_efficientnet_b0", 2), {"_blocks.0._bn1.weight": torch.zeros(1)}, "package.pth")
