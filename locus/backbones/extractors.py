"""Networks without their heads, by the canonical name of the backbone, optionally with ImageNet weights.

``build`` returns the extractor of a name, ``finer`` one with a finer feature map. ``create`` and ``from_torchvision``
build the networks of timm and torchvision and report missing weights with URL and path. ``BUILDERS`` has the backbones
that are not ``forward_features`` of a timm network. Spellings of the names are in ``locus.backbones``, weights trained
on radiographs in ``weight_files``.
"""

import logging
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from locus import backbones
from locus.backbones import grids, layers
from locus.backbones.layers import TokensOf
from locus.core.errors import BadValueError, NotAvailableError, one_line

FILE = "model.safetensors"
"""Name of the weights file on the hub."""
TIMEOUT_SECONDS = 4
"""Timeout in seconds for a server of weights."""


def create(name: str, pretrained: bool, **options: Any) -> Any:
    """Create timm's network ``name`` without classifier and pooling; ``options`` go to the constructor.

    Weights come from torch's checkpoint folder, else from the cache of the Hugging Face hub, else from the hub. Raises
    ``NotAvailableError`` with URL and path.
    """
    import timm  # slow import, only needed for its networks

    if not pretrained:
        return timm.create_model(name, num_classes=0, **options)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # hides its retries
    require(name)
    path = weights_file(name)
    overlay = {"file": str(path), "custom_load": False} if path.is_file() else None
    try:
        return timm.create_model(
            name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay, **options
        )
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise _not_available(name, _source(name), path, error) from error


def require(name: str) -> None:
    """Raise ``NotAvailableError`` within seconds if timm's weights of ``name`` are neither on disk nor downloadable.

    The retries of the hub would take a minute.
    """
    from huggingface_hub import constants, try_to_load_from_cache  # slow import, only needed here

    path, source = weights_file(name), _source(name)
    if (
        source is None
        or path.is_file()
        or isinstance(try_to_load_from_cache(_config(name).hf_hub_id, FILE), str)
    ):
        return
    if constants.HF_HUB_OFFLINE or not reachable(constants.ENDPOINT):
        raise _not_available(name, source, path, f"{constants.ENDPOINT} does not answer")


def reachable(address: str) -> bool:
    """Return True if a server answers within ``TIMEOUT_SECONDS``, including the DNS lookup, which has no timeout."""
    replies: list[bool] = []
    asking = threading.Thread(target=lambda: replies.append(answers(address)), daemon=True)
    asking.start()
    asking.join(TIMEOUT_SECONDS)
    return replies == [True]


def answers(address: str) -> bool:
    """Return True if a server responds at all, through the proxy set in the environment."""
    try:
        urllib.request.urlopen(
            urllib.request.Request(address, method="HEAD"), timeout=TIMEOUT_SECONDS
        ).close()
    except urllib.error.HTTPError:
        return True
    except OSError as error:
        return isinstance(getattr(error, "reason", error), ssl.SSLError)
    return True


def from_torchvision(name: str, builder: Callable[..., Any], weights: Any) -> Any:
    """Build torchvision's network ``builder(weights=weights)``; errors as in :func:`create`."""
    try:
        return builder(weights=weights)
    except (OSError, RuntimeError) as error:
        path = folder() / Path(weights.url).name
        raise _not_available(name, weights.url, path, error) from error


def weights_file(name: str) -> Path:
    """Return the path where an offline user puts the weights of timm's ``name``."""
    config = _config(name)
    return folder() / f"{config.architecture}.{config.tag}.safetensors"


