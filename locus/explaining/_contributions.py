"""Contributions of the pixels and of the biases of all layers to a logit, for FullGrad.

One forward pass records each bias and where its output stands in the image (``PlaceTracer``). One backward pass per
finding multiplies biases and gradients as the gradients arrive, so that no gradient is kept.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn import functional

from locus.backbones import Classifier
from locus.backbones.grids import AxisGrid
from locus.backbones.layers import evaluating, path
from locus.backbones.tokens import AttentionCapture
from locus.core.errors import NotAvailableError
from locus.core.frames import Grid
from locus.explaining._passes import no_grad_no_autocast
from locus.explaining._positions import Layout, PlaceTracer
from locus.methods._balanced import Balanced

SUM_TOLERANCE = 1e-3
"""Relative tolerance between the sum of the terms and the logit; rounding causes about 1e-6."""
Reduce = Callable[[Tensor], Tensor]
Terms = list[tuple[Grid, Tensor]]


def pixel_terms(
    model: Classifier,
    image: Tensor,
    findings: Sequence[int],
    bias: bool,
    reduce: Reduce,
    is_balanced: bool,
) -> Iterator[Terms]:
    """Yield, for each finding, the terms of the pixels and of the layers: grid and values.

    Terms without a position (those of class tokens) count in the sum that is verified, but are not returned.

    Args:
        model: network; the pixels are the input of its extractor.
        image: (1,3,H,W).
        findings: indices of the logits.
        bias: without it, values of layers are gradients, not multiplied by the bias.
        reduce: function of the signed values (1,C,h,w) of a term, so that they need not be stored.
        is_balanced: replace the gradients of functions that are not complete (``Balanced``).

    Raises:
        NotAvailableError: the terms do not sum to the logit, or for a network of maps to ``A * dS/dA``.
    """
    with (
        no_grad_no_autocast(),
        torch.enable_grad(),
        evaluating(model),
        torch.compiler.set_stance("force_eager"),
    ):
        balanced = Balanced()
        balanced.active = is_balanced
        sums, leaf, logits = _recorded(model, image, balanced)
    for k in findings:
        sums.begin(bias, reduce)
        direction = functional.one_hot(torch.tensor([k]), logits.shape[1]).to(logits)
        torch.autograd.grad(logits, leaf, direction, retain_graph=True, materialize_grads=True)
        yield sums.finish(logits[0, k].detach())


@dataclass(frozen=True, kw_only=True)
class Added:
    """A summand: the pixels of the network's input, or the bias of a layer."""

    value: Tensor
    """The pixels, or the bias, which broadcasts to the layer's output; for batch norm, the shift minus the scaled
    mean."""
    layout: Layout | None
    """Order of tokens; None for a map and for an output without positions."""
    grid: Grid | None
    """Grid of the positions; None without positions."""
    is_unclear: bool
    """True for a map without a grid, because parallel branches have different grids."""


class GradientSums:
    """Collects the terms of one finding while its backward pass runs. It holds no graph."""

    def __init__(self) -> None:
        self.added: list[Added] = []
        self.count: int | None = None
        """Number of summands before A, if the sum is that of A; None: all of them sum to the logit."""
        self._totals: dict[int, Tensor] = {}
        self._terms: dict[int, tuple[Grid, Tensor]] = {}
        self._whole: Tensor | None = None
        self.begin(bias=True, reduce=torch.clone)

    def begin(self, bias: bool, reduce: Reduce) -> None:
        """Begin a finding; see ``pixel_terms``."""
        self.bias = bias
        self.reduce = reduce
        self._totals.clear()
        self._terms.clear()

    def hook(self, index: int) -> Callable[[Tensor], None]:
        """Return a hook for the gradient of the output of a summand."""

        def receive(gradient: Tensor) -> None:
            if self.count is None or index < self.count:
                self._receive(index, gradient)

        return receive

    def hook_of_map(self, A: Tensor) -> Callable[[Tensor], None]:
        """Return a hook for the gradient of A, which gives the value of the whole sum."""
        values = A.detach()

        def receive(gradient: Tensor) -> None:
            self._whole = (gradient * values).double().sum()

        return receive

    def _receive(self, index: int, gradient: Tensor) -> None:
        added = self.added[index]
        term = gradient * added.value
        self._totals[index] = term.sum()
        if added.is_unclear:
            raise NotAvailableError(
                "parallel branches of this network have different grids, so the bias of a layer has no position"
            )
        if added.grid is not None:
            values = term if self.bias or index == 0 else gradient
            self._terms[index] = (
                added.grid,
                self.reduce(added.layout.as_map(values) if added.layout else values),
            )

    def finish(self, logit: Tensor) -> Terms:
        """Return the terms with positions, in the order of the layers. Raises ``NotAvailableError``: see above."""
        sums = torch.stack([self._totals[index] for index in sorted(self._totals)]).double()
        whole = logit.double() if self.count is None or self._whole is None else self._whole
        miss = (sums.sum() - whole).abs()
        scale = sums.abs().sum()
        if not miss <= SUM_TOLERANCE * scale:
            raise NotAvailableError(
                "the contributions of pixels and biases do not add up to the contribution of the features "
                f"({miss / scale:.1%} is missing): fullgrad requires a network of linear layers, rectifiers, "
                "gates, norms and attention, in float32 or higher precision"
            )
        return [self._terms[index] for index in sorted(self._terms)]


