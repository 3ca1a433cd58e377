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
        return maps if spoilt is None else spoilt

    def spoilt(self, evidence, maps):
        """Return wrong maps, or None if the error is a side effect."""


class ServesNobody(Summed):
    def spoilt(self, evidence, maps):
        raise NotAvailableError("it serves nobody")


class ServesWithAnError(Summed):
    def spoilt(self, evidence, maps):
        return maps + None


class ServesWithoutFindings(Summed):
    def spoilt(self, evidence, maps):
        return maps.sum(1)


class DtypeOfDoubles(Summed):
    def spoilt(self, evidence, maps):
        return maps.double()


class DeviceForgotten(Summed):
    def spoilt(self, evidence, maps):
        return maps * torch.linspace(0, 1, maps.shape[-1])


class DeviceOfTheResult(Summed):
    def spoilt(self, evidence, maps):
        return torch.ones(maps.shape)


class GridOfAnUpsampledMap(Summed):
    def spoilt(self, evidence, maps):
        return torch.nn.functional.interpolate(maps, scale_factor=2)


class GridOfAnotherPlace(Summed):
    def spoilt(self, evidence, maps):
        return maps[..., 1:, 1:]

    def grid(self, evidence):
        return evidence.pixel_grid


class FiniteButForZeroMaps(Summed):
    def spoilt(self, evidence, maps):
        return maps / maps.abs().amax((-2, -1), keepdim=True)


class FiniteButForFlatImages(Summed):
    def spoilt(self, evidence, maps):
        spread = evidence.images.amax((1, 2, 3)) - evidence.images.amin((1, 2, 3))
        return maps / spread[:, None, None, None]


class FiniteButForHugeLogits(Summed):
    def spoilt(self, evidence, maps):
        return maps * evidence.logits.exp()[:, :, None, None]


class BatchNormalised(Summed):
    def spoilt(self, evidence, maps):
        return maps / (1 + maps.abs().max())


class CompanyDisturbed(Summed):
    def spoilt(self, evidence, maps):
        evidence.A.mul_(2)


class InputsModified(Summed):
    def spoilt(self, evidence, maps):
        evidence.class_maps.mul_(2)


class InputsModifiedUnseen(Summed):
    def spoilt(self, evidence, maps):
        evidence.A.numpy()[:] = 0


class FindingsNormalised(Summed):
    def spoilt(self, evidence, maps):
        return maps.softmax(1)


class SensitivityLost(Good):
    def weights(self, A, G):
        return G.sum(1, keepdim=True).expand_as(G)


class RepeatDrawsAtRandom(Summed):
    def spoilt(self, evidence, maps):
        with torch.random.fork_rng():
            torch.manual_seed(random.SystemRandom().randrange(2**30))
            return maps + torch.rand(maps.shape)


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


class ModelTrained(Summed):
    def spoilt(self, evidence, maps):
        evidence.model.bias.data += 1


class ModelHooked(Summed):
    def spoilt(self, evidence, maps):
        evidence.model.extractor.register_forward_hook(lambda *_: None)


class ModelWithGradients(Summed):
    needs = frozenset({"features", "class_maps", "head"})

    def spoilt(self, evidence, maps):
        with torch.enable_grad():
            evidence.head(evidence.A).sum().backward()


class ModelFrozen(Summed):
    def spoilt(self, evidence, maps):
        evidence.model.requires_grad_(False)


class ModelInAnotherMode(Summed):
    def spoilt(self, evidence, maps):
        evidence.model.eval()


class ProcessSeededTorch(Summed):
    def spoilt(self, evidence, maps):
        torch.manual_seed(7)


class ProcessSeededNumpy(Summed):
    def spoilt(self, evidence, maps):
        np.random.seed(7)


class ProcessOfChangedImages(Summed):
    def spoilt(self, evidence, maps):
        evidence.images.mul_(2)


class StatedNoSource(Good):
    source = ""


class StatedNoMeaning(Good):
    __doc__ = None


class NeedsMoreThanItSays(Summed):
    def spoilt(self, evidence, maps):
        return maps + evidence.G.sum(2)


class NeedsWhatNobodyHas(Good):
    needs = frozenset({"features", "gradients", "luck"})
