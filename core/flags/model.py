"""Flags of the network."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast, AtMost, Named
from core.errors import BadValueError
from core.flags import MAPS, WEIGHTS

POOLINGS = ("AVG", "AVG_MAX", "AVG_MAX_LSE", "EXP", "LINEAR", "LSE", "MAX", "PCAM")
ATTENTIONS = ("CAM", "FPA", "SAM")


@dataclass(frozen=True)
class ModelFlags:
    """Model."""

    role = WEIGHTS
    backbone: Annotated[str, WEIGHTS | MAPS] = "densenet121"
    """Backbone: densenet121, resnet18, resnet34, resnet50, efficientnet_b0 to b7, vgg16, squeezenet1_1, custom (small),
    or a network from timm or torchxrayvision."""
    global_pool: Annotated[str, Named("pooling", POOLINGS), WEIGHTS | MAPS] = "AVG"
    """Spatial pooling of the feature map. Append options to the name (LSE:gamma=5)."""
    lse_gamma: Annotated[float | None, AtLeast(0), WEIGHTS | MAPS] = None
    """Same as the option gamma of --global_pool LSE and AVG_MAX_LSE; other pooling types ignore it. Default: 10."""
    attention_map: Annotated[str, Named("attention", ("none", *ATTENTIONS)), WEIGHTS | MAPS] = "none"
    """Attention layer between backbone and pooling: channel attention (CAM), a feature pyramid (FPA), or
    attention between positions (SAM)."""
    pretrained: bool | str = True
    """Initial weights of the backbone: True (ImageNet, downloaded once), False (random) or the name of
    torchxrayvision weights (densenet121-res224-nih)."""
    dropout: Annotated[float, AtLeast(0), AtMost(0.99)] = 0.0
    """Dropout rate of the pooled features."""
    init_from: str | None = None
    """Checkpoint with initial weights; its head may differ. The log lists the copied weights."""

    @property
    def pooling(self) -> str:
        """Name of the pooling, including ``--lse_gamma``. Raises ``BadValueError`` if both flags set options."""
        name, _, options = self.global_pool.partition(":")
        if self.lse_gamma is None or name not in ("LSE", "AVG_MAX_LSE"):
            return self.global_pool
        if options:
            both = f"--lse_gamma {self.lse_gamma} and --global_pool {self.global_pool}"
            raise BadValueError(f"{both} cannot be combined: leave --lse_gamma out")
        return f"{name}:gamma={self.lse_gamma}"
