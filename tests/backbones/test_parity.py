"""A wrapped network has the same maps and grid as the same network of Locus."""

import pytest
import torch
import torchvision

from locus import backbones
from locus.explaining.batch import explain

METHODS = ["cam", "gradcam", "hirescam"]


@torch.no_grad()
def seen(net, images):
    """Return ``net`` in evaluation mode with calibrated batch norms, so that logits depend on the image."""
    for part in net.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = 1.0
    net.train()(images)
    return net.eval()


def built(name, net, linear):
    """Return the network ``name`` of Locus with the weights of ``net``."""
    model = backbones.build(name, len(linear.weight))
    model.extractor.net.load_state_dict({key: value for key, value in net.state_dict().items() if key in model.extractor.net.state_dict()})
    model.head.linear.load_state_dict(linear.state_dict())
    return model.eval()


def check(wrapped, native, layer):
    images = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(1))
    compare(explain(wrapped, images, METHODS), explain(native, images, METHODS))
    gradients = [method for method in METHODS if method != "cam"]  # the classifier's weights belong to the pooled map
    compare(explain(wrapped, images, gradients, layer=layer), explain(native, images, gradients, layer=layer))


def compare(found, expected):
    assert torch.allclose(found.logits, expected.logits, atol=1e-5)
    for word in expected:
        assert float(expected[word].abs().max()) > 0
        assert float((found[word] - expected[word]).abs().max()) <= 1e-5 * float(expected[word].abs().max())
        assert found.grids[word] == expected.grids[word]


@pytest.mark.oracle
def test_a_torchvision_resnet_has_the_same_maps_as_ours():
    torch.manual_seed(0)
    net = seen(torchvision.models.resnet18(weights=None, num_classes=3), torch.randn(4, 3, 96, 96))
    check(backbones.wrap(net, features="layer4", head="fc"), built("resnet18", net, net.fc), "layer3")
