"""The engine's entry: one forward pass of a batch of images becomes evidence for the methods."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from benchmark.engine import level, pooled
from benchmark.engine.quiet import Autocast, plain
from benchmark.engine.request import ExplainRequest
from core.errors import BadValueError
from methods.evidence import Evidence

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
    """The evidence of a forward pass: see ``methods.evidence.Evidence``; arguments as for ``explain.explain``."""
    _check(model, images)
    if not memory_gib > 0:
        raise BadValueError(f"memory_gib is {memory_gib}: give a budget above 0")
    autocast = Autocast.now(images)
    with plain():
        images = images.clone() if images.is_inference() else images.detach()
    indices = None if findings is None else tuple(int(finding) for finding in findings)
    return _evidence(ExplainRequest(model, images, indices, memory_gib, progress, autocast, _evidence), layer)


def _check(model: "Classifier", images: Tensor) -> None:
    if images.ndim != 4 or not len(images):
        raise BadValueError(f"images must be (N,3,H,W) with at least one image, got shape {tuple(images.shape)}")
    weights = {weight.dtype for weight in model.parameters()} or {images.dtype}
    if images.dtype not in weights:
        raise BadValueError(f"images are {images.dtype}, the model's weights {weights.pop()}: give the same to both")


def _evidence(request: ExplainRequest, layer: str | None) -> Evidence:
    layer = request.model.layer if layer is None else layer
    with plain():
        return pooled.compute_evidence(request) if layer is None else level.compute_evidence(request, layer)
