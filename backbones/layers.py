"""Public names of the layers of a network.

These are the dotted names in the original network (``layer3``, ``features.denseblock2``); layers of a plain
``nn.Sequential`` are named ``features.N``, as in timm and torchvision.
"""

import difflib
from contextlib import ExitStack
from typing import Any

from torch import nn

from backbones import geometry
from core.errors import UnknownNameError


class Network(nn.Module):
    """Attributes of ``Classifier`` that this module and :mod:`backbones.layer_split` need."""

    extractor: nn.Module
    attention: nn.Module | None
    channels: int

    @property
    def layer_names(self) -> tuple[str, ...]:
        """Public names of the layers before the pooled map that return feature maps."""
        raise NotImplementedError


def earlier_layers(model: Network, declared: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ``declared`` layer names without the layer whose output is pooled directly."""
    if model.attention is not None or not declared:
        return declared
    outputs: dict[str, Any] = {}
    with ExitStack() as hooks:
        for name in declared:
            part = model.get_submodule(path(model, name))
            handle = part.register_forward_hook(lambda part, inputs, output, name=name: outputs.update({name: output}))
            hooks.callback(handle.remove)
        A = geometry.features(model.extractor, getattr(model.extractor, "native", (224, 224)), model.channels)
    return tuple(name for name in declared if outputs.get(name) is not A)


def path(model: Network, layer: str) -> str:
    """Return the dotted name within ``model`` for a public layer name. Raises ``UnknownNameError`` with the nearest."""
    paths = _paths(model)
    if layer not in paths:
        names = model.layer_names or list(dict.fromkeys(name.split(".")[0] for name in paths))
        near = difflib.get_close_matches(layer, paths, n=5)
        raise UnknownNameError("layer", layer, names, near, also="other submodules by their dotted names")
    return paths[layer]


def _paths(model: Network) -> dict[str, str]:
    """Return public name -> dotted name within ``model``, for all parts of the extractor."""
    root = next((name for name in ("net", "module") if hasattr(model.extractor, name)), "")
    parts = [name for name, _ in model.extractor.get_submodule(root).named_modules() if name]
    if root:
        return {name: f"extractor.{root}.{name}" for name in parts}
    return {f"features.{name}": f"extractor.{name}" for name in parts}
