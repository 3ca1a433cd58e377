"""DeepLIFT."""

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from locus.core.errors import BadValueError, NotAvailableError
from locus.methods._pixelwise import PixelMethod
from locus.methods._tracing import ELEMENTWISE, Rule, Tracer, elementwise, passing
from locus.methods.evidence import Evidence

GREY, MEAN = "grey", "mean"
"""The baselines."""
REFERENCES = 32
"""Number of images of other patients whose mean is a baseline."""
CLOSE = 1e-2
"""Relative tolerance between the sum of the contributions and the difference of the logits."""
EQUAL = 1e-6
"""Relative differences from the baseline below this size count as 0: the gradient replaces the quotient."""
TINY = 1e-30
"""Smallest divisor."""


class DeepLIFT(PixelMethod):
    """Contribution of each pixel to the difference of the logit from that of a mean-grey image; magnitudes, >= 0.

    ``L_k(x,y) = sum_rgb |m_k * (I - I0)|``: the multipliers m replace the gradient of each activation function f by
    (f(x) - f(x0)) / (x - x0), where x0 is the value for the baseline ``I0``. Source: Shrikumar et al., ICML 2017,
    the rescale rule (section 3.5.2).

    The baseline is 0 in the normalised space, as for ``integrated_gradients``: the mean grey. It needs no other image,
    so a map depends on its image and network alone; but a pixel as grey as the mean gets 0.
    ``deeplift:baseline=mean`` uses a mean image: an average chest, from which a pixel may differ at its place. It is
    the mean of 32 scored images of other patients, drawn as for ``expected_gradients``, because the training images of
    a given network are not at hand.

    Without magnitudes, all pixels sum to S_k(I) - S_k(I0). This is verified, and networks for which it does not hold
    are not supported. A product is shared equally by its factors, a maximum as in captum.
    """

    name = "deeplift"
    source = "Shrikumar et al., ICML 2017, sec. 3.5.2"
    networks = "networks without layer norm, group norm and attention"
    extra_cost = "30 forward passes for 8 findings (small CNN)"

    def __init__(self, baseline: str = GREY) -> None:
        """Set the ``baseline``: ``grey``, or ``mean``, the mean of 32 images of other patients."""
        if baseline not in (GREY, MEAN):
            raise BadValueError(f"baseline is {baseline!r}: use {GREY} or {MEAN}")
        self.baseline = baseline

    def maps(self, evidence: Evidence) -> Tensor:
        """Return maps >= 0 (N,K,H,W). Raises ``NotAvailableError`` for ``mean`` without images of other patients."""
        if self.baseline == GREY:
            return super().maps(evidence)
        shape = (len(evidence.images), len(evidence.findings), *evidence.images.shape[-2:])
        maps = evidence.images.new_full(shape, torch.nan)
        with torch.inference_mode(False), torch.enable_grad():
            for n, image in enumerate(evidence.images.detach().split(1)):
                mean = evidence.references(n, REFERENCES, seed=0).mean(0, keepdim=True)
                if bool(image.isfinite().all()):
                    maps[n] = contributions_to(evidence, image, mean).detach().abs().sum(1)
        return maps

    def attribute(self, evidence: Evidence, image: Tensor) -> Tensor:
        """Return signed contributions (K,3,H,W) for an image (1,3,H,W) with the grey baseline."""
        return contributions_to(evidence, image, torch.zeros_like(image))


def contributions_to(evidence: Evidence, image: Tensor, baseline: Tensor) -> Tensor:
    """Return signed contributions (K,3,H,W) to the logits of an image (1,3,H,W) less those of a baseline (1,3,H,W).

    Raises ``NotAvailableError`` if they do not sum to this difference.
    """
    pair = torch.cat([image, baseline])
    multipliers = Multipliers()
    contributions = (image - baseline) * torch.cat(list(multipliers.gradients(evidence, pair)))
    with torch.no_grad():
        logits = evidence.network(pair)
    _require_sum(contributions, logits[0] - logits[1])
    return contributions


def _require_sum(contributions: Tensor, difference: Tensor) -> None:
    """Raise ``NotAvailableError`` if contributions (K,3,H,W) do not sum to the difference of the logits (K,)."""
    flat = contributions.flatten(1)
    miss, scale = (flat.sum(1) - difference).abs(), flat.abs().sum(1)
    if bool((miss > CLOSE * scale.clamp(min=TINY)).any()):
        share = float((miss / scale.clamp(min=TINY)).max())
        raise NotAvailableError(
            f"the contributions of the pixels do not add up to the difference of the logits ({share:.1%} is missing): "
            "deeplift has no rule for a layer of this network"
        )


