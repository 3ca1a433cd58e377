"""EfficientNet, with symmetric padding (``efficientnet_b0``) or TensorFlow's SAME padding (``tf_efficientnet_b0``)."""

from typing import ClassVar

from backbones.pretrained import TimmFamily


class EfficientNet(TimmFamily):
    """EfficientNet B0 to B7. Source: Tan and Le, ICML 2019; networks and weights of timm.

    Maps of 1280 (B0) to 2560 (B7) channels after a SiLU, so A has negative values. The symmetric variants have offset
    0. SAME padding depends on the size of each layer's input, so the offset of the ``tf_`` variants changes with the
    image size (:mod:`backbones.geometry` computes it). The efficientnet-pytorch package pads SAME: its names
    (``efficientnet-b0``) mean the ``tf_`` variants, and :mod:`backbones.published.bodies` converts its weights.
    """

    name = "efficientnet"
    words = (
        "efficientnet_b0", "efficientnet_b1", "efficientnet_b2", "efficientnet_b3",
        "efficientnet_b4", "efficientnet_b5", "efficientnet_b6", "efficientnet_b7",
        "tf_efficientnet_b0", "tf_efficientnet_b1", "tf_efficientnet_b2", "tf_efficientnet_b3",
        "tf_efficientnet_b4", "tf_efficientnet_b5", "tf_efficientnet_b6", "tf_efficientnet_b7",
    )  # fmt: skip
    aliases: ClassVar[dict[str, str]] = {
        "efficientnet": "efficientnet_b0",
        "efficientnet-b0": "tf_efficientnet_b0",
        "efficientnet-b1": "tf_efficientnet_b1",
        "efficientnet-b2": "tf_efficientnet_b2",
        "efficientnet-b3": "tf_efficientnet_b3",
        "efficientnet-b4": "tf_efficientnet_b4",
        "efficientnet-b5": "tf_efficientnet_b5",
        "efficientnet-b6": "tf_efficientnet_b6",
        "efficientnet-b7": "tf_efficientnet_b7",
    }
