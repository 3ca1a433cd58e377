"""Poolings, one file each, from feature maps to one vector per image (or per image and finding)."""

from backbones.pooling.avg import AVG
from backbones.pooling.avg_max import AVG_MAX
from backbones.pooling.avg_max_lse import AVG_MAX_LSE
from backbones.pooling.base import Pooling
from backbones.pooling.exp import EXP
from backbones.pooling.linear import LINEAR
from backbones.pooling.lse import LSE
from backbones.pooling.max import MAX
from backbones.pooling.pcam import PCAM
from core import registry

POOLINGS: dict[str, type[Pooling]] = {
    part.name: part for part in (AVG, AVG_MAX, AVG_MAX_LSE, EXP, LINEAR, LSE, MAX, PCAM)
}


def build(spec: str) -> Pooling:
    """Create the pooling of a spec: ``LSE:gamma=5``. Raises ``UnknownNameError`` and ``BadValueError``."""
    pooling: Pooling = registry.build(POOLINGS, "pooling", spec)
    return pooling
