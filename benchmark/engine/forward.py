"""The way in: one forward pass of a batch becomes evidence."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from benchmark.engine import level, pooled
from benchmark.engine.quiet import Autocast, plain
from benchmark.engine.request import Request
from core.errors import BadValueError
from methods.base import Evidence

if TYPE_CHECKING:
    from backbones import Classifier


def gather(
    model: "Classifier",
    images: Tensor,
    findings: Sequence[int] | None = None,
    layer: str | None = None,
    memory_gib: float = 2.0,
    progress: bool = False,
) -> Evidence:
    """What one forward pass tells: see ``methods.base.Evidence``; arguments as for ``benchmark.explain.explain``."""
    if images.ndim != 4:
        raise BadValueError(f"images must be (N,3,H,W), got shape {tuple(images.shape)}")
    if not memory_gib > 0:
        raise BadValueError(f"memory_gib is {memory_gib}: give a budget above 0")
    autocast = Autocast.now(images)
    with plain():
        images = images.clone() if images.is_inference() else images.detach()
    chosen = None if findings is None else tuple(findings)
    return _look(Request(model, images, chosen, memory_gib, progress, autocast, _look), layer)


def _look(request: Request, layer: str | None) -> Evidence:
    with plain():
        return pooled.look(request) if layer is None else level.look(request, layer)
