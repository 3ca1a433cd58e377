"""The networks that are timed: random, but calibrated, so that maps are neither empty nor flat."""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from tools.speed.record import Setting

if TYPE_CHECKING:
    from backbones import Classifier


def network(setting: Setting, findings: int, device: str = "cpu") -> "tuple[Classifier, Tensor]":
    """A model with so many ``findings`` in evaluation mode, and (N,3,H,W) images, the same for the same setting.

    Parameters require gradients, as those of a model that was just loaded do. Its batch norms have seen one batch: a
    random network without that is numerically dead.
    """
    import backbones

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = backbones.build(setting.backbone, findings)
        torch.nn.init.normal_(model.weight)
        with torch.no_grad():
            model.train()(torch.randn(8, 3, 96, 96))
        images = torch.randn(setting.batch, 3, setting.size, setting.size)
        return model.eval().to(device), images.to(device)