def folder() -> Path:
    """Return torch's folder of downloaded and user-provided weights."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def _config(name: str) -> Any:
    import timm

    return timm.get_pretrained_cfg(name)


def _source(name: str) -> str | None:
    hub = _config(name).hf_hub_id
    return f"https://huggingface.co/{hub}/resolve/main/{FILE}" if hub else None


def _not_available(name: str, source: str | None, path: Path, error: object) -> NotAvailableError:
    if source is None:
        return NotAvailableError(
            f"{name!r} has no ImageNet weights: choose another or use --pretrained False"
        )
    if path.is_file():
        reason = one_line(error)
        return NotAvailableError(
            f"{path} does not fit {name!r} ({reason}): delete it or use --pretrained False"
        )
    return NotAvailableError(
        f"ImageNet weights of {name!r} not found: download {source} to {path}, or use --pretrained False"
    )


class Features(NamedTuple):
    """A feature extractor and the width of its maps."""

    extractor: nn.Module
    """(N,3,H,W) -> (N,C,h,w), up to the last non-linearity."""
    width: int
    """C, the number of channels."""
    layer_names: tuple[str, ...] = ()
    """Submodules with feature maps, in forward order; the last may be the output of the extractor."""


class MapsOf(nn.Module):
    """timm network without its head: images -> ``forward_features``."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.native: tuple[int, int] = net.pretrained_cfg["input_size"][-2:]
        """Native input size (H, W)."""

    def forward(self, images: Tensor) -> Tensor:
        """Return the feature map (N,C,h,w) of images (N,3,H,W)."""
        features: Tensor = self.net.forward_features(images)
        return features


def build(name: str, pretrained: bool) -> Features:
    """Build the extractor of a canonical ``name``, with random or ImageNet weights.

    Raises ``NotAvailableError`` for weights that do not exist or cannot be downloaded, and for a network without maps.
    """
    if name in BUILDERS:
        return BUILDERS[name](name, pretrained)
    given = layers.options(name)
    net = create(name, pretrained, **given)
    features = _of_timm(net, TokensOf(net) if given and TokensOf.serves(net) else MapsOf(net))
    if name not in backbones.BACKBONE_NAMES:
        _require_maps(name, features)
    return features


def _of_timm(net: Any, extractor: nn.Module) -> Features:
    """Return an extractor made of a timm network; its layers are the last submodule of each stage."""
    return Features(
        extractor, net.num_features, tuple(stage["module"] for stage in net.feature_info)
    )


def _require_maps(name: str, features: Features) -> None:
    """Raise ``NotAvailableError`` if the features of a timm network are not maps."""
    extractor, width = features.extractor, features.width
    shape = tuple(getattr(grids.features(extractor, extractor.native), "shape", ()))  # type: ignore[arg-type]
    if len(shape) != 4 or shape[1] != width:
        raise NotAvailableError(
            f"the features of {name!r} have the shape {shape}, not (N, {width}, h, w): choose a convolutional network, "
            "a ViT or a Swin, or use locus.backbones.wrap"
        )


def _vgg(name: str, pretrained: bool) -> Features:
    """Build the convolutions of VGG-16, 512 channels, up to the last max pooling.

    The published head of two wide layers is left out: the head of Locus has one linear weight vector per finding.
    """
    net = create(name, pretrained)
    return _of_timm(net, net.features)


def _squeezenet(name: str, pretrained: bool) -> Features:
    """Build torchvision's SqueezeNet 1.1, 512 channels: the concatenated ReLUs of the last fire module.

    Its layers are the inputs of the max poolings, at strides 2, 4 and 8. The published head (dropout, one 1x1
    convolution, ReLU, mean) rectifies its logits; the head of Locus does not.
    """
    from torchvision.models import (
        SqueezeNet1_1_Weights,
        squeezenet1_1,
    )  # slow import, only needed here

    weights = SqueezeNet1_1_Weights.IMAGENET1K_V1 if pretrained else None
    net = from_torchvision(name, squeezenet1_1, weights)
    return Features(net.features, 512, ("features.1", "features.4", "features.7"))


def _custom(name: str, pretrained: bool) -> Features:
    """Build the small network of the demo, which trains in minutes on a CPU. Pretrained weights do not exist.

    Four stages of 24, 48, 96 and 128 channels; 16x16 maps at 128 px, stride 8, offset 3.5. The three strided
    convolutions have even kernels (k4/s2/p1), so the grid is centred: the aligned and the conventional positions of its
    maps are the same. The last ReLU is not in place.
    """
    if pretrained:
        raise NotAvailableError(
            "the backbone 'custom' has no ImageNet weights: train it with --pretrained False"
        )
    halving = [
        _stage(nn.Conv2d(n, wide, 4, stride=2, padding=1, bias=False))
        for n, wide in pairwise((3, 24, 48, 96))
    ]
    last = _stage(nn.Conv2d(96, 128, 3, padding=1, bias=False))
    return Features(nn.Sequential(*halving, last), 128, tuple(f"features.{n}" for n in range(4)))


