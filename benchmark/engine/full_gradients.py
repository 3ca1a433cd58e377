"""What the pixels and the biases of all layers add to a logit, by a pass of their own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from backbones.grid_tracer import AxisGrid, AxisGrids, GridTracer
from backbones.layers import path
from backbones.probe import evaluating
from benchmark.engine.modes import no_grad_no_autocast
from core.errors import NotAvailableError
from core.frames import Grid

if TYPE_CHECKING:
    from backbones import Classifier

CLOSE = 1e-3
"""By which share of all that is added the terms may miss the sum: rounding makes about 1e-6."""


class Added(NamedTuple):
    """What enters a network, or what one of its layers gives, with the graph behind it."""

    output: Tensor
    """(N,C,h,w)."""
    value: Tensor
    """The pixels themselves; of a layer (1,C,1,1) its bias, of batch norm in evaluation shift less scaled mean."""
    grids: AxisGrids | None
    """Where the positions look; None where parallel branches disagree about it."""


def terms(model: "Classifier", image: Tensor, findings: Sequence[int]) -> Iterator[list[tuple[Grid, Tensor]]]:
    """For each finding the term of the pixels, then those of the layers: where it lies, and (N,C,h,w) signed values.

    ``image`` is (N,3,H,W); the pixels are as the extractor is given them. All terms together sum to ``A * dS/dA``:
    raises ``NotAvailableError`` where they do not.
    """
    with no_grad_no_autocast(), torch.enable_grad(), evaluating(model), torch.compiler.set_stance("force_eager"):
        added, A, logits = _recorded(model, image)
    size = (image.shape[-2], image.shape[-1])
    leaves = [*(each.output for each in added), A]
    for k in findings:
        *gradients, G = torch.autograd.grad(logits[:, k].sum(), leaves, retain_graph=True, materialize_grads=True)
        values = [gradient * each.value for gradient, each in zip(gradients, added, strict=True)]
        _require_whole(values, G * A.detach())
        yield [(_grid(each, size), term) for each, term in zip(added, values, strict=True)]


def _recorded(model: "Classifier", image: Tensor) -> tuple[list[Added], Tensor, Tensor]:
    """All that is added on the way to A, A, and (N, all findings) logits, in one graph."""
    biased, reached = Biased(), list[tuple[int, Tensor]]()
    extractor: Any = model.extractor
    if model.layer is None:
        entrance, level = extractor, model.attention or extractor
    else:  # the network runs as a whole, and is explained at one of its submodules
        entrance = extractor.net if hasattr(extractor, "net") else extractor.module
        level = model.get_submodule(path(model, model.layer))
    with ExitStack() as hooks:
        hooks.callback(entrance.register_forward_pre_hook(lambda part, inputs: biased.begin(inputs[0])).remove)
        keep = level.register_forward_hook(lambda part, inputs, A: reached.append((len(biased.added), A)))
        hooks.callback(keep.remove)
        with biased:
            logits = model(image).float()
    (count, A), *again = reached
    if again or not isinstance(A, Tensor):
        raise NotAvailableError("this network is explained at a layer that gives no single map: its terms have no sum")
    return biased.added[:count], A, logits


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
            f"{miss / scale:.1%}): that holds for convolutions, batch norm and rectifiers alone, in float32 or finer"
        )


class Biased(GridTracer):
    """Inside the block ``added`` keeps what enters by :meth:`begin`, then each convolution and batch norm with a bias.

    The network goes on with copies, which it may change in place.
    """

    def __init__(self) -> None:
        super().__init__()
        self.added: list[Added] = []

    def begin(self, pixels: Tensor) -> Tensor:
        """(N,channels,H,W) -> the same, where a graph begins."""
        leaf = pixels.detach().clone().requires_grad_()
        return self._kept(leaf, leaf.detach(), (AxisGrid(1.0, 0.0), AxisGrid(1.0, 0.0)))

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """The answer to one call of the network."""
        out = super().__torch_function__(func, types, args, kwargs)
        bias_of = _BIASES.get(getattr(func, "__name__", ""))
        bias = bias_of(*args, **(kwargs or {})) if bias_of and out.ndim == 4 else None
        return out if bias is None else self._kept(out, bias.detach().reshape(1, -1, 1, 1), self.grids.get(out))

    def answer(self, func: Any, args: Any, kwargs: Any) -> Any:
        """With its numbers."""
        return func(*args, **kwargs)

    def _kept(self, output: Tensor, value: Tensor, grids: AxisGrids | None) -> Tensor:
        self.added.append(Added(output, value, grids))
        copy = output.clone()
        self.grids[copy] = grids
        return copy


def _convolution(x: Tensor, weight: Tensor, bias: Tensor | None = None, *_: Any, **__: Any) -> Tensor | None:
    return bias


def _batch_norm(
    x: Tensor, mean: Tensor | None, variance: Tensor | None, weight: Tensor | None = None, bias: Tensor | None = None,
    training: bool = False, momentum: float = 0.1, eps: float = 1e-5,
) -> Tensor | None:  # fmt: skip
    if mean is None or variance is None:
        return bias
    shift = -mean * torch.rsqrt(variance + eps) * (1 if weight is None else weight)
    return shift if bias is None else shift + bias


_BIASES: dict[str, Callable[..., Tensor | None]] = {"conv2d": _convolution, "batch_norm": _batch_norm}
