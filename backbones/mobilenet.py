"""MobileNetV2 with TensorFlow's SAME padding, at stride 32 or 16."""

from backbones.family import Family, Features
from backbones.pretrained import MapsOf, create, layer_names
from core.errors import NotAvailableError


class MobileNet(Family):
    """MobileNetV2 1.0. Source: Sandler et al., CVPR 2018; network of timm.

    Maps of 1280 channels after a ReLU6. ``mobilenetv2_100_same`` is for weights that were trained with TensorFlow's
    padding; for timm's weights use ``mobilenetv2_100``. ``mobilenetv2_100_same16`` is the same network at stride 16,
    with a dilated last stage, for the same weights.
    """

    name = "mobilenet"
    words = ("mobilenetv2_100_same", "mobilenetv2_100_same16")

    def build(self, name: str, pretrained: bool) -> Features:
        """Build the extractor. ``pretrained`` raises ``NotAvailableError``: timm's weights assume another padding."""
        if pretrained:
            raise NotAvailableError(f"{name} has no ImageNet weights: use --pretrained False and --init_from FILE")
        net = create("mobilenetv2_100", False, pad_type="same", output_stride=16 if name.endswith("16") else 32)
        return Features(MapsOf(net), net.num_features, layer_names(net))