def _stage(enter: nn.Conv2d) -> nn.Sequential:
    wide = enter.out_channels
    refine = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
    return nn.Sequential(
        enter, nn.BatchNorm2d(wide), nn.ReLU(), refine, nn.BatchNorm2d(wide), nn.ReLU()
    )


def _small_vit(name: str, pretrained: bool) -> Features:
    """Build a small vision transformer, which trains on a CPU. Pretrained weights do not exist.

    Three strided convolutions (k4/s2/p1, as in the small CNN) make 16x16 tokens of 96 channels from an image of 128 px;
    six blocks with three heads follow. There is no class token: tokens are pooled like the map of a convolutional
    network. With convolutions instead of one linear patch embedding, a transformer learns from fewer images (Xiao et
    al., NeurIPS 2021).
    """
    if pretrained:
        raise NotAvailableError(
            f"the backbone {name!r} has no ImageNet weights: train it with --pretrained False"
        )
    net = create(
        "vit_tiny_patch16_224",
        pretrained=False,
        pretrained_cfg_overlay={"input_size": (3, 128, 128)},
        img_size=128,
        patch_size=8,
        embed_dim=96,
        depth=6,
        num_heads=3,
        class_token=False,
        global_pool="avg",
        fc_norm=False,
        **layers.options("vit_tiny_patch16_224"),
    )
    halving = [
        _normed(nn.Conv2d(n, wide, 4, stride=2, padding=1, bias=False))
        for n, wide in pairwise((3, 24, 48))
    ]
    net.patch_embed.proj = nn.Sequential(*halving, nn.Conv2d(48, 96, 4, stride=2, padding=1))
    return _of_timm(net, TokensOf(net))


def _normed(convolution: nn.Conv2d) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(convolution.out_channels), nn.ReLU())


BUILDERS = {"custom": _custom, "small_vit": _small_vit, "squeezenet1_1": _squeezenet, "vgg16": _vgg}
"""Canonical name -> function that builds it, for backbones that are not ``forward_features`` of a timm network."""

STRIDES = (8, 16, 32)
"""Strides that a network with the option ``stride`` can have."""
DILATED = ("resnet", "efficientnet")
"""timm's modules whose networks take ``output_stride``."""


def finer(name: str, pretrained: bool, stride: int) -> Features:
    """Build the extractor of a canonical ``name`` with a feature map at ``stride``, 8, 16 or 32.

    Strides and poolings beyond ``stride`` are removed, and the convolutions after them are dilated, so the weights are
    those of the usual network, whose stride is 32 (``resnet18:stride=8``). Supported for timm's ResNets,
    EfficientNets and DenseNets.

    Raises ``BadValueError`` for a stride that the network cannot have, ``NotAvailableError`` for weights that do not
    exist or cannot be downloaded.
    """
    if name in BUILDERS or not _is_of(name, (*DILATED, "densenet")):
        raise BadValueError(
            f"the backbone {name!r} has no option 'stride': leave it out, or use a ResNet, an EfficientNet or a "
            "DenseNet"
        )
    if stride not in STRIDES:
        raise BadValueError(
            f"the stride of the backbone {name!r} is {stride!r}: use {', '.join(map(str, STRIDES))}"
        )
    net = create(name, pretrained, **({"output_stride": stride} if _is_of(name, DILATED) else {}))
    if not _is_of(name, DILATED):
        _dilate_densenet(net.features, stride)
    return _of_timm(net, MapsOf(net))


def _is_of(name: str, modules: tuple[str, ...]) -> bool:
    """Return whether timm defines the network ``name`` in one of its ``modules``."""
    import timm  # slow import, only needed for its networks

    return bool(timm.models.is_model_in_modules(name.partition(".")[0], modules))


def _dilate_densenet(features: Any, stride: int) -> None:
    """Replace the poolings beyond ``stride`` by the identity and dilate the 3x3 convolutions after them, in place."""
    reached, dilation = 4, 1  # after the stem
    for name, block in features.named_children():
        if name.startswith("transition"):
            reached, dilation = (
                (reached, dilation * 2) if reached == stride else (reached * 2, dilation)
            )
            block.pool = nn.Identity() if dilation > 1 else block.pool
        for part in block.modules() if name.startswith("denseblock") else ():
            if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3):
                part.dilation = part.padding = (dilation, dilation)
