import copy
import functools

import pytest
import torch

from locus import backbones
from locus.backbones import pooling as poolings
from locus.backbones.classifier import Classifier, Head
from locus.core.frames import Grid

POOLINGS = ["AVG", "MAX", "LSE", "EXP", "LINEAR", "PCAM", "AVG_MAX", "AVG_MAX_LSE"]


def small_model(pool, classes=3, seed=0, name="custom"):
    """Return a copy of a network with calibrated batch norm and head weights of realistic size."""
    model = copy.deepcopy(calibrated(pool, classes, seed, name))
    torch.manual_seed(seed)
    return model


@functools.cache
def calibrated(pool, classes, seed, name):
    torch.manual_seed(seed)
    model = backbones.build(name, classes, pool)
    with torch.no_grad():
        model.train()(torch.randn(8, 3, 96, 96))
        model.weight.normal_(generator=torch.Generator().manual_seed(seed))
    return model.eval()


def head_alone(pool, weight, bias=None):
    """A classifier without extractor: its images (N,C,h,w) are its feature maps."""
    weight = torch.as_tensor(weight, dtype=torch.float32)
    pooling = poolings.build(pool)
    linear = torch.nn.Linear(weight.shape[1], len(weight))
    with torch.no_grad():
        linear.weight.copy_(weight)
        linear.bias.copy_(torch.zeros(len(weight)) if bias is None else torch.as_tensor(bias))
    channels = weight.shape[1] // pooling.groups
    return Classifier(torch.nn.Identity(), Head(pooling, linear), channels=channels, locate=lambda size: Grid(size, (1, 1), (0, 0))).eval()


@pytest.fixture
def on_features():
    return head_alone


@pytest.fixture
def make_model():
    return small_model


@pytest.fixture
def batch_sizes():
    """Return a function that returns the sizes of the batches that pass the network while ``run`` is called."""

    def observed(model, run):
        sizes = []
        hook = model.extractor.register_forward_pre_hook(lambda _, given: sizes.append(len(given[0])))
        run()
        hook.remove()
        return sizes

    return observed


@pytest.fixture(params=POOLINGS)
def model(request):
    return small_model(request.param)


@pytest.fixture
def images():
    return torch.randn(4, 3, 96, 96, generator=torch.Generator().manual_seed(1))
