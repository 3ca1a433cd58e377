"""Networks of timm and torchvision, with ImageNet weights when asked for, and a sentence when these cannot be had."""

import logging
import ssl
import threading
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from backbones.family import Family, Features
from core.errors import NotAvailableError

FILE = "model.safetensors"
"""What the hub calls a network's weights."""
PATIENCE = 4
"""Seconds that a server of weights has to answer."""


class MapsOf(nn.Module):
    """A timm network without its head: images -> ``forward_features``."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net
        self.native: tuple[int, int] = net.pretrained_cfg["input_size"][-2:]
        """(H, W) that the network was made for."""

    def forward(self, images: Tensor) -> Tensor:
        """(N,3,H,W) -> (N,C,h,w)."""
        features: Tensor = self.net.forward_features(images)
        return features


class TimmFamily(Family):
    """Networks of timm without their heads; a subclass sets ``name`` and ``words``."""

    def build(self, name: str, pretrained: bool) -> Features:
        """Maps as ``forward_features`` gives them, behind the last non-linearity."""
        net = create(name, pretrained)
        return Features(MapsOf(net), net.num_features, levels(net))


def levels(net: Any) -> tuple[str, ...]:
    """The submodules that end each level of a timm network, in forward order."""
    return tuple(level["module"] for level in net.feature_info)


def create(name: str, pretrained: bool, **options: Any) -> Any:
    """timm's network ``name`` without classifier and pooling; ``options`` are the constructor's.

    Weights come from a file laid into torch's checkpoint folder by hand, else from the Hugging Face hub or its cache.
    Raises ``NotAvailableError`` that names the file, its source and its place.
    """
    import timm  # it costs seconds, and other networks do without

    if not pretrained:
        return timm.create_model(name, num_classes=0, **options)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries say nothing that our sentence does not
    require(name)
    path = weights_file(name)
    overlay = {"file": str(path)} if path.is_file() else None
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay, **options)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise _not_available(name, _source(name), path, error) from error


def require(name: str) -> None:
    """Raise ``NotAvailableError`` where timm's weights of ``name`` are neither here nor within reach.

    Said in seconds: the hub's own retries take a minute.
    """
    from huggingface_hub import constants, try_to_load_from_cache  # slow: networks without such weights do without

    path, source = weights_file(name), _source(name)
    if source is None or path.is_file() or isinstance(try_to_load_from_cache(_config(name).hf_hub_id, FILE), str):
        return
    if constants.HF_HUB_OFFLINE or not reachable(constants.ENDPOINT):
        raise _not_available(name, source, path, f"{constants.ENDPOINT} does not answer")


def reachable(address: str) -> bool:
    """Whether a server answers within ``PATIENCE``, the search for its name included, which has no limit of its own."""
    replies: list[bool] = []
    asking = threading.Thread(target=lambda: replies.append(answers(address)), daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return replies == [True]


def answers(address: str) -> bool:
    """Whether a server is there, whatever it says, by the proxy that the environment names."""
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PATIENCE).close()
    except urllib.error.HTTPError:
        return True
    except OSError as error:
        return isinstance(getattr(error, "reason", error), ssl.SSLError)
    return True


def from_torchvision(name: str, builder: Callable[..., Any], weights: Any) -> Any:
    """torchvision's network ``builder(weights=weights)``; errors as in :func:`create`."""
    try:
        return builder(weights=weights)
    except (OSError, RuntimeError) as error:
        path = folder() / Path(weights.url).name
        raise _not_available(name, weights.url, path, error) from error


def weights_file(name: str) -> Path:
    """Where a user without a network connection lays the weights of timm's ``name``."""
    config = _config(name)
    return folder() / f"{config.architecture}.{config.tag}.safetensors"


def folder() -> Path:
    """Where torch keeps weights that were fetched, and where a user lays them."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def _config(name: str) -> Any:
    import timm

    return timm.get_pretrained_cfg(name)


def _source(name: str) -> str | None:
    hub = _config(name).hf_hub_id
    return f"https://huggingface.co/{hub}/resolve/main/{FILE}" if hub else None


def _not_available(name: str, source: str | None, path: Path, error: object) -> NotAvailableError:
    if source is None:
        return NotAvailableError(f"{name!r} has no published ImageNet weights: choose another or --pretrained False")
    if path.is_file():
        return NotAvailableError(f"{path} does not fit {name!r}: delete it or use --pretrained False ({error})")
    return NotAvailableError(f"no ImageNet weights for {name!r}: lay {source} at {path}, or use --pretrained False")
