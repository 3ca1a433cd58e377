"""Entry point of the engine: turn one forward pass of a batch of images into evidence for the methods."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from torch import Tensor

from benchmark.engine import checks, level, pooled
from benchmark.engine.base import BaseEngine, ExplainRequest
from benchmark.engine.modes import Autocast, no_grad_no_autocast
from core.errors import BadValueError, NotAvailableError
from methods.evidence import Engine, Evidence

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
    """Run a forward pass and return its ``methods.evidence.Evidence``; arguments as for ``explain.explain``."""
    request = _request(model, images, findings, memory_gib, progress)
    return _evidence(request, layer)


def defer(
    model: "Classifier", images: Tensor, findings: Sequence[int] | None = None, memory_gib: float = 2.0
) -> Evidence:
    """Like ``gather``, but run the forward pass only when a method needs it; methods that read attention do not.

    Same as ``gather`` for a network without global attention.
    """
    request = _request(model, images, findings, memory_gib)
    try:
        layout = model.token_layout((images.shape[-2], images.shape[-1]))
    except NotAvailableError:
        return _evidence(request, None)
    positions = request.finding_indices(layout.n_logits)
    return Evidence(request.images, layout.grid, model.pooling, positions, cast(Engine, Deferred(request, positions)))


@dataclass(frozen=True, eq=False)
class Deferred(BaseEngine):
    """An engine that runs the forward pass on first access, and delegates to its engine."""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._whole.engine, name)

    @cached_property
    def _whole(self) -> Evidence:
        return self.request.compute_evidence(replace(self.request, findings=self.findings), None)


def _request(
    model: "Classifier",
    images: Tensor,
    findings: Sequence[int] | None,
    memory_gib: float,
    progress: bool = False,
) -> ExplainRequest:
    checks.check_batch(model, images)
    if not memory_gib > 0:
        raise BadValueError(f"memory_gib is {memory_gib}: give a budget above 0")
    autocast = Autocast.now(images)
    with no_grad_no_autocast():
        images = images.clone() if images.is_inference() else images.detach()
    indices = None if findings is None else tuple(int(finding) for finding in findings)
    return ExplainRequest(model, images, indices, memory_gib, progress, autocast, _evidence)


def _evidence(request: ExplainRequest, layer: str | None) -> Evidence:
    layer = request.model.layer if layer is None else layer
    with no_grad_no_autocast():
        return pooled.compute_evidence(request) if layer is None else level.compute_evidence(request, layer)
