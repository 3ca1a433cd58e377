"""What is explained, with how much memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor

from benchmark.engine.quiet import Autocast
from core.errors import BadValueError
from methods.evidence import Evidence

if TYPE_CHECKING:
    from backbones import Classifier


@dataclass(frozen=True, eq=False)
class ExplainRequest:
    """A batch, a model and the findings to explain."""

    model: "Classifier"
    images: Tensor
    """(N,3,H,W)."""
    findings: tuple[int, ...] | None
    """Positions among the model's outputs; None until they are counted."""
    memory_gib: float
    progress: bool
    autocast: Autocast
    """The precision of forward passes."""
    compute_evidence: Callable[["ExplainRequest", str | None], Evidence]
    """Request, layer -> the evidence of that layer."""

    def finding_indices(self, count: int) -> tuple[int, ...]:
        """The findings of a model with ``count`` outputs. Raises ``BadValueError`` for one that it doesn't have.

        Negative positions are none of a model's outputs.
        """
        chosen = tuple(range(count)) if self.findings is None else self.findings
        wrong = [finding for finding in chosen if finding not in range(count)]
        if wrong or not chosen:
            raise BadValueError(f"findings {wrong or '(none)'} are not among the model's outputs 0 … {count - 1}")
        return chosen
