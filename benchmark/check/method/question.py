"""What a question is, and what it is asked about: one method on one small model."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

import backbones
from backbones import Classifier
from benchmark.explain import Maps, explain_anything, gather
from core.seeds import generator
from methods.base import Evidence, Method

Verdict = Literal["pass", "info", "fail"]
TOLERANCE = 1e-5
"""Largest difference of two maps that count as the same, in shares of their largest value."""


@dataclass(frozen=True)
class Observation:
    """What an examiner saw."""

    verdict: Verdict
    text: str
    size: float = 0.0
    """How large a difference was; over several models the largest is reported."""


def judged(good: bool, text: str) -> Observation:
    """An observation that passes or fails."""
    return Observation("pass" if good else "fail", text)


@dataclass(frozen=True)
class Question:
    """One question that every method is asked."""

    name: str
    ask: Callable[["MethodOnModel"], Observation]
    meaning: str
    """What a failure means and where to look."""


def question(meaning: str) -> Callable[[Callable[["MethodOnModel"], Observation]], Question]:
    """Makes a question of the function that asks it and goes by its name; ``meaning`` is what a failure means."""
    return lambda ask: Question(ask.__name__.replace("_", " "), ask, meaning)


@dataclass(frozen=True, eq=False)
class MethodOnModel:
    """A method and a model that it serves."""

    make: Callable[[], Method]
    """A new instance of the method."""
    name: str
    """The model's name in a table."""
    model: Classifier
    images: Tensor
    """(N,3,H,W) random images."""
    spare: list[tuple[Classifier, dict[str, Any]]] = field(default_factory=list)
    """The copy of the model that questions are asked about, and its state; none before the first."""

    def maps(
        self, images: Tensor | None = None, findings: Sequence[int] | None = None, method: Method | None = None
    ) -> Tensor:
        """(N,K,h,w) maps of the method alone, as a user gets them; all findings unless some are named."""
        method = method or self.make()
        return self.maps_of([method], images, findings)[method.name]

    def maps_of(
        self, methods: Sequence[str | Method], images: Tensor | None = None, findings: Sequence[int] | None = None
    ) -> Maps:
        """The maps of several methods from one forward pass."""
        return explain_anything(self.model, self.images if images is None else images, list(methods), findings)

    def evidence(self) -> Evidence:
        """What the method is given."""
        return gather(self.model, self.images)


def same(maps: Tensor, expected: Tensor, what: str) -> Observation:
    """Whether two sets of maps are equal up to ``TOLERANCE`` of the largest value of ``expected``."""
    if maps.shape != expected.shape:
        text = f"{what}: maps of shape {tuple(maps.shape)} instead of {tuple(expected.shape)}"
        return Observation("fail", text, float("inf"))
    if torch.equal(maps, expected):
        return Observation("pass", "exactly the same")
    share = float((maps - expected).abs().max() / expected.abs().max())
    verdict: Verdict = "pass" if share <= TOLERANCE else "fail"  # a nan is no pass
    return Observation(verdict, f"{what}: maps differ by {share:.1g} of their largest value", share)


def first_failure(answers: Sequence[Observation]) -> Observation:
    """The first that failed, else the one that saw most."""
    failed = [seen for seen in answers if seen.verdict == "fail"]
    return failed[0] if failed else max(answers, key=lambda seen: seen.size)


FAST = (("custom", "AVG", 64), ("custom", "PCAM", 64), ("test_resnet", "AVG", 64), ("test_vit", "AVG", 64))
"""Backbone, pooling and side of the image for methods that cost about one forward pass."""
SLOW = (("custom", "AVG", 32), ("custom", "PCAM", 32), ("test_vit", "AVG", 32))
"""Backbone, pooling and side of the image for methods that cost hundreds of forward passes."""
FINDINGS = 3
IMAGES = 3


def on_models(make: Callable[[], Method]) -> list[MethodOnModel]:
    """The method ``make`` on each of the small models: random weights, calibrated norms, heads as strong as trained."""
    return [on_model(make, *words) for words in (FAST if make().is_fast() else SLOW)]


def on_model(make: Callable[[], Method], backbone: str, pooling: str, side: int) -> MethodOnModel:
    """The method on one model and images of ``side`` pixels, the same for every method: questions get copies."""
    images = _noise("images", IMAGES, 3, side, side)
    return MethodOnModel(make, f"{backbone}-{pooling}", _model(backbone, pooling, side), images)


@functools.cache
def _model(backbone: str, pooling: str, side: int) -> Classifier:
    with torch.random.fork_rng():  # the caller's random state is not ours
        torch.manual_seed(0)
        model = backbones.build(backbone, FINDINGS, pooling)
    with torch.no_grad():
        model.train()(_noise("calibration", 8, 3, side, side))  # random weights need norms of their own size
        model.weight.copy_(_noise("weights", *model.weight.shape))
    model.grid((side, side))  # kept by every copy
    return model.eval()


def _noise(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(generator(0, "conformance", name).standard_normal(shape).astype("float32"))
