"""Tokens of transformers (timm's ViT, DeiT, EVA, Swin) as a map with a grid.

A token may depend on the whole image, so gradients cannot locate it. By convention, its position is that of its patch.
"""

from typing import Any

import torch
from torch import Tensor, nn

from core.errors import BadValueError
from core.frames import Grid

OPTIONS: dict[str, dict[str, Any]] = {
    "vision_transformer": {"dynamic_img_size": True}, "deit": {"dynamic_img_size": True},
    "eva": {"dynamic_img_size": True},
    "swin_transformer": {"strict_img_size": False}, "swin_transformer_v2": {"strict_img_size": False},
}  # fmt: skip
"""timm's module -> options that allow other image sizes than the native one."""

MOST_PREFIX = 16
"""Maximum number of class and register tokens in front of the patches."""


def options(name: str) -> dict[str, Any]:
    """Return timm's options for a supported transformer ``name``; empty for all other networks."""
    import timm  # slow import, only needed for its networks

    return next((given for module, given in OPTIONS.items() if timm.models.is_model_in_modules(name, [module])), {})


class TokensOf(nn.Module):
    """timm transformer without its head: images -> tokens after the final norm, as a map.

    Class, distillation and register tokens are left out. The position embedding of a ViT is resized to the image
    (timm's ``dynamic_img_size``); Swin's windows keep their size, with padding at the lower right edge.
    """

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.native: tuple[int, int] = net.pretrained_cfg["input_size"][-2:]
        """Native input size (H, W)."""
        self.patch: int = net.patch_embed.patch_size[0]
        self.prefix: int = getattr(net, "num_prefix_tokens", 0)
        self.stages = len(getattr(net, "layers", [None]))

    @staticmethod
    def serves(net: Any) -> bool:
        """Return True if the tokens of ``net`` are patches of the image, without a convolutional stem."""
        kind = type(getattr(net, "patch_embed", None))
        return (kind.__module__, kind.__name__) == ("timm.layers.patch_embed", "PatchEmbed")

    def forward(self, images: Tensor) -> Tensor:
        """Return the token map (N,C,h,w) of images (N,3,H,W). Raises ``BadValueError`` if patches do not fill them."""
        size = (images.shape[-2], images.shape[-1])
        self.strides(size)
        A = self.as_map(self.tokens(images), size)
        if A is None:
            raise BadValueError(
                f"the tokens of {size[0]}x{size[1]} images do not form a grid: use the network's native size"
            )
        return A

    def tokens(self, images: Tensor) -> Any:
        """Return the tokens (N,T,C) or (N,h,w,C) of images (N,3,H,W)."""
        tokens = self.net.forward_features(images)
        # the final norm, which timm applies after mean pooling
        return self.net.fc_norm(tokens) if hasattr(self.net, "fc_norm") else tokens

    def grid(self, size: tuple[int, int], shape: tuple[int, int] | None = None) -> Grid:
        """Return the grid of A, or of a level's map of ``shape`` (h, w): token i is at the centre of its patch.

        >>> import timm
        >>> net = timm.create_model("vit_tiny_patch16_224", num_classes=0, depth=1)
        >>> TokensOf(net).grid((224, 224))
        Grid(size=(224, 224), stride=(16, 16), offset=(7.5, 7.5))
        """
        strides = self.strides(size)
        stride = max(strides.values()) if shape is None else strides[shape]
        return Grid(size, (stride, stride), ((stride - 1) / 2, (stride - 1) / 2))

    def strides(self, size: tuple[int, int]) -> dict[tuple[int, int], int]:
        """Return (h, w) of the tokens of each stage -> stride in pixels, for images of ``size`` (H, W).

        Each merging step halves the sides, rounding up. Raises ``BadValueError`` for a size that is not a multiple of
        the patch size.
        """
        if min(size) < self.patch or any(side % self.patch for side in size):
            near = [max(side // self.patch, 1) * self.patch for side in size]
            raise BadValueError(
                f"images of {size[0]}x{size[1]} pixels do not fit patches of {self.patch}x{self.patch}: "
                f"give a multiple of {self.patch}, such as {near[0]}x{near[1]}"
            )
        h, w, strides = size[0] // self.patch, size[1] // self.patch, {}
        for stage in range(self.stages):
            strides[h, w] = self.patch * 2**stage
            h, w = (h + 1) // 2, (w + 1) // 2
        return strides

    def as_map(self, tokens: Any, size: tuple[int, int]) -> Tensor | None:
        """Return (N, prefix + h*w, C) or (N,h,w,C) as (N,C,h,w); None if not tokens of images of ``size`` (H, W).

        An output that is already a map (N,C,h,w) is unchanged.
        """
        if not isinstance(tokens, Tensor):
            return None
        strides = self.strides(size)
        if tokens.ndim == 4 and tuple(tokens.shape[2:]) in strides:
            return tokens
        for h, w in strides:
            if tokens.ndim == 3 and tokens.shape[1] == self.prefix + h * w:
                tokens = tokens[:, self.prefix :].reshape(len(tokens), h, w, -1)
            if tokens.ndim == 4 and tokens.shape[1:3] == (h, w):
                return tokens.permute(0, 3, 1, 2).contiguous()
        return None

    def as_tokens(self, A: Tensor, tokens: Tensor) -> Tensor:
        """Return maps (M,C,h,w) in the form of ``tokens``, with their class, distillation and register tokens."""
        if tokens.shape[1:] == A.shape[1:]:
            return A
        patches = A.permute(0, 2, 3, 1)  # (M, h, w, C)
        if tokens.ndim == 4:
            return patches.contiguous()
        return torch.cat([tokens[:, : self.prefix].to(A.dtype).expand(len(A), -1, -1), patches.flatten(1, 2)], 1)
