"""Backbones: networks with feature maps, a linear head, and the grid of the maps in the image.

torch and timm are imported on demand.
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
    """Build a classifier: backbone -> attention -> pooling -> dropout -> linear layer.

    Args:
        name: one of :func:`names` or any timm model with feature maps. Options set the gray values that its weights
            expect if they are not ImageNet's (``densenet121:mean=128,std=64``).
        num_classes: number of findings.
        global_pool: pooling, optionally with options (``LSE:gamma=5``).
        attention_map: attention, or None.
        pretrained: True loads ImageNet weights; a name loads torchxrayvision's (``densenet121-res224-nih``, which is
            also accepted as ``name``).
        dropout: rate, in [0, 1).
        findings: names of the outputs, in order.
        img_size: side of the input images in pixels.

    Raises:
        UnknownNameError, BadValueError: an invalid argument. NotAvailableError: weights that cannot be downloaded.
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

    ``findings`` are the names of its outputs, in order; ``img_size`` is the side of its input images in pixels.
    """
    from backbones.wrapped import wrap as wrap_module

    return wrap_module(module, features, head, num_classes, channels, grid, img_size).describe(findings, img_size)


def names() -> list[str]:
    """Return the registered backbones, sorted. Other timm models with feature maps are accepted, too."""
    from backbones.known import listed

    return sorted({word for _, word in listed().values()})


def __getattr__(name: str) -> Any:
    if name == "Classifier":
        from backbones.classifier import Classifier

        return Classifier
    raise AttributeError(f"module 'backbones' has no attribute {name!r}")