def _recorded(
    model: Classifier, image: Tensor, balanced: Balanced
) -> tuple[GradientSums, Tensor, Tensor]:
    """Run the network and return the sums, the pixels as the start of the graph, and the logits (1, all findings)."""
    size = (image.shape[-2], image.shape[-1])
    biased = Biased(size, balanced)
    sums = GradientSums()
    sums.added = biased.added
    biased.sums = sums
    extractor: Any = model.extractor
    if model.layer is None:
        entrance = extractor
        level = model.attention or extractor
    else:  # an opaque network, explained at one of its submodules
        entrance = extractor.net if hasattr(extractor, "net") else extractor.module
        level = model.get_submodule(path(model, model.layer))
    reached: list[Any] = []

    def reach(module: Any, inputs: Any, A: Any) -> None:
        """Stop at the map, unless the part of the network behind it needs balanced gradients too."""
        reached.append(A)
        if model.layer is not None and balanced.active and balanced.used:
            return
        balanced.active = False
        if isinstance(A, Tensor):
            sums.count = len(biased.added)
            A.register_hook(sums.hook_of_map(A))

    weights = {name: weight.detach() for name, weight in model.named_parameters()}
    with ExitStack() as hooks:
        hooks.callback(
            entrance.register_forward_pre_hook(
                lambda module, inputs: biased.begin(inputs[0])
            ).remove
        )
        hooks.callback(level.register_forward_hook(reach).remove)
        with balanced, biased, _Unpacked(balanced):
            logits = functional_call(model, weights, (image,)).float()
    if len(reached) != 1 or not isinstance(reached[0], Tensor):
        raise NotAvailableError(
            "the explained layer of this network does not return a single map, so its contributions cannot be summed"
        )
    return sums, biased.leaf, logits


class _Unpacked(AttentionCapture):
    """Replaces ``multi_head_attention_forward`` by linear layers and ``scaled_dot_product_attention``."""

    def __init__(self, balanced: Balanced) -> None:
        super().__init__(lambda weights: weights)
        self._balanced = balanced

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Intercept one call of the network, while gradients are balanced."""
        is_packed = getattr(func, "__name__", "") == "multi_head_attention_forward"
        if is_packed and self._balanced.active:
            return super().__torch_function__(func, types, args, kwargs)
        return func(*args, **(kwargs or {}))

    def _attend(
        self, query: Tensor, key: Tensor, value: Tensor, *mask: Any, **options: Any
    ) -> tuple[Tensor, Tensor]:
        """Return the values, and nan in place of the weights, which a fused kernel does not return."""
        mixed = functional.scaled_dot_product_attention(query, key, value, *mask, **options)
        return mixed, mixed.new_full((1, 1, 1, 1), torch.nan)


class Biased(PlaceTracer):
    """Records in ``added`` the input of ``begin``, and the output of each layer that adds a bias or a constant."""

    sums: GradientSums
    leaf: Tensor

    def __init__(self, size: tuple[int, int], balanced: Balanced) -> None:
        super().__init__()
        self.size = size
        self.balanced = balanced
        self.added: list[Added] = []
        self._layouts: dict[
            tuple[int, torch.Size, tuple[int, ...]], tuple[Tensor, Layout | None]
        ] = {}
        """Memory, shape and strides of places -> the places, so that their memory stays theirs, and their layout."""

    def begin(self, pixels: Tensor) -> Tensor:
        """Return ``pixels`` (1,channels,H,W) as the start of a graph."""
        self.leaf = pixels.detach().clone().requires_grad_()
        start = self.leaf.view_as(self.leaf)
        self.balanced.depends[start] = True
        self.grids[start] = (AxisGrid(1.0, 0.0), AxisGrid(1.0, 0.0))
        self._record(start, start.detach())
        return start

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Intercept one call of the network."""
        out = super().__torch_function__(func, types, args, kwargs)
        name = getattr(func, "__name__", "").strip("_")
        bias_of = _BIASES.get(name)
        if bias_of and isinstance(out, Tensor) and out.requires_grad:
            bias = bias_of(out, *args, **(kwargs or {}))
            if bias is not None:
                self._record(out, bias, must_have_grid=name in ("conv2d", "batch_norm"))
        return out

    def _record(self, output: Tensor, value: Tensor, must_have_grid: bool = True) -> None:
        """Record the ``value`` that was added to an output, in broadcast form.

        ``must_have_grid``: the output has positions if it is a map of four dimensions and more than one position.
        """
        layout: Layout | None = None
        grid: Grid | None = None
        is_unclear = False
        places = self.places.get(output)
        if places is not None:
            key = places.data_ptr(), places.shape, places.stride()
            if key not in self._layouts:
                with torch._C.DisableTorchFunction():
                    self._layouts[key] = places, Layout.of(places, self.size)
            layout = self._layouts[key][1]
            grid = None if layout is None else layout.grid
        elif output.ndim == 4 and output.shape[-2:].numel() > 1:
            axes = self.grids.get(output)
            is_unclear = axes is None and must_have_grid
            if axes is not None:
                y, x = axes
                grid = Grid(self.size, (y.stride, x.stride), (y.offset, x.offset))
        output.register_hook(self.sums.hook(len(self.added)))
        self.added.append(
            Added(value=value.detach(), layout=layout, grid=grid, is_unclear=is_unclear)
        )


