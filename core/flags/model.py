"""Flags of the network."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast, AtMost, Named


@dataclass(frozen=True)
class ModelFlags:
    """Model."""

    backbone: str = "densenet121"
    """Backbone: densenet121, resnet18, resnet34, resnet50, efficientnet_b0 to b7, vgg16, squeezenet1_1, custom (small),
    or a network of timm or torchxrayvision."""
    global_pool: Annotated[str, Named("backbones.pooling", "pooling")] = "AVG"
    """How the positions of a feature map are pooled into one score per finding. Append options to the name
    (LSE:gamma=5). configs/phantom.yaml uses PCAM."""
    lse_gamma: Annotated[float | None, AtLeast(0)] = None
    """Same as LSE:gamma=… in --global_pool; null is the default of the pooling (10). Other poolings ignore it."""
    attention_map: Annotated[str, Named("backbones.attention", "attention", ("none",))] = "none"
    """Attention applied once to the feature maps."""
    pretrained: bool | str = True
    """Start from ImageNet weights (downloaded once) or from torchxrayvision weights by name
    (densenet121-res224-nih)."""
    dropout: Annotated[float, AtLeast(0), AtMost(0.99)] = 0.0
    """Dropout rate of the pooled features."""
    init_from: str | None = None
    """Checkpoint to initialise the weights from; its head may differ. The log lists the weights that were copied."""
