"""What the pixels and the biases of all layers add to a logit, by a pass of their own."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from backbones.biased import Added, Biased
from backbones.probe import evaluating
from benchmark.engine.quiet import plain
from core.errors import NotAvailableError
from core.frames import Grid

if TYPE_CHECKING:
    from backbones import Classifier

CLOSE = 1e-3
"""By which share of all that is added the terms may miss the sum: rounding makes about 1e-6."""


def terms(model: "Classifier", image: Tensor, findings: Sequence[int]) -> Iterator[list[tuple[Grid, Tensor]]]:
    """For each finding the term of the pixels, then those of the layers: where it lies, and (N,C,h,w) signed values.

    ``image`` is (N,3,H,W); the pixels are as the extractor is given them. All terms together sum to ``A * dS/dA``:
    raises ``NotAvailableError`` where they do not.
    """
    with plain(), torch.enable_grad(), evaluating(model), torch.compiler.set_stance("force_eager"):
        added, A = _recorded(model, image)
        logits = model.head(A).float()
    size = (image.shape[-2], image.shape[-1])
    leaves = [*(each.output for each in added), A]
    for k in findings:
        *gradients, G = torch.autograd.grad(logits[:, k].sum(), leaves, retain_graph=True, materialize_grads=True)
        values = [gradient * each.value for gradient, each in zip(gradients, added, strict=True)]
        _require_whole(values, G * A.detach())
        yield [(_grid(each, size), term) for each, term in zip(added, values, strict=True)]


def _recorded(model: "Classifier", image: Tensor) -> tuple[list[Added], Tensor]:
    """All that is added on the way to A, and A, in one graph."""
    biased = Biased()
    hook = model.extractor.register_forward_pre_hook(lambda part, inputs: biased.begin(inputs[0]))
    try:
        with biased:
            return biased.added, model.features(image)
    finally:
        hook.remove()


def _grid(added: Added, size: tuple[int, int]) -> Grid:
    if added.grids is None:
        raise NotAvailableError("branches of this network disagree where a layer's positions look: its bias has none")
    y, x = added.grids
    return Grid(size, (y.stride, x.stride), (y.offset, x.offset))


def _require_whole(values: Sequence[Tensor], whole: Tensor) -> None:
    """Raise ``NotAvailableError`` where the sum is missed."""
    sums = torch.stack([value.double().sum() for value in values])
    miss, scale = (sums.sum() - whole.double().sum()).abs(), sums.abs().sum()
    if miss > CLOSE * scale:
        raise NotAvailableError(
            "what this network's features add to the logit is not the sum of what its pixels and biases add (it misses "
            f"{miss / scale:.0%}): that holds for convolutions, batch norm and rectifiers alone"
        )
