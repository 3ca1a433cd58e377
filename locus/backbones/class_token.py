"""The small vision transformer with a class token, which the classifier reads instead of pooled patches.

The network has no pooled map, so methods explain an earlier layer: the input of the last block's attention. It is the
layer that ``locus.wrap`` finds in a vision transformer with a class token.
"""

from typing import Any

import torch
from torch import Tensor, nn

from locus import backbones
from locus.backbones import extractors, layers
from locus.backbones.classifier import Classifier, Head, Rescale
from locus.backbones.extractors import Features
from locus.backbones.layers import TokensOf
from locus.backbones.pooling import precise
from locus.core.errors import NotAvailableError

TIMM_NAME = "vit_tiny_patch16_224"
"""Network of timm whose class is used; its sizes are replaced by those of the small vision transformer."""


def build(name: str, pretrained: bool) -> Features:
    """Build the small vision transformer with a class token before its patches.

    Convolutional stem, blocks and sizes are those of ``small_vit``; the position embedding has one more token.

    Raises ``NotAvailableError`` for ImageNet weights, which do not exist.
    """
    plain: Any = extractors.build(name, pretrained).extractor
    without = plain.net
    net = extractors.create(
        TIMM_NAME,
        pretrained=False,
        pretrained_cfg_overlay={"input_size": (3, *plain.native)},
        img_size=plain.native[0],
        patch_size=plain.patch,
        embed_dim=without.embed_dim,
        depth=len(without.blocks),
        num_heads=without.blocks[0].attn.num_heads,
        class_token=True,
        global_pool="token",
        **layers.options(TIMM_NAME),
    )
    net.patch_embed.proj = without.patch_embed.proj
    earlier = tuple(f"blocks.{number}" for number in range(len(net.blocks) - 1))
    return Features(TokensOf(net), net.num_features, earlier)


class ClassTokenHead(Head):
    """logit_k = w_k . dropout(class token) + b_k, in float32 even under autocast (float64 stays float64)."""

    def __init__(self, linear: nn.Linear, dropout: float = 0.0) -> None:
        nn.Module.__init__(self)
        self.linear = linear
        self.dropout = nn.Dropout(dropout)

    @property
    def pooling_name(self) -> str:
        """``TOKEN``."""
        return backbones.TOKEN

    def forward(self, A: Tensor) -> Tensor:
        """Return logits (N,K) of class tokens (N,C). Raises ``NotAvailableError`` for maps."""
        if A.ndim != 2:
            raise NotAvailableError(
                "this head reads the class token, not a map: use model(images) or locus.explaining"
            )
        with torch.autocast(A.device.type, enabled=False):
            token = precise(A)
            weight = self.weight.to(token.dtype)
            bias = self.bias.to(token.dtype)
            return nn.functional.linear(self.dropout(token), weight, bias)

    def class_maps(self, A: Tensor) -> Tensor:
        """Raise ``NotAvailableError``: the weights apply to the class token, which has no position."""
        raise NotAvailableError(
            "the classifier reads the class token, so it has no class maps: use a gradient or an attention method"
        )

    def factors(self, A: Tensor) -> None:
        """Return None: the gradient of an earlier layer has no closed form."""

    def ablated_drops(self, A: Tensor) -> None:
        """Return None: the logit has no closed form in the channels of an earlier layer."""


class ClassTokenClassifier(Classifier):
    """Transformer with ``model(images) == model.head(class token)``, explained at the input of its last attention.

    ``features`` returns the patches at that layer, ``layer``. ``class_maps`` raises ``NotAvailableError``.
    """

    def __init__(
        self,
        features: Features,
        head: ClassTokenHead,
        build_options: dict[str, Any],
        rescale: Rescale | None = None,
    ) -> None:
        """Combine an extractor of tokens and a head.

        Args:
            features: the transformer and its layers, of ``build``.
            head: dropout and linear layer.
            build_options: see ``Classifier``.
            rescale: see ``Classifier``.
        """
        super().__init__(
            features.extractor,
            head,
            build_options=build_options,
            layer_names=features.layer_names,
            rescale=rescale,
        )
        self.layer = f"blocks.{len(features.layer_names)}.norm1"

    def forward(self, images: Tensor) -> Tensor:
        """Return logits (N,K) in float32 of normalised images (N,3,H,W)."""
        extractor: Any = self.extractor
        images = self._as_input(images)
        extractor.strides(
            (images.shape[-2], images.shape[-1])
        )  # refuses sides that patches do not fill
        token = extractor.net(images)  # (N, C), after the final norm
        logits: Tensor = self.head(token)
        return logits

    def predict(self, images: Tensor) -> Tensor:
        """Return logits (N,K) of images (N,3,H,W) whose sigmoids are the probabilities."""
        return self(images)

    def features(self, images: Tensor) -> Tensor:
        """Return the patches (N,C,h,w) of the explained layer for images (N,3,H,W), without gradients."""
        return layers.run(self, images, str(self.layer))[0].detach()
