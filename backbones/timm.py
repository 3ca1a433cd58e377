"""All timm models with feature maps that no other family lists: see ``backbones.known``."""

from backbones import geometry, tokens
from backbones.family import Family, Features
from backbones.pretrained import MapsOf, create, layer_names
from backbones.tokens import TokensOf
from core.errors import NotAvailableError


class Timm(Family):
    """All timm networks with features (N,C,h,w).

    A is the output of timm's ``forward_features``. Tokens of ViT, DeiT and Swin are converted to a map
    (:mod:`backbones.tokens`); other networks without maps are not supported.
    Source: https://github.com/huggingface/pytorch-image-models.
    """

    name = "timm"

    def build(self, name: str, pretrained: bool) -> Features:
        """Build the model without its head. Raises ``NotAvailableError`` if its features are not maps."""
        given = tokens.options(name)
        net = create(name, pretrained, **given)
        extractor = TokensOf(net) if given and TokensOf.serves(net) else MapsOf(net)
        _require_maps(name, extractor, net.num_features)
        return Features(extractor, net.num_features, layer_names(net))


def _require_maps(name: str, extractor: MapsOf | TokensOf, width: int) -> None:
    shape = tuple(getattr(geometry.features(extractor, extractor.native), "shape", ()))
    if len(shape) != 4 or shape[1] != width:
        raise NotAvailableError(
            f"the features of {name!r} have the shape {shape}, not (N, {width}, h, w): choose a convolutional network, "
            "a ViT or a Swin, or use backbones.wrap"
        )
