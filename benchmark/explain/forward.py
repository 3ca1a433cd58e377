"""Compute evidence for the methods from one forward pass of a batch of images."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, cast

from torch import Tensor

from backbones.token_layout import TokenLayout
from benchmark.explain import checks, layer, pooled
from benchmark.explain.modes import Autocast, no_grad_no_autocast
from benchmark.explain.network import ExplainRequest
from core.errors import BadValueError, NotAvailableError
from methods.attention import Attention
from methods.evidence import Evidence, EvidenceView

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
    """Do the same as ``gather``, but delay a transformer's forward pass until a method needs more than attention."""
    request = _request(model, images, findings, memory_gib)
    try:
        layout = model.token_layout((images.shape[-2], images.shape[-1]))
    except NotAvailableError:
        return _evidence(request, None)
    return cast(Evidence, DeferredEvidence(request, layout))


class DeferredEvidence(EvidenceView):
    """Evidence of a transformer that runs the forward pass on first access; attention does not need it."""

    def __init__(self, request: ExplainRequest, layout: TokenLayout) -> None:
        self.images, self.grid, self.findings = request.images, layout.grid, request.finding_indices(layout.n_logits)
        self._request = replace(request, findings=self.findings)
        super().__init__(cache(partial(_evidence, self._request, None)))

    @cached_property
    def attention(self) -> Sequence[Attention]:
        """Attention of all blocks, from a separate forward pass on first access."""
        return self._request.attention(self.findings)


def _request(
    model: "Classifier",
    images: Tensor,
    findings: Sequence[int] | None,
    memory_gib: float,
    progress: bool = False,
) -> ExplainRequest:
    """Check the arguments of ``explain`` and return them as one request."""
    checks.check_batch(model, images)
    if not memory_gib > 0:
        raise BadValueError(f"memory_gib is {memory_gib}: it must be above 0")
    autocast = Autocast.now(images)
    with no_grad_no_autocast():
        images = images.clone() if images.is_inference() else images.detach()
    indices = None if findings is None else tuple(int(finding) for finding in findings)
    return ExplainRequest(model, images, indices, memory_gib, progress, autocast, _evidence)


def _evidence(request: ExplainRequest, name: str | None) -> Evidence:
    name = request.model.layer if name is None else name
    with no_grad_no_autocast():
        return pooled.compute_evidence(request) if name is None else layer.compute_evidence(request, name)
