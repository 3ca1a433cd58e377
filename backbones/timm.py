"""Any other timm model with feature maps: the last resort, after the families that list their names."""

import timm
from torch import nn

from backbones import geometry
from backbones.family import Features, OpenFamily
from backbones.pretrained import MapsOf, create
from core.errors import NotAvailableError


class Timm(OpenFamily):
    """Whatever timm builds and whose features are (N,C,h,w). Source: https://github.com/huggingface/pytorch-image-models.

    A is what timm's ``forward_features`` gives. Transformers give tokens instead of maps and are refused.
    """

    name = "timm"
    described = "any timm network with feature maps"

    def resolve(self, word: str) -> str | None:
        """``word`` in lower case where timm knows such a model; a weight tag (``resnet101.a1_in1k``) may follow."""
        word = word.lower()
        return word if timm.is_model(word) else None

    def models(self) -> list[str]:
        """timm's architectures."""
        return list(timm.list_models())

    def build(self, name: str, pretrained: bool) -> Features:
        """The model without its head. Raises ``NotAvailableError`` when its features are no maps."""
        net = create(name, pretrained)
        features = Features(MapsOf(net), net.num_features)
        _require_maps(name, features, net.pretrained_cfg["input_size"][-2:])
        return features


def _require_maps(name: str, features: Features, size: tuple[int, int]) -> None:
    extractor: nn.Module = features.extractor
    shape = geometry.output_shape(extractor, size)
    if len(shape) != 4 or shape[1] != features.width:
        raise NotAvailableError(
            f"the backbone {name!r} gives features of shape {shape}, not maps (N, {features.width}, h, w): "
            "choose a convolutional model, or wrap the network yourself with backbones.wrap"
        )
