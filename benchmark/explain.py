"""One forward pass, the gradients of all findings through the head alone, the same evidence for every method."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

import methods as wing
from backbones.probe import evaluating
from core.errors import BadValueError, NotAvailableError
from core.frames import Grid
from methods.base import Evidence, Method

if TYPE_CHECKING:
    from backbones import Classifier


class Maps(dict[str, Tensor]):
    """Method's word -> (N,K,h,w) float32 raw maps; ``grids[word]`` says where they look, ``logits`` is (N,K)."""

    def __init__(self, logits: Tensor) -> None:
        """An empty set of maps for a batch with these ``logits``, (N,K)."""
        super().__init__()
        self.logits = logits
        self.grids: dict[str, Grid] = {}


def explain(
    model: "Classifier",
    images: Tensor,
    methods: Sequence[str | Method | type[Method]] = ("cam", "gradcampp"),
    findings: Sequence[int] | None = None,
    layer: str | None = None,
) -> Maps:
    """Raw maps of several methods for a batch, by one forward pass.

    Args:
        model: a ``backbones.Classifier`` (built or wrapped); it runs in evaluation mode and is left as it was.
        images: (N,3,H,W) float, normalised, on the model's device.
        methods: words, ``file.py:Class`` words, classes or instances; their order and number change no map.
        findings: positions of the model's outputs to explain, all by default.
        layer: only the pooled map (None) is explained.

    Returns:
        ``Maps``: word -> (N,K,h,w) float32, K in the order of ``findings``; ``.grids[word]``, ``.logits`` (N,K).

    Raises:
        UnknownNameError: an unknown method. NotAvailableError: a method that has no answer for this model
        (``cam`` needs a linear head: a model wrapped with a callable head has none).
        BadValueError: images of another shape, a finding that the model doesn't have.
    """
    if layer is not None:
        raise NotAvailableError(f"layer {layer!r} cannot be explained: maps are taken from the pooled features (layer=None)")
    parts = dict(named(method) for method in ([methods] if isinstance(methods, str) else methods))
    evidence = gather(model, images, findings)
    maps = Maps(evidence.logits)
    for word, part in parts.items():
        maps[word], maps.grids[word] = one(part, evidence), evidence.grid
    return maps


def named(method: str | Method | type[Method]) -> tuple[str, Method]:
    """A method's word and the method: ``noise:seed=3`` keeps its options, a class goes by its own name."""
    if not isinstance(method, str):
        part = method if isinstance(method, Method) else method()
        return part.name, part
    part = wing.build(method)
    return (method if method.split(":")[0] == part.name else part.name), part


def one(method: Method, evidence: Evidence) -> Tensor:
    """(N,K,h,w) float32 maps of one method. Raises ``NotAvailableError`` where it has no answer for this model."""
    with _plain():
        return method(evidence).float()


def gather(model: "Classifier", images: Tensor, findings: Sequence[int] | None = None) -> Evidence:
    """What one forward pass tells: see ``methods.base.Evidence``. Works under ``no_grad`` and ``inference_mode`` too."""
    if images.ndim != 4:
        raise BadValueError(f"images must be (N,3,H,W), got shape {tuple(images.shape)}")
    with _plain(), evaluating(model):
        images = images.clone() if images.is_inference() else images.detach()
        A = model.features(images).float()
        logits = model.head(A)
        grid = model.grid((images.shape[-2], images.shape[-1]))
    chosen = _chosen(logits.shape[1], findings)
    ask = _Questions(model, A, list(chosen))
    return Evidence(
        images=images,
        A=A,
        logits=logits[:, list(chosen)],
        head=ask.head,
        read_class_maps=ask.class_maps,
        read_gradients=ask.gradients,
        read_bias=ask.bias,
        grid=grid,
        pooling=getattr(model, "pooling", ""),
        findings=chosen,
    )


@dataclass(frozen=True, eq=False)
class _Questions:
    """What a method may ask of a model about a feature map ``A``, for the findings in ``columns``."""

    model: "Classifier"
    A: Tensor
    columns: list[int]

    def head(self, features: Tensor) -> Tensor:
        with evaluating(self.model):
            return self.model.head(features)[:, self.columns]

    def gradients(self) -> Tensor:
        with _plain(), torch.enable_grad():
            leaf = self.A.detach().requires_grad_()
            return _jacobian(self.head(leaf), leaf)

    def class_maps(self) -> Tensor:
        with _plain(), evaluating(self.model):
            return self.model.class_maps(self.A)[:, self.columns]

    def bias(self) -> Tensor:
        return self.model.bias.detach()[self.columns]


def _jacobian(logits: Tensor, A: Tensor) -> Tensor:
    """(N,K) logits of (N,C,h,w) features -> (N,K,C,h,w): all findings by one vectorised backward pass of the head."""
    n, k = logits.shape
    directions = torch.eye(k, device=logits.device, dtype=logits.dtype).unsqueeze(1).expand(k, n, k)
    (gradients,) = torch.autograd.grad(logits, A, directions, is_grads_batched=True)
    return gradients.transpose(0, 1)  # (K, N, C, h, w) -> (N, K, C, h, w)


def _chosen(count: int, findings: Sequence[int] | None) -> tuple[int, ...]:
    chosen = tuple(range(count)) if findings is None else tuple(findings)
    wrong = [finding for finding in chosen if finding not in range(count)]
    if wrong or not chosen:
        raise BadValueError(f"findings {wrong or '(none)'} are not among the model's outputs 0 … {count - 1}")
    return chosen


@contextmanager
def _plain() -> Iterator[None]:
    """Neither inference mode nor gradients nor autocast: the caller's own settings come back afterwards."""
    with (
        torch.inference_mode(mode=False),
        torch.no_grad(),
        torch.autocast("cpu", enabled=False),
        torch.autocast("cuda", enabled=False),
    ):
        yield
