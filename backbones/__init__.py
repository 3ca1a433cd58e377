"""Backbones: networks that give feature maps, a closed linear head over them, and the place where each position looks.

``import backbones`` is cheap: torch and timm are imported when a network is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, nn

    from backbones.classifier import Classifier as Classifier
    from core.frames import Grid


def build(
    name: str,
    num_classes: int,
    global_pool: str = "AVG",
    attention_map: str | None = None,
    pretrained: bool | str = False,
    dropout: float = 0.0,
    findings: Sequence[str] = (),
    img_size: int | None = None,
) -> Classifier:
    """A classifier over ``num_classes`` findings: backbone -> attention -> pooling -> dropout -> one linear layer.

    ``name`` is a word of :func:`names` or any timm model with feature maps, with the gray values that its weights want
    where these are not ImageNet's (``densenet121:mean=128,std=64``); ``global_pool`` and ``attention_map`` are
    words with options (``LSE:gamma=5``), ``attention_map`` may be None or ``none``; ``pretrained`` loads ImageNet
    weights, or torchxrayvision's by their name (``densenet121-res224-nih``, which may stand as ``name`` too). Raises
    ``core.errors`` types: an unknown word, a value out of range, weights that cannot be had. ``findings`` and
    ``img_size`` are what the model knows about itself: the names of its outputs and the side of its images.
    """
    from backbones.catalog import assemble

    model = assemble(name, num_classes, global_pool, attention_map, pretrained, dropout)
    return model.describe(findings, img_size)


def wrap(
    module: nn.Module,
    features: str | Callable[[Tensor], Tensor] | None = None,
    head: str | Callable[[Tensor], Tensor] | None = None,
    num_classes: int | None = None,
    channels: int | None = None,
    grid: Callable[[tuple[int, int]], Grid] | None = None,
    img_size: int | None = None,
    findings: Sequence[str] = (),
) -> Classifier:
    """Anyone's network as a :class:`Classifier`; see :func:`backbones.wrapped.wrap`.

    ``findings`` names its outputs, in their order; ``img_size`` is the side of the images that it was made for.
    """
    from backbones.wrapped import wrap as wrap_module

    return wrap_module(module, features, head, num_classes, channels, grid, img_size).describe(findings, img_size)


def names() -> list[str]:
    """The backbones known by name, sorted; every other timm model with feature maps is accepted too."""
    from backbones.catalog import names as known

    return known()


def __getattr__(name: str) -> Any:
    if name == "Classifier":
        from backbones.classifier import Classifier

        return Classifier
    raise AttributeError(f"module 'backbones' has no attribute {name!r}")
