"""Any other timm model with feature maps: the last resort, after the families that list their names."""

from backbones import geometry, tokens
from backbones.family import Features, OpenFamily
from backbones.pretrained import MapsOf, create, levels
from backbones.tokens import TokensOf
from core.errors import NotAvailableError


class Timm(OpenFamily):
    """Whatever timm builds and whose features are (N,C,h,w).

    A is what timm's ``forward_features`` gives. The tokens of ViT, DeiT and Swin become a map
    (:mod:`backbones.tokens`); other networks that give no maps are refused.
    Source: https://github.com/huggingface/pytorch-image-models.
    """

    name = "timm"
    described = "any timm network with feature maps"

    def resolve(self, word: str) -> str | None:
        """``word`` in lower case where timm knows such a model; a weight tag (``resnet101.a1_in1k``) may follow."""
        import timm  # after all families of the tree have passed: it costs seconds

        word = word.lower()
        return word if timm.is_model(word) else None

    def models(self) -> list[str]:
        """timm's architectures."""
        import timm

        return list(timm.list_models())

    def build(self, name: str, pretrained: bool) -> Features:
        """The model without its head. Raises ``NotAvailableError`` when its features are no maps."""
        given = tokens.options(name)
        net = create(name, pretrained, **given)
        extractor = TokensOf(net) if given and TokensOf.serves(net) else MapsOf(net)
        _require_maps(name, extractor, net.num_features)
        return Features(extractor, net.num_features, levels(net))


def _require_maps(name: str, extractor: MapsOf | TokensOf, width: int) -> None:
    shape = tuple(getattr(geometry.features(extractor, extractor.native), "shape", ()))
    if len(shape) != 4 or shape[1] != width:
        raise NotAvailableError(
            f"the backbone {name!r} gives features of shape {shape}, not maps (N, {width}, h, w): "
            "choose a convolutional model, a ViT or a Swin, or wrap the network yourself with backbones.wrap"
        )
