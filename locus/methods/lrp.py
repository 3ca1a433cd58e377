"""Layer-wise relevance propagation."""

from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.weak import WeakTensorKeyDictionary

from locus.core.errors import NotAvailableError
from locus.methods._pixelwise import PixelMethod
from locus.methods._tracing import ELEMENTWISE, Rule, Tracer, elementwise, passing
from locus.methods.base import require_positive
from locus.methods.evidence import Evidence

ZERO = 1e-9
"""Activations below this size count as 0. An activation of 0 that receives relevance counts as this size."""
CLOSE = 1e-2
"""Relative tolerance between the sum of all relevance and the logit."""
TINY = 1e-30
"""Smallest divisor."""


class LRP(PixelMethod):
    """Share of each pixel in the logit, passed back layer by layer in proportion to contributions; magnitudes, >= 0.

    ``R_i = sum_j x_i w_ij / sum_i x_i w_ij * R_j``, for convolutions only over the positive ``x_i w_ij``. Source: Bach
    et al., PLoS ONE 2015, equations 56 and 58, with the z+ rule of Montavon et al., Pattern Recognition 2017.

    Batch norm is part of the preceding convolution; elsewhere, and in activation functions, the relevance of a position
    stays the same. Sums, concatenations and poolings share the relevance exactly; gates and the weights of a pooling
    count as constant. Convolutions give their bias no relevance, linear layers do: without magnitudes, a map sums to
    the logit minus the head's bias, and minus what convolutions withhold where no contribution is positive. The sum of
    all relevance is verified, and networks for which it is not the logit are not supported. ``epsilon`` stabilises
    linear layers.
    """

    name = "lrp"
    source = "Bach et al., PLoS ONE 2015, eq. 56 and 58; Montavon et al., Pattern Recognition 2017"
    networks = "networks without layer norm, group norm and attention"
    extra_cost = "23 forward passes for 8 findings (small CNN)"

    def __init__(self, epsilon: float = 1e-6) -> None:
        """Set ``epsilon``, which is added to the size of the outputs of linear layers."""
        self.epsilon = require_positive("epsilon", epsilon)

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """Return relevances (K,3,H,W) of an image (1,3,H,W).

        Raises ``NotAvailableError`` for a layer without rule, and if the relevance does not sum to the logits.
        """
        tracer = Relevances(self.epsilon)
        relevances, elsewhere = [], []
        for gradient in tracer.gradients(evidence, image):
            relevances.append(image * gradient)
            elsewhere.append(tracer.taken_elsewhere())
        result = torch.cat(relevances)
        with torch.no_grad():
            logits = evidence.network(image)[0]
        _require_sum(result, torch.stack(elsewhere), logits)
        return result


def _require_sum(relevances: Tensor, elsewhere: Tensor, logits: Tensor) -> None:
    """Raise ``NotAvailableError`` if relevances (K,3,H,W), with those ``elsewhere`` (K,), do not sum to logits (K,)."""
    flat = relevances.flatten(1)
    miss = (flat.sum(1) + elsewhere - logits).abs()
    scale = (flat.abs().sum(1) + elsewhere.abs()).maximum(logits.abs())
    if bool((miss > CLOSE * scale.clamp(min=TINY)).any()):
        share = float((miss / scale.clamp(min=TINY)).max())
        raise NotAvailableError(
            f"the relevance of the pixels and of the biases does not add up to the logits ({share:.1%} is missing): "
            "lrp has no rule for a layer of this network"
        )


class Relevances(Tracer):
    """Gradients C such that x * C is the relevance of x."""

    method = "lrp"
    rules: ClassVar[Mapping[str, Rule]]

    def __init__(self, epsilon: float) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.withheld: list[Tensor] = []
        """Relevance () of positions of each convolution that share none with their input, for the last finding."""
        self.convolutions: MutableMapping[Tensor, tuple[Tensor, Convolution]] = (
            WeakTensorKeyDictionary()
        )
        """Output of a convolution -> its input and the convolution."""

    def taken_elsewhere(self) -> Tensor:
        """Return the sum () of the relevance that something other than the image received for the last finding."""
        of_constants = [
            (c * g).sum() for c, g in zip(self.constants, self.of_constants, strict=True)
        ]
        total = (
            torch.stack([*of_constants, *self.withheld]).sum()
            if of_constants or self.withheld
            else torch.zeros(())
        )
        self.withheld.clear()
        return total.detach()


