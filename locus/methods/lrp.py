"""Layer-wise relevance propagation."""

from collections.abc import Callable, Mapping, MutableMapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.utils.weak import WeakTensorKeyDictionary

from locus.core.errors import NotAvailableError
from locus.methods._pixelwise import PixelMethod
from locus.methods._tracing import ELEMENTWISE, Rule, Tracer, elementwise, passing
from locus.methods.base import require_positive
from locus.methods.evidence import Evidence

ZERO = 1e-9
"""Activations below this size count as 0. An activation of 0 that receives relevance counts as this size."""


class LRP(PixelMethod):
    """Share of each pixel in the logit, passed back layer by layer in proportion to contributions; magnitudes, >= 0.

    ``R_i = sum_j x_i w_ij / sum_i x_i w_ij * R_j``, for convolutions only over the positive ``x_i w_ij``. Source: Bach
    et al., PLoS ONE 2015, equations 56 and 58, with the z+ rule of Montavon et al., Pattern Recognition 2017.

    Batch norm is part of the preceding convolution; elsewhere, and in activation functions, the relevance of a position
    stays the same. Sums, concatenations and poolings share the relevance exactly; gates and the weights of a pooling
    count as constant. Convolutions give their bias no relevance, linear layers do: without magnitudes, a map sums to
    the logit minus the head's bias. ``epsilon`` stabilises linear layers.
    """

    name = "lrp"
    source = "Bach et al., PLoS ONE 2015, eq. 56 and 58; Montavon et al., Pattern Recognition 2017"
    networks = "networks without layer norm, group norm and attention"
    extra_cost = "23 forward passes for 8 findings (small CNN)"

    def __init__(self, epsilon: float = 1e-6) -> None:
        """Set ``epsilon``, which is added to the size of the outputs of linear layers."""
        self.epsilon = require_positive("epsilon", epsilon)

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """Return relevances (K,3,H,W) of an image (1,3,H,W). Raises ``NotAvailableError`` for a layer without rule."""
        return image * torch.cat(list(Relevances(self.epsilon).gradients(evidence, image)))


class Relevances(Tracer):
    """Gradients C such that x * C is the relevance of x."""

    method = "lrp"
    rules: ClassVar[Mapping[str, Rule]]

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.convolutions: MutableMapping[Tensor, tuple[Tensor, Callable[[Tensor, Tensor], Tensor], Tensor]]
        self.convolutions = WeakTensorKeyDictionary()
        """Output of a convolution -> its input, function of input and weight, and weight."""


class _Positive(torch.autograd.Function):
    """Values y of a convolution of x, whose relevance is shared in proportion to the positive contributions z(x)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, positive: Callable[[Tensor], Tensor]) -> Tensor:
        ctx.save_for_backward(x, y)
        ctx.positive, ctx.graph = positive, None
        return y.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        x, y = ctx.saved_tensors
        if ctx.graph is None:  # once for all findings, and not at all before batch norm
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                z = ctx.positive(leaf)
            ctx.graph = leaf, z, torch.where(z > ZERO, y / z, 0)
        leaf, z, ratio = ctx.graph
        return *torch.autograd.grad(z, leaf, gradients[0] * ratio, retain_graph=True), None, None


def _contributions(call: Callable[[Tensor, Tensor], Tensor], weight: Tensor, x: Tensor) -> Tensor:
    """Return the sums of the positive contributions to each output of a convolution, without bias."""
    z = call(x.clamp(min=0), weight.clamp(min=0))
    return z + call(x.clamp(max=0), weight.clamp(max=0)) if bool((x < 0).any()) else z


def _convolution(
    tracer: Any, func: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any
) -> Tensor:
    def call(x: Tensor, weight: Tensor) -> Tensor:
        return func(x, weight, None, *args, **kwargs)

    weight = weight.detach()
    with torch.no_grad():
        y = func(x, weight, bias, *args, **kwargs)
    out = _Positive.apply(x, y, partial(_contributions, call, weight))
    tracer.convolutions[out] = x, call, weight
    return out


def _batch_norm(
    tracer: Any, func: Any, x: Tensor, mean: Tensor | None, variance: Tensor | None, *args: Any, **kwargs: Any
) -> Tensor:
    if x not in tracer.convolutions or variance is None:
        return _SAME(tracer, func, x, mean, variance, *args, **kwargs)
    before, call, weight = tracer.convolutions[x]
    with torch.no_grad():
        y = func(x, mean, variance, *args, **kwargs)
        scale = func(torch.eye(len(variance)).to(x), torch.zeros_like(variance), variance, *args, **kwargs)
        shift = func(torch.zeros(1, len(variance)).to(x), torch.zeros_like(variance), variance, *args, **kwargs)
    folded = weight * (scale - shift).diagonal().reshape(-1, 1, 1, 1)
    return _Positive.apply(before, y, partial(_contributions, call, folded))


def _linear(tracer: Any, func: Any, *args: Any, **kwargs: Any) -> Tensor:
    y = func(*args, **kwargs)
    size = y.detach().abs()
    return passing(y, y * (size / (size + tracer.epsilon)))


def _log_sum_exp(tracer: Any, func: Any, x: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Share log mean exp(x), which is 0 for x = 0, in proportion to softmax(x) * x."""
    y = func(x, dim, keepdim)
    share = (x.detach().softmax(dim) * x).sum(dim, keepdim)
    mean, total = y.detach() - torch.tensor(x.shape[dim]).log().to(y), share.detach()
    return passing(y, share * torch.where(total.abs() > ZERO, mean / total, 0))


def _constant(tracer: Any, func: Any, *args: Any, **kwargs: Any) -> Tensor:
    with torch.no_grad():
        return func(*args, **kwargs)


def _refused(tracer: Any, func: Any, *args: Any, **kwargs: Any) -> Tensor:
    raise NotAvailableError(f"lrp has no rule for the function {func.__name__!r}, which this network uses")


def _same_relevance(x: Tensor, y: Tensor) -> Tensor:
    """Return y / x, with ``ZERO`` in place of 0."""
    x, y = (torch.where(values.abs() < ZERO, ZERO, values) for values in (x, y))
    return y / x


_SAME = elementwise(_same_relevance)
Relevances.rules = {
    "conv2d": _convolution,
    "batch_norm": _batch_norm,
    "linear": _linear,
    "logsumexp": _log_sum_exp,
    **dict.fromkeys(ELEMENTWISE, _SAME),
    **dict.fromkeys(("sigmoid", "hardsigmoid", "softmax", "log_sigmoid"), _constant),
    **dict.fromkeys(("exp", "log", "sqrt", "rsqrt", "pow", "square", "conv_transpose2d", "conv3d"), _refused),
}
