"""EfficientNet, with symmetric padding (``efficientnet_b0``) or TensorFlow's SAME padding (``tf_efficientnet_b0``)."""

from typing import ClassVar

from backbones.pretrained import TimmFamily


class EfficientNet(TimmFamily):
    """EfficientNet B0 to B7. Source: Tan and Le, ICML 2019; networks and weights of timm.

    Maps of 1280 (B0) to 2560 (B7) channels. Ends in SiLU: A has negative values. The symmetric variants have offset 0;
    SAME padding depends on the size of each layer's input, so the offset of the ``tf_`` variants changes with the image
    size (:mod:`backbones.geometry` knows).
    The efficientnet-pytorch package pads SAME: its names (``efficientnet-b0``) mean the ``tf_`` variants here, and
    :func:`backbones.package_weights.load` reads its checkpoints.
    """

    name = "efficientnet"
    words = tuple(f"{prefix}efficientnet_b{size}" for prefix in ("", "tf_") for size in range(8))
    aliases: ClassVar[dict[str, str]] = {
        "efficientnet": "efficientnet_b0",
        **{f"efficientnet-b{size}": f"tf_efficientnet_b{size}" for size in range(8)},
    }