def _constant_term(tracer: Any, value: Any, like: Tensor) -> Tensor:
    """Return a constant that receives relevance of its own."""
    constant = (
        torch.as_tensor(value, dtype=like.dtype, device=like.device)
        .detach()
        .clone()
        .requires_grad_()
    )
    tracer.constants.append(constant)
    return constant


@dataclass(frozen=True, kw_only=True)
class Convolution:
    """A convolution without bias, of which only positive contributions count. Weights are derived when needed."""

    weight: Tensor
    scale: Tensor | None
    """Factor of each output channel, of a following batch norm; None: 1."""
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    groups: int

    def contributions(self, x: Tensor) -> Tensor:
        """Return the sums of the positive contributions to each output."""
        folded = self._folded()
        z = self._call(x.clamp(min=0), folded.clamp(min=0))
        return z + self._call(x.clamp(max=0), folded.clamp(max=0)) if bool((x < 0).any()) else z

    def shared(self, relevance: Tensor, signs: Tensor, strides: tuple[int, ...]) -> Tensor:
        """Return the gradient of ``contributions`` at an input with these ``signs``; 0 where it is 0."""
        folded = self._folded()
        positive = self._transposed(relevance, folded.clamp(min=0), signs.shape, strides)
        shared = torch.where(signs > 0, positive, 0)
        if bool((signs < 0).any()):
            negative = self._transposed(relevance, folded.clamp(max=0), signs.shape, strides)
            shared += torch.where(signs < 0, negative, 0)
        return shared

    def _folded(self) -> Tensor:
        return self.weight if self.scale is None else self.weight * self.scale

    def _call(self, x: Tensor, weight: Tensor) -> Tensor:
        return functional.conv2d(
            x, weight, None, self.stride, self.padding, self.dilation, self.groups
        )

    def _transposed(
        self, relevance: Tensor, weight: Tensor, shape: torch.Size, strides: tuple[int, ...]
    ) -> Tensor:
        """Return the gradient of the convolution, which depends on the form of its input but not on its values."""
        x = torch.empty_strided(shape, strides, dtype=weight.dtype, device=weight.device)
        form = (
            self.stride,
            self.padding,
            self.dilation,
            False,
            (0, 0),
            self.groups,
            (True, False, False),
        )
        gradient: Tensor = torch.ops.aten.convolution_backward(relevance, x, weight, None, *form)[0]
        return gradient


