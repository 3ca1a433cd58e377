"""Attention layers, one file each, from feature maps to feature maps of the same shape."""

from torch import nn

from backbones.attention.cam import CAM
from backbones.attention.fpa import FPA
from backbones.attention.sam import SAM
from core import registry

ATTENTIONS: dict[str, type[nn.Module]] = {"CAM": CAM, "FPA": FPA, "SAM": SAM}


def build(spec: str, channels: int) -> nn.Module:
    """Create the attention of a spec. Raises ``UnknownNameError`` and ``BadValueError``."""
    attention: nn.Module = registry.build(ATTENTIONS, "attention map", spec, channels=channels)
    return attention
