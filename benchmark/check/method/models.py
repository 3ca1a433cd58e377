"""The small networks that a method is tried on: random weights, calibrated norms, a head as strong as a trained one."""

import functools
from collections.abc import Callable

import torch

import backbones
from backbones import Classifier
from benchmark.check.method.trial import Trial
from core.seeds import generator
from methods.base import Method

FAST = (("custom", "AVG", 64), ("custom", "PCAM", 64), ("test_resnet", "AVG", 64), ("test_vit", "AVG", 64))
"""Backbone, pooling and side of the image for methods that cost about one forward pass."""
SLOW = (("custom", "AVG", 32), ("custom", "PCAM", 32), ("test_vit", "AVG", 32))
"""The same for those that cost hundreds of them."""
FINDINGS = 3
IMAGES = 3


def trials(make: Callable[[], Method], fast: bool) -> list[Trial]:
    """The method ``make`` on each of the models."""
    return [trial(make, *words) for words in (FAST if fast else SLOW)]


def trial(make: Callable[[], Method], backbone: str, pooling: str, side: int) -> Trial:
    """The method on one model and images of ``side`` pixels, the same for every method: questions get copies."""
    images = _noise("images", IMAGES, 3, side, side)
    return Trial(make, f"{backbone}-{pooling}", _model(backbone, pooling, side), images)


@functools.cache
def _model(backbone: str, pooling: str, side: int) -> Classifier:
    with torch.random.fork_rng():  # the caller's random state is not ours
        torch.manual_seed(0)
        model = backbones.build(backbone, FINDINGS, pooling)
    with torch.no_grad():
        model.train()(_noise("calibration", 8, 3, side, side))  # random weights need norms of their own size
        model.weight.copy_(_noise("weights", *model.weight.shape))
    model.grid((side, side))  # kept by every copy
    return model.eval()


def _noise(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(generator(0, "conformance", name).standard_normal(shape).astype("float32"))
