"""Methods with one error each, named by the check that must find it."""

import random

import numpy as np
import torch

from locus.core.errors import NotAvailableError
from locus.methods.base import GradientMethod, Method


class Good(GradientMethod):
    """Grad-CAM without its ReLU, which is correct."""

    name = "planted"
    source = "test"

    def weights(self, A, G):
        return G.mean((-2, -1), keepdim=True)


class Summed(Method):
    """Class maps, the base of the planted errors."""

    name = "planted"
    needs = frozenset({"features", "class_maps"})
    source = "test"

    def maps(self, evidence):
        maps = evidence.class_maps.clone()
        spoilt = self.spoilt(evidence, maps)
        return spoilt if isinstance(spoilt, torch.Tensor) else maps

    def spoilt(self, evidence, maps):
        """Return wrong maps, or something else if the error is a side effect."""


def _serves_nobody(evidence, maps):
    raise NotAvailableError("it serves nobody")


def _by_images(evidence, maps):
    spread = evidence.images.amax((1, 2, 3)) - evidence.images.amin((1, 2, 3))
    return maps / spread[:, None, None, None]


def _at_random(evidence, maps):
    with torch.random.fork_rng():
        torch.manual_seed(random.SystemRandom().randrange(2**30))
        return maps + torch.rand(maps.shape)


def _backward(evidence, maps):
    with torch.enable_grad():
        evidence.head(evidence.A).sum().backward()


SPOILT = {
    "ServesNobody": _serves_nobody,
    "ServesWithAnError": lambda evidence, maps: maps + None,
    "ServesWithoutFindings": lambda evidence, maps: maps.sum(1),
    "DtypeOfDoubles": lambda evidence, maps: maps.double(),
    "DeviceForgotten": lambda evidence, maps: maps * torch.linspace(0, 1, maps.shape[-1]),
    "DeviceOfTheResult": lambda evidence, maps: torch.ones(maps.shape),
    "ServesAnUpsampledMap": lambda evidence, maps: torch.nn.functional.interpolate(maps, scale_factor=2),
    "FiniteButForZeroMaps": lambda evidence, maps: maps / maps.abs().amax((-2, -1), keepdim=True),
    "FiniteButForFlatImages": _by_images,
    "FiniteButForHugeLogits": lambda evidence, maps: maps * evidence.logits.exp()[:, :, None, None],
    "BatchNormalised": lambda evidence, maps: maps / (1 + maps.abs().max()),
    "CompanyDisturbed": lambda evidence, maps: {"changed": evidence.A.mul_(2)},
    "InputsModified": lambda evidence, maps: {"changed": evidence.class_maps.mul_(2)},
    "InputsModifiedUnseen": lambda evidence, maps: evidence.A.numpy().fill(0),
    "FindingsNormalised": lambda evidence, maps: maps.softmax(1),
    "PositionMirrored": lambda evidence, maps: maps.flip(-1),
    "PositionUpsideDown": lambda evidence, maps: maps.flip(-2),
    "PositionTransposed": lambda evidence, maps: maps.mT,
    "RepeatDrawsAtRandom": _at_random,
    "ModelTrained": lambda evidence, maps: {"changed": evidence.model.bias.data.add_(1)},
    "ModelHooked": lambda evidence, maps: evidence.model.extractor.register_forward_hook(lambda *_: None),
    "ModelFrozen": lambda evidence, maps: evidence.model.requires_grad_(False),
    "ModelInAnotherMode": lambda evidence, maps: evidence.model.eval(),
    "ProcessSeededTorch": lambda evidence, maps: {"changed": torch.manual_seed(7)},
    "ProcessSeededNumpy": lambda evidence, maps: np.random.seed(7),
    "ProcessOfChangedImages": lambda evidence, maps: {"changed": evidence.images.mul_(2)},
    "NeedsMoreThanItSays": lambda evidence, maps: maps + evidence.G.sum(2),
}
"""Name of a planted class -> what it does to the maps."""
globals().update({name: type(name, (Summed,), {"spoilt": staticmethod(spoilt)}) for name, spoilt in SPOILT.items()})


class ServesAnotherPlace(Summed):
    def spoilt(self, evidence, maps):
        return maps[..., 1:, 1:]

    def grid(self, evidence):
        return evidence.pixel_grid


class SensitivityLost(Good):
    def weights(self, A, G):
        return G.sum(1, keepdim=True).expand_as(G)


class RepeatKeepsState(Summed):
    def __init__(self):
        self.calls = 0

    def spoilt(self, evidence, maps):
        self.calls += 1
        return maps + self.calls


class ModesOfTheConstructor(Summed):
    needs = frozenset({"features", "class_maps", "head"})

    def __init__(self):
        self.scale = torch.ones(1)

    def spoilt(self, evidence, maps):
        with torch.enable_grad():
            A = evidence.A.clone().requires_grad_()
            (gradient,) = torch.autograd.grad(evidence.head(A * self.scale).sum(), A)
        return maps + gradient.sum(1, keepdim=True)


class ModelWithGradients(Summed):
    needs = frozenset({"features", "class_maps", "head"})
    spoilt = staticmethod(_backward)


class StatedNoSource(Good):
    source = ""


class StatedNoMeaning(Good):
    __doc__ = None


class NeedsWhatNobodyHas(Good):
    needs = frozenset({"features", "gradients", "luck"})
