"""Backbones: networks with feature maps, a linear head, and the grid of the maps in the image.

``catalog.build`` makes a ``Classifier`` from a name, ``wrapping.wrap`` from a user's module. torch and timm are
imported on demand.
"""

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from locus.backbones import known
from locus.core.code import local_files
from locus.core.user_code import file_of

if TYPE_CHECKING:
    from locus.backbones.catalog import build as build
    from locus.backbones.classifier import Classifier as Classifier
    from locus.backbones.wrapping import wrap as wrap

FROM = {"Classifier": "classifier", "build": "catalog", "wrap": "wrapping"}
"""Public name -> the module from which it is imported on first use."""


def names() -> list[str]:
    """Return the registered backbones, sorted. Other timm models with feature maps are accepted, too."""
    return sorted(known.NAMES)


def files_of(options: Mapping[str, Any]) -> set[Path]:
    """Return the Python files that define a network with these ``Classifier.build_options``, without importing them.

    For a network in a user's file these are that file and the local modules that it imports, for other networks the
    files of Locus that build feature extractors, poolings and attention.
    """
    home = Path(__file__).parent
    if "network" in options:
        user_file = file_of(options["network"])
        return {home / "external.py"} if user_file is None else local_files(user_file) if user_file.is_file() else set()
    return {home / f"{name}.py" for name in ("extractors", "grids", "pooling", "attention")}


def __getattr__(name: str) -> Any:
    if name in FROM:
        return getattr(importlib.import_module(f"locus.backbones.{FROM[name]}"), name)
    raise AttributeError(f"module 'locus.backbones' has no attribute {name!r}")