def _per_channel(bias: Tensor | None, dimensions: int) -> Tensor | None:
    """Return a bias (C,) as (1,C,1,1) for an output of four ``dimensions``."""
    return None if bias is None else bias.reshape(1, -1, *[1] * (dimensions - 2))


def _convolution(
    out: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None, *_: Any, **__: Any
) -> Tensor | None:
    return _per_channel(bias, out.ndim)


def _linear(out: Tensor, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    return bias


def _batch_norm(
    out: Tensor,
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor | None:
    """Return the bias of a batch normalisation in evaluation mode."""
    if mean is None or variance is None:
        return _per_channel(bias, out.ndim)
    shift = -mean * torch.rsqrt(variance + eps) * (1 if weight is None else weight)
    return _per_channel(shift if bias is None else shift + bias, out.ndim)


def _layer_norm(
    out: Tensor,
    x: Tensor,
    shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *_: Any,
    **__: Any,
) -> Tensor | None:
    return bias


def _group_norm(
    out: Tensor,
    x: Tensor,
    groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *_: Any,
    **__: Any,
) -> Tensor | None:
    return _per_channel(bias, out.ndim)


def _sum(out: Tensor, x: Any, other: Any, *_: Any, alpha: float = 1, **__: Any) -> Tensor | None:
    """Return the summand that passes no gradient, such as a position embedding; in place, x is the sum already."""
    for value, factor in ((x, 1), (other, alpha)):
        if not isinstance(value, Tensor):
            return out.new_tensor(value * factor)
        if not value.requires_grad:
            return value * factor
    return None


def _difference(
    out: Tensor, x: Any, other: Any, *_: Any, alpha: float = 1, **__: Any
) -> Tensor | None:
    return _sum(
        out,
        x,
        -other if not isinstance(other, Tensor) or not other.requires_grad else other,
        alpha=alpha,
    )


def _sum_of_product(out: Tensor, x: Tensor, *_: Any, **__: Any) -> Tensor | None:
    return None if x.requires_grad else x


def _joined(out: Tensor, tensors: Sequence[Tensor], dim: int = 0, **_: Any) -> Tensor | None:
    """Return the constant parts of a concatenation, such as a class token, with zeros for the others."""
    if all(tensor.requires_grad for tensor in tensors):
        return None
    summands = [torch.zeros_like(tensor) if tensor.requires_grad else tensor for tensor in tensors]
    return torch.cat([summand.detach() for summand in summands], dim)


_BIASES: dict[str, Callable[..., Tensor | None]] = {
    "conv2d": _convolution,
    "conv1d": _convolution,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    **dict.fromkeys(("add", "iadd", "radd"), _sum),
    **dict.fromkeys(("sub", "isub"), _difference),
    "addcmul": _sum_of_product,
    **dict.fromkeys(("cat", "concat", "concatenate"), _joined),
}
"""Name of a function -> function of its output and arguments that returns what it adds; None if nothing."""
