"""Losses, one file each; unknown labels (nan) are ignored."""

from benchmark.training.losses.base import Loss
from benchmark.training.losses.batch_pos_weight import BatchPosWeight
from benchmark.training.losses.bce import BCE
from benchmark.training.losses.ce import CE
from benchmark.training.losses.focal import Focal
from benchmark.training.losses.frequency import Frequency
from benchmark.training.losses.pos_weight import PosWeight
from benchmark.training.losses.weighted_bce import WeightedBCE
from core import registry

LOSSES: dict[str, type[Loss]] = {
    part.name: part for part in (BatchPosWeight, BCE, CE, Focal, Frequency, PosWeight, WeightedBCE)
}


def build(spec: str) -> Loss:
    """Create the loss of a spec: ``focal:gamma=2``. Raises ``UnknownNameError`` and ``BadValueError``."""
    loss: Loss = registry.build(LOSSES, "loss", spec)
    return loss
