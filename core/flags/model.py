"""Flags of the network."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast, AtMost, Named


@dataclass(frozen=True)
class ModelFlags:
    """Model."""

    backbone: str = "densenet121"
    """densenet121, resnet18, resnet34, resnet50, efficientnet_b0 to b7, vgg16, squeezenet1_1, custom (small), timm's,
    torchxrayvision's."""
    global_pool: Annotated[str, Named("backbones.pooling", "pooling")] = "AVG"
    """How positions become one score per finding, options in the word (LSE:gamma=5); configs/phantom.yaml says PCAM."""
    lse_gamma: Annotated[float | None, AtLeast(0)] = None
    """The same as LSE:gamma=… in --global_pool; null is the pooling's own (10); other poolings take no notice."""
    attention_map: Annotated[str, Named("backbones.attention", "attention", ("none",))] = "none"
    """Attention applied once to the feature maps."""
    pretrained: bool | str = True
    """Start from ImageNet weights (downloaded once), or from those of torchxrayvision by their name
    (densenet121-res224-nih)."""
    dropout: Annotated[float, AtLeast(0), AtMost(0.99)] = 0.0
    """Share of pooled features dropped in training."""
    init_from: str | None = None
    """Checkpoint to start the weights from, with the same or another head; what was taken over is logged."""