class Multipliers(Tracer):
    """Gradients that are the multipliers of the image, the first of two; the second is the baseline."""

    method = "deeplift"
    rules: ClassVar[Mapping[str, Rule]]


def _quotient(x: Tensor, y: Tensor) -> Tensor:
    """Return the difference of y from the baseline divided by that of x, nan where x is equal; x, y are (2,...)."""
    change, equal = x[:1] - x[1:], EQUAL * x.abs().amax(0, keepdim=True)
    return torch.where(change.abs() <= equal, torch.nan, (y[:1] - y[1:]) / change).expand_as(y)


_rescale = elementwise(_quotient)


def _halves(x: Tensor) -> Tensor:
    """Return the mean of image and baseline, without gradient."""
    return x.detach().mean(0, keepdim=True).expand_as(x)


def _product(tracer: Tracer, func: Any, *args: Any, **kwargs: Any) -> Tensor:
    """Share a product of two values that depend on the image equally, as the differences of both at their means."""
    y = func(*args, **kwargs)
    places = [
        n for n, value in enumerate(args) if isinstance(value, Tensor) and value in tracer.depends
    ]
    if len(places) < 2:
        return y
    first, second = (
        [_halves(v) if n == fixed else v for n, v in enumerate(args)] for fixed in places[:2]
    )
    return passing(y, func(*first, **kwargs) + func(*second, **kwargs))


def _ratio(tracer: Tracer, func: Any, x: Tensor, divisor: Any, *args: Any, **kwargs: Any) -> Tensor:
    if not isinstance(divisor, Tensor) or divisor not in tracer.depends:
        return func(x, divisor, *args, **kwargs)
    inverse = _rescale(tracer, torch.reciprocal, divisor)
    tracer.depends[inverse] = True
    return _product(tracer, torch.mul, x, inverse)


def _log_sum_exp(tracer: Tracer, func: Any, x: Tensor, dim: Any, keepdim: bool = False) -> Tensor:
    """Weight x by the softmax between those of image and baseline with which the differences add up.

    It exists: log sum exp is convex, so its difference lies between those of its two tangents.
    """
    y = func(x, dim, keepdim=True)
    share = x.detach().softmax(dim)
    change, whole = x.detach()[:1] - x.detach()[1:], y.detach()[:1] - y.detach()[1:]
    high, low = (share * change).sum(dim, keepdim=True).split(1)
    between = torch.where(high - low > TINY, (whole - low) / (high - low), 0.5).clamp(0, 1)
    weights = between * share[:1] + (1 - between) * share[1:]
    out = passing(y, (weights * x).sum(dim, keepdim=True))
    return out if keepdim else out.squeeze(dim)


def _softmax(
    tracer: Tracer, func: Any, x: Tensor, dim: Any = -1, *args: Any, **kwargs: Any
) -> Tensor:
    return _rescale(
        tracer, torch.exp, x - _log_sum_exp(tracer, torch.logsumexp, x, dim, keepdim=True)
    )


def _gather(tracer: Tracer, func: Any, x: Tensor, dim: int, index: Tensor, **kwargs: Any) -> Tensor:
    """Attribute a maximum: to the place of the image's maximum if it is the larger one, else to the baseline's."""
    y = func(x, dim, index)
    rise = (y[:1] - y[1:]).detach()
    terms = []
    for place, counts in ((index[:1], rise > 0), (index[1:], rise < 0)):
        values = func(x, dim, place.expand_as(index))
        change = (values[:1] - values[1:]).detach()
        terms.append(values * torch.where(counts & (change.abs() > TINY), rise / change, 0))
    return passing(y, terms[0] + terms[1])


def _max_pool(pool: Any, tracer: Tracer, func: Any, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    y, index = pool(
        x, *args, **{name: value for name, value in kwargs.items() if name != "return_indices"}
    )
    return _gather(tracer, torch.gather, x.flatten(2), 2, index.flatten(2)).reshape(y.shape)


Multipliers.rules = {
    **dict.fromkeys((*ELEMENTWISE, "sigmoid", "hardsigmoid", "log_sigmoid"), _rescale),
    **dict.fromkeys(
        ("exp", "log", "sqrt", "rsqrt", "square", "reciprocal", "abs", "clamp", "clamp_min"),
        _rescale,
    ),
    **dict.fromkeys(("mul", "matmul", "bmm", "einsum"), _product),
    **dict.fromkeys(("div", "truediv", "true_divide"), _ratio),
    "softmax": _softmax,
    "logsumexp": _log_sum_exp,
    "gather": _gather,
    "max_pool2d": partial(_max_pool, functional.max_pool2d_with_indices),
    "adaptive_max_pool2d": partial(_max_pool, functional.adaptive_max_pool2d_with_indices),
}
