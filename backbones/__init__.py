"""Backbones: networks with feature maps, a linear head, and the grid of the maps in the image.

torch and timm are imported on demand.
"""

import importlib
from typing import TYPE_CHECKING, Any

from backbones import known

if TYPE_CHECKING:
    from backbones.catalog import build as build
    from backbones.classifier import Classifier as Classifier
    from backbones.wrapped import wrap as wrap

FROM = {"Classifier": "classifier", "build": "catalog", "wrap": "wrapped"}
"""Public name -> the module from which it is imported on first use."""


def names() -> list[str]:
    """Return the registered backbones, sorted. Other timm models with feature maps are accepted, too."""
    return sorted(known.NAMES)


def __getattr__(name: str) -> Any:
    if name in FROM:
        return getattr(importlib.import_module(f"backbones.{FROM[name]}"), name)
    raise AttributeError(f"module 'backbones' has no attribute {name!r}")
