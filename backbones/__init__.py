"""Backbones: networks that give feature maps, a linear head over them, and the grid of the maps in the image.

``import backbones`` is cheap: torch and timm are imported on demand.
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
    """Build a classifier of ``num_classes`` findings: backbone -> attention -> pooling -> dropout -> linear layer.

    ``name`` is one of :func:`names` or any timm model with feature maps; options set the gray values that its weights
    expect if they are not ImageNet's (``densenet121:mean=128,std=64``). ``global_pool`` and ``attention_map`` are
    words with options (``LSE:gamma=5``); ``attention_map`` may be None or ``none``. ``pretrained`` loads ImageNet
    weights, or torchxrayvision's by name (``densenet121-res224-nih``, which also works as ``name``). ``findings`` are
    the names of the outputs and ``img_size`` is the side of the images. Raises types of ``core.errors``: an unknown
    word, a value out of range, weights that are not available.
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
    """Wrap any network as a :class:`Classifier`; see :func:`backbones.wrapped.wrap`.

    ``findings`` names its outputs, in order; ``img_size`` is the side of the images that it was made for.
    """
    from backbones.wrapped import wrap as wrap_module

    return wrap_module(module, features, head, num_classes, channels, grid, img_size).describe(findings, img_size)


def names() -> list[str]:
    """Return the registered backbones, sorted; every other timm model with feature maps is accepted too."""
    from backbones.catalog import names as known

    return known()


def __getattr__(name: str) -> Any:
    if name == "Classifier":
        from backbones.classifier import Classifier

        return Classifier
    raise AttributeError(f"module 'backbones' has no attribute {name!r}")
