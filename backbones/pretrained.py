"""Networks of timm and torchvision, with ImageNet weights when asked for, and a sentence when these cannot be had."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from core.errors import NotAvailableError


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


def levels(net: Any) -> tuple[str, ...]:
    """The submodules that end each level of a timm network, in forward order."""
    return tuple(level["module"] for level in net.feature_info)


def create(name: str, pretrained: bool, **options: Any) -> Any:
    """timm's network ``name`` without classifier and pooling; ``options`` are the constructor's.

    Weights come from a file laid into torch's checkpoint folder by hand, else from the Hugging Face hub or its cache.
    Raises ``NotAvailableError`` that names the file, its source and its place.
    """
    if not pretrained:
        return timm.create_model(name, num_classes=0, **options)
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its retries say nothing that our sentence does not
    place = weights_file(name)
    overlay = {"file": str(place)} if place.is_file() else None
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay, **options)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise _not_available(name, _source(name), place, error) from error


def from_torchvision(name: str, builder: Callable[..., Any], weights: Any) -> Any:
    """torchvision's network ``builder(weights=weights)``; errors as in :func:`create`."""
    try:
        return builder(weights=weights)
    except (OSError, RuntimeError) as error:
        place = folder() / Path(weights.url).name
        raise _not_available(name, weights.url, place, error) from error


def weights_file(name: str) -> Path:
    """Where a user without a network connection lays the weights of timm's ``name``."""
    config = _config(name)
    return folder() / f"{config.architecture}.{config.tag}.safetensors"


def folder() -> Path:
    """Where torch keeps weights that were fetched, and where a user lays them."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def _config(name: str) -> Any:
    return timm.get_pretrained_cfg(name)


def _source(name: str) -> str | None:
    hub = _config(name).hf_hub_id
    return f"https://huggingface.co/{hub}/resolve/main/model.safetensors" if hub else None


def _not_available(name: str, source: str | None, place: Path, error: Exception) -> NotAvailableError:
    if source is None:
        return NotAvailableError(f"nobody published ImageNet weights for {name!r}: choose another backbone or --pretrained False")
    if place.is_file():
        return NotAvailableError(f"the weights in {place} do not fit {name!r}: delete the file or use --pretrained False ({error})")
    return NotAvailableError(f"no ImageNet weights for {name!r}: lay {source} at {place}, or use --pretrained False")
