"""Balanced gradients (LibraGrad, arXiv:2411.16760), with which the contributions of a transformer sum to its logit.

A function y = f(x) passes on all of its value if x times its gradient is y. Linear functions and rectifiers do;
activations such as GELU, norms and attention do not. The rules replace their gradients, and no value changes:

- an activation is x times a gate f(x) / x, and a gate, a sigmoid or a softmax counts as constant
- the denominator of a norm or of a quotient counts as constant, and so do the weights of attention
- two factors that both pass gradients get half of their product each
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from locus.core.errors import NotAvailableError
from locus.methods._tracing import Rule, Tracer, elementwise

NEAR = 1e-3
"""Value in place of an input of 0, at which the gate f(x) / x of an activation has its limit."""


class Balanced(Tracer):
    """Tracer of balanced gradients. Where no rule applies, as in networks of rectifiers, gradients are the usual ones.

    Functions without a rule keep their gradients; whether contributions are complete is for the caller to verify.
    """

    method = "fullgrad"
    rules: ClassVar[Mapping[str, Rule]]
    without_rule: ClassVar[Collection[str]] = ("multi_head_attention_forward",)

    def __init__(self) -> None:
        super().__init__()
        self.active = True
        """False: all functions keep their gradients from now on."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return the value of a function by its rule, while ``active``."""
        return (
            super().__torch_function__(func, types, args, kwargs)
            if self.active
            else func(*args, **(kwargs or {}))
        )


class _Norm(torch.autograd.Function):
    """The ``values`` of a norm, with constant denominators: it keeps ``inverse``, 1 / denominator, and the weight.

    ``values`` is a list of one tensor, which the network may then modify in place. ``shape`` has the elements that are
    normalised together in its dimensions ``dims``.
    """

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        values: list[Tensor],
        inverse: Tensor,
        weight: Tensor | None,
        shape: Sequence[int],
        dims: tuple[int, ...],
    ) -> Tensor:
        ctx.save_for_backward(inverse, weight)
        ctx.shape, ctx.dims = shape, dims
        return values.pop()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        inverse, weight = ctx.saved_tensors
        (gradient,) = gradients
        scaled = gradient if weight is None else gradient * weight
        grouped = scaled.reshape(ctx.shape)
        centred = (grouped - grouped.mean(ctx.dims, keepdim=True)) * inverse
        return centred.reshape(gradient.shape), None, None, None, None, None


def _layer_norm(
    tracer: Tracer,
    func: Any,
    x: Tensor,
    normalized_shape: Any,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    with torch.no_grad():
        shape = [normalized_shape] if isinstance(normalized_shape, int) else list(normalized_shape)
        y, _, inverse = torch.native_layer_norm(x, shape, weight, bias, eps)
    return _Norm.apply(x, [y], inverse, _detached(weight), x.shape, tuple(range(-len(shape), 0)))


def _group_norm(
    tracer: Tracer,
    func: Any,
    x: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    with torch.no_grad():
        y = func(x, num_groups, weight, bias, eps)
        grouped = x.reshape(len(x), num_groups, -1)
        inverse = (grouped.var(-1, unbiased=False, keepdim=True) + eps).rsqrt()
    per_channel = None if weight is None else weight.detach().reshape(-1, *[1] * (x.ndim - 2))
    return _Norm.apply(x, [y], inverse, per_channel, grouped.shape, (-1,))


def _detached(weight: Tensor | None) -> Tensor | None:
    return None if weight is None else weight.detach()


def _scaled(tracer: Tracer, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Take y / x as constant, for norms that do not subtract a mean."""
    with torch.no_grad():
        size = torch.where(x.abs() < torch.finfo(x.dtype).tiny, 1, x)
        factor = func(x, *args, **kwargs) / size
    return x * factor


def _activation(tracer: Tracer, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Take the gate f(x) / x as constant; at x = 0 it is its limit."""

    def gate(x: Tensor, y: Tensor) -> Tensor:
        zero = x == 0
        if not bool(zero.any()):
            return y / x
        near = func(torch.full_like(x, NEAR), *args, **kwargs) / NEAR
        return torch.where(zero, near, y / x)

    return elementwise(gate)(tracer, func, x, *args, **kwargs)


def _attention(
    tracer: Tracer,
    func: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    if is_causal or enable_gqa:
        raise NotAvailableError(
            "fullgrad has no rule for attention that is causal or shares keys between heads"
        )
    with torch.no_grad():
        scores = (query * (query.shape[-1] ** -0.5 if scale is None else scale)) @ key.mT
        if attn_mask is not None:
            is_bool = attn_mask.dtype == torch.bool
            scores = scores.masked_fill(~attn_mask, -torch.inf) if is_bool else scores + attn_mask
        weights = scores.softmax(-1).to(value.dtype)
    return weights @ value


def _constant(tracer: Tracer, func: Any, *args: Any, **kwargs: Any) -> Any:
    with torch.no_grad():
        return func(*args, **kwargs)


def _constant_spread(tracer: Tracer, func: Any, *args: Any, **kwargs: Any) -> Any:
    """Take a variance or deviation as constant, not the mean beside it."""
    spread, mean = func(*args, **kwargs)
    return spread.detach(), mean


def _product(tracer: Tracer, func: Any, *args: Any, **kwargs: Any) -> Any:
    """Give each of two factors that pass gradients half of their product."""
    places = [
        n for n, value in enumerate(args) if isinstance(value, Tensor) and value.requires_grad
    ]
    if len(places) < 2:
        return func(*args, **kwargs)
    plain = _OUT_OF_PLACE.get(func.__name__.strip("_"), func)
    first, second = (
        [v.detach() if n == fixed else v for n, v in enumerate(args)] for fixed in places[:2]
    )
    out = plain(*first, **kwargs) / 2 + plain(*second, **kwargs) / 2
    return out if plain is func or not _is_in_place(func) else args[0].copy_(out)


def _is_in_place(func: Any) -> bool:
    name = func.__name__
    return name == "__imul__" or (name.endswith("_") and not name.startswith("__"))


def _quotient(tracer: Tracer, func: Any, x: Any, divisor: Any, *args: Any, **kwargs: Any) -> Any:
    return func(x, divisor.detach() if isinstance(divisor, Tensor) else divisor, *args, **kwargs)


_OUT_OF_PLACE: dict[str, Callable[..., Tensor]] = {"mul": torch.mul, "imul": torch.mul}
GATED = ("gelu", "silu", "mish", "hardswish", "elu", "selu", "celu", "tanh", "relu6", "hardtanh")
"""Activation functions that are 0 at 0 and not complete by themselves, as rectifiers are."""
CONSTANT = (
    "sigmoid", "hardsigmoid", "softmax", "exp", "sqrt", "rsqrt", "square", "pow", "var", "std", "norm", "vector_norm",
    "linalg_vector_norm",
)  # fmt: skip
"""Functions whose values count as constant: gates, weights and the parts of denominators."""
Balanced.rules = {
    **dict.fromkeys(GATED, _activation),
    **dict.fromkeys(CONSTANT, _constant),
    **dict.fromkeys(("var_mean", "std_mean"), _constant_spread),
    **dict.fromkeys(("rms_norm", "normalize", "local_response_norm"), _scaled),
    **dict.fromkeys(("mul", "imul", "rmul", "matmul", "bmm", "einsum"), _product),
    **dict.fromkeys(("div", "truediv", "true_divide", "itruediv"), _quotient),
    "layer_norm": _layer_norm,
    "group_norm": _group_norm,
    "scaled_dot_product_attention": _attention,
}
