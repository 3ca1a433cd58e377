"""Networks of timm and torchvision, optionally with ImageNet weights."""

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

from core.errors import NotAvailableError, one_line

FILE = "model.safetensors"
"""Name of the weights file on the hub."""
PATIENCE = 4
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
    overlay = {"file": str(path)} if path.is_file() else None
    try:
        return timm.create_model(name, pretrained=True, num_classes=0, pretrained_cfg_overlay=overlay, **options)
    except (OSError, RuntimeError, ValueError, SafetensorError) as error:
        raise _not_available(name, _source(name), path, error) from error


def require(name: str) -> None:
    """Raise ``NotAvailableError`` within seconds if timm's weights of ``name`` are neither on disk nor downloadable.

    The retries of the hub would take a minute.
    """
    from huggingface_hub import constants, try_to_load_from_cache  # slow import, only needed here

    path, source = weights_file(name), _source(name)
    if source is None or path.is_file() or isinstance(try_to_load_from_cache(_config(name).hf_hub_id, FILE), str):
        return
    if constants.HF_HUB_OFFLINE or not reachable(constants.ENDPOINT):
        raise _not_available(name, source, path, f"{constants.ENDPOINT} does not answer")


def reachable(address: str) -> bool:
    """Return True if a server answers within ``PATIENCE``, including the DNS lookup, which has no timeout."""
    replies: list[bool] = []
    asking = threading.Thread(target=lambda: replies.append(answers(address)), daemon=True)
    asking.start()
    asking.join(PATIENCE)
    return replies == [True]


def answers(address: str) -> bool:
    """Return True if a server responds at all, through the proxy set in the environment."""
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=PATIENCE).close()
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
        return NotAvailableError(f"{name!r} has no ImageNet weights: choose another or use --pretrained False")
    if path.is_file():
        reason = one_line(error)
        return NotAvailableError(f"{path} does not fit {name!r} ({reason}): delete it or use --pretrained False")
    return NotAvailableError(
        f"ImageNet weights of {name!r} not found: download {source} to {path}, or use --pretrained False"
    )
