import pytest
import torch
from torch import nn

import backbones
from backbones import package_weights
from core.errors import DataError


def package(size, findings=5):
    """A network of the package with random weights and calibrated batch norm."""
    network = pytest.importorskip("efficientnet_pytorch").EfficientNet
    torch.manual_seed(0)
    net = network.from_name(f"efficientnet-{size}", num_classes=findings, dropout_rate=0.0, drop_connect_rate=0.0).train()
    for part in net.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.momentum = 1.0
    images = torch.randn(2, 3, net._global_params.image_size, net._global_params.image_size)
    with torch.no_grad():
        net(images)
    return net.eval(), images


def check(size, tmp_path):
    net, images = package(size)
    torch.save(net.state_dict(), tmp_path / "package.pth")
    model = package_weights.load(backbones.build(f"efficientnet-{size}", 5), tmp_path / "package.pth").eval()
    assert model.config["name"] == f"tf_efficientnet_{size}"
    with torch.no_grad():
        expected = net(images)
        assert expected.std() > 0.01
        assert torch.allclose(model(images), expected, rtol=0, atol=1e-5)


@pytest.mark.oracle
def test_logits_equal_the_package(tmp_path):
    check("b0", tmp_path)


@pytest.mark.slow
@pytest.mark.oracle
@pytest.mark.parametrize("size", ["b1", "b2", "b3", "b4", "b5", "b6", "b7"])
def test_logits_equal_the_package_in_large_networks(size, tmp_path):
    check(size, tmp_path)


def test_a_head_of_another_width_stays_ours(tmp_path):
    net, _ = package("b0", findings=7)
    torch.save({"state_dict": {f"module.{key}": value for key, value in net.state_dict().items()}}, tmp_path / "package.pth")
    model = backbones.build("tf_efficientnet_b0", 2)
    ours = model.weight.detach().clone()
    package_weights.load(model, tmp_path / "package.pth")
    assert torch.equal(model.weight, ours)
    assert torch.equal(model.extractor.net.conv_stem.weight, net._conv_stem.weight)


def test_a_file_that_is_no_such_checkpoint_is_a_sentence(tmp_path):
    (tmp_path / "text.pth").write_text("nothing")
    with pytest.raises(DataError, match=r"checkpoint.*/text\.pth"):
        package_weights.load(backbones.build("tf_efficientnet_b0", 2), tmp_path / "text.pth")
    torch.save({"a": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"efficientnet-pytorch.* 0 .* 16$"):
        package_weights.load(backbones.build("tf_efficientnet_b0", 2), tmp_path / "other.pth")
