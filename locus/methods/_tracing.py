"""Tracing of a network's functions, to replace the gradients of some of them by rules (LRP, DeepLIFT, FullGrad).

A rule is attached to a function, not to a module: reused modules and modules that work in place need no special case.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils.weak import WeakTensorKeyDictionary

from locus.core.errors import NotAvailableError
from locus.methods.evidence import Evidence

Rule = Callable[..., Tensor]
"""``rule(tracer, function, *arguments, **options)`` returns the value of the function, with another gradient."""
ELEMENTWISE = (
    "relu", "relu6", "leaky_relu", "prelu", "elu", "selu", "celu", "gelu", "silu", "mish", "hardswish", "hardtanh",
    "softplus", "tanh", "threshold",
)  # fmt: skip
"""Activation functions."""
WITHOUT_RULE = (
    "layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm", "normalize",
    "scaled_dot_product_attention", "multi_head_attention_forward",
)  # fmt: skip
"""Functions for which neither LRP nor DeepLIFT has a rule."""


class Tracer(TorchFunctionMode):
    """Torch function mode that calls ``rules`` for the functions of the image. A subclass sets ``method``, ``rules``.

    A function without a rule keeps its gradient, which is right for linear functions and for selections.
    """

    method: ClassVar[str]
    """Name of the method, for error messages."""
    rules: ClassVar[Mapping[str, Rule]]
    """Name of a function without leading and trailing underscores -> its rule."""
    without_rule: ClassVar[Collection[str]] = WITHOUT_RULE
    """Names of functions that raise ``NotAvailableError``."""

    def __init__(self) -> None:
        super().__init__()
        self.depends: MutableMapping[Tensor, bool] = WeakTensorKeyDictionary()
        """Tensors that depend on the image; weights, for example, do not."""
        self.constants: list[Tensor] = []
        """Terms that rules add to values of the image, and that require gradients."""
        self.of_constants: tuple[Tensor, ...] = ()
        """Gradients of ``constants`` for the finding whose gradient was yielded last."""
        self.used = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Return the value of a function by its rule."""
        options = dict(kwargs or {})
        if not any(tensor in self.depends for tensor in _tensors([*args, *options.values()])):
            return func(*args, **options)
        if not args and "input" in options:
            args = (options.pop("input"),)
        name = getattr(func, "__name__", "").strip("_")
        if name in self.without_rule:
            raise NotAvailableError(
                f"{self.method} has no rule for the function {name!r}, which this network uses"
            )
        rule = self.rules.get(name)
        self.used |= rule is not None
        out = rule(self, func, *args, **options) if rule else func(*args, **options)
        for tensor in _tensors([out]):
            self.depends[tensor] = True
        return out

    def gradients(self, evidence: Evidence, images: Tensor) -> Iterator[Tensor]:
        """Yield, for each finding, the gradient (1,3,H,W) of the logit of the first of ``images`` (M,3,H,W)."""
        leaf = images.detach().clone().requires_grad_()
        self.depends[leaf] = True
        with torch.compiler.set_stance("force_eager"), self:
            logits = evidence.network(leaf)
        if not self.used:
            raise NotAvailableError(
                f"{self.method} found no function in this network that it has a rule for"
            )
        for logit in logits[0]:
            inputs = [leaf, *self.constants]
            of_images, *of_constants = torch.autograd.grad(
                logit, inputs, retain_graph=True, materialize_grads=True
            )
            self.of_constants = tuple(of_constants)
            yield of_images[:1]


def _tensors(values: Iterable[Any]) -> Iterator[Tensor]:
    """Yield the tensors among values, including those inside lists (``torch.cat``)."""
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, list | tuple):
            yield from _tensors(value)


class _Scaled(torch.autograd.Function):
    """The values of ``x`` in the list ``values``, with the gradient ``slope``, the only tensor that is kept.

    In a list, they are not an input of this function, so that the network may modify them in place.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, values: list[Tensor], slope: Tensor) -> Tensor:
        ctx.save_for_backward(slope)
        return values.pop()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Any:
        (slope,) = ctx.saved_tensors
        return gradients[0] * slope, None, None


def elementwise(factor: Callable[[Tensor, Tensor], Tensor]) -> Rule:
    """Return a rule for y = f(x), position by position, with the gradient ``factor(x, y)``; nan keeps that of f."""

    def rule(tracer: Tracer, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        copy = x.detach().clone()
        with torch.no_grad():
            y = func(copy, *args, **kwargs)
            slope = factor(x.detach(), y)
        in_place = copy.data_ptr() == y.data_ptr()
        if bool(slope.isfinite().all()):
            out = _Scaled.apply(x, [y], slope)
        else:
            y = func(x.clone(), *args, **kwargs)
            out = torch.where(slope.isnan(), y, passing(y, x * slope.nan_to_num()))
        return x.copy_(out) if in_place else out

    return rule


def passing(y: Tensor, q: Tensor) -> Tensor:
    """Return the values of ``y`` with the gradient of ``q``."""
    return y.detach() + (q - q.detach())