class _Positive(torch.autograd.Function):
    """Values y of a convolution of x, whose relevance is shared in proportion to its positive contributions z(x).

    Of x and y, only the ratio y / z and the signs of x are kept after the first finding.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, y: Tensor, convolution: Convolution, tracer: Relevances
    ) -> Tensor:
        ctx.x, ctx.y, ctx.convolution, ctx.tracer, ctx.ratio = x, y, convolution, tracer, None
        ctx.version = x._version
        return y.clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        if ctx.ratio is None:  # once for all findings, and not at all before batch norm
            if ctx.x._version != ctx.version:
                raise NotAvailableError(
                    "lrp requires the input of a convolution, which this network modifies in place"
                )
            with (
                torch.enable_grad()
            ):  # without gradients, torch may choose another kernel, which rounds differently
                z = ctx.convolution.contributions(ctx.x.detach().requires_grad_()).detach()
            is_shared = z > ZERO
            ctx.ratio = torch.where(is_shared, ctx.y / z, 0)
            ctx.signs, ctx.strides = ctx.x.sign().to(torch.int8), ctx.x.stride()
            ctx.withheld_at = (~is_shared).nonzero(as_tuple=True)
            ctx.withheld = ctx.y[ctx.withheld_at]
            ctx.x = ctx.y = None
        ctx.tracer.withheld.append((gradients[0][ctx.withheld_at] * ctx.withheld).sum())
        return (
            ctx.convolution.shared(gradients[0] * ctx.ratio, ctx.signs, ctx.strides),
            None,
            None,
            None,
        )


def _convolution(
    tracer: Any,
    func: Any,
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Tensor:
    with torch.no_grad():
        y = func(x, weight, bias, stride, padding, dilation, groups)
    steps = _pair(dilation)
    if padding == "valid":
        padding = 0
    if padding == "same":
        total = [d * (kernel - 1) for d, kernel in zip(steps, weight.shape[-2:], strict=True)]
        x = functional.pad(
            x, (total[1] // 2, total[1] - total[1] // 2, total[0] // 2, total[0] - total[0] // 2)
        )
        padding = 0
    convolution = Convolution(
        weight=weight.detach(),
        scale=None,
        stride=_pair(stride),
        padding=_pair(padding),
        dilation=steps,
        groups=groups,
    )
    out = _Positive.apply(x, y, convolution, tracer)
    tracer.convolutions[out] = x, convolution
    return out


def _pair(value: Any) -> tuple[int, int]:
    y, x = value if isinstance(value, tuple | list) and len(value) == 2 else (value, value)
    return (y[0], x[0]) if isinstance(y, tuple | list) else (y, x)


def _batch_norm(
    tracer: Any,
    func: Any,
    x: Tensor,
    mean: Tensor | None,
    variance: Tensor | None,
    *args: Any,
    **kwargs: Any,
) -> Tensor:
    if x not in tracer.convolutions or variance is None:
        return _SAME(tracer, func, x, mean, variance, *args, **kwargs)
    before, convolution = tracer.convolutions[x]
    with torch.no_grad():
        y = func(x, mean, variance, *args, **kwargs)
        scale = func(
            torch.eye(len(variance)).to(x), torch.zeros_like(variance), variance, *args, **kwargs
        )
        shift = func(
            torch.zeros(1, len(variance)).to(x),
            torch.zeros_like(variance),
            variance,
            *args,
            **kwargs,
        )
    scaled = replace(convolution, scale=(scale - shift).diagonal().reshape(-1, 1, 1, 1))
    return _Positive.apply(before, y, scaled, tracer)


def _linear(
    tracer: Any, func: Any, x: Tensor, weight: Tensor, bias: Tensor | None = None
) -> Tensor:
    y = func(x, weight, None if bias is None else _constant_term(tracer, bias, like=x))
    size = y.detach().abs()
    return passing(y, y * (size / (size + tracer.epsilon)))


def _log_sum_exp(tracer: Any, func: Any, x: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Share log mean exp(x), which is 0 for x = 0, in proportion to softmax(x) * x."""
    y = func(x, dim, keepdim)
    share = (x.detach().softmax(dim) * x).sum(dim, keepdim)
    log_count = torch.tensor(x.shape[dim]).log().to(y)
    mean, total = y.detach() - log_count, share.detach()
    shared = share * torch.where(total.abs() > ZERO, mean / total, 0)
    return passing(y, shared + _constant_term(tracer, log_count, like=y))


def _sum(tracer: Any, func: Any, x: Any, other: Any, *args: Any, **kwargs: Any) -> Tensor:
    """Add or subtract; a term that does not depend on the image is a constant with relevance of its own."""
    if not (isinstance(other, Tensor) and other in tracer.depends):
        other = _constant_term(tracer, other, like=x)
    elif not (isinstance(x, Tensor) and x in tracer.depends):
        x = _constant_term(tracer, x, like=other)
    return func(x, other, *args, **kwargs)


def _constant(tracer: Any, func: Any, *args: Any, **kwargs: Any) -> Tensor:
    with torch.no_grad():
        return func(*args, **kwargs)


def _refused(tracer: Any, func: Any, *args: Any, **kwargs: Any) -> Tensor:
    raise NotAvailableError(
        f"lrp has no rule for the function {func.__name__!r}, which this network uses"
    )


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
    **dict.fromkeys(("add", "iadd", "radd", "sub", "isub", "rsub", "subtract"), _sum),
    **dict.fromkeys(ELEMENTWISE, _SAME),
    **dict.fromkeys(("sigmoid", "hardsigmoid", "softmax", "log_sigmoid"), _constant),
    **dict.fromkeys(
        ("exp", "log", "sqrt", "rsqrt", "pow", "square", "conv_transpose2d", "conv3d"), _refused
    ),
}
