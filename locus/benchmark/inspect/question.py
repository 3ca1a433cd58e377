"""Rows of the checks' tables; questions about methods, and the small models on which they are asked.

``AnswerRow``, ``conclude``  a row of the table of a method, network or data set, and the verdict
``Question``, ``Observation``  a question about a method, and its answer on one model
``MethodOnModel``, ``on_models``  a method on the small models, which have random weights
``plant_patches``, ``patch_images``  weights and images for which the right place in a map is known

The questions themselves are in ``locus.benchmark.inspect.method``.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from locus import backbones
from locus.backbones import Classifier
from locus.core.errors import examples
from locus.core.types import generator
from locus.explaining.batch import Maps, build_methods, collect_evidence, maps_of
from locus.methods.base import Method
from locus.methods.evidence import Evidence

Verdict = Literal["pass", "note", "info", "fail"]
MAP_TOLERANCE = 1e-5
"""Largest difference between equal maps, as a share of their largest value."""

FAST = (
    ("custom", "AVG", 64),
    ("custom", "PCAM", 64),
    ("test_resnet", "AVG", 64),
    ("test_vit", "AVG", 64),
)
"""Backbone, pooling and side of the image for methods that cost about one forward pass."""
SLOW = (("custom", "AVG", 32), ("custom", "PCAM", 32), ("test_vit", "AVG", 32))
"""Backbone, pooling and side of the image for methods that cost hundreds of forward passes."""
FINDINGS = 3
IMAGES = 3


class AnswerRow(NamedTuple):
    """One row of the table of a method, a network or a data set."""

    question: str
    verdict: Verdict
    seen: str
    meaning: str = ""
    """Meaning of a failure of a method."""


def conclude(name: str, answers: Sequence[AnswerRow], echo: Callable[[str], None]) -> list[str]:
    """``echo`` the verdict on ``name``; return the questions that it fails."""
    failed = [answer.question for answer in answers if answer.verdict == "fail"]
    echo(f"\n{name} {f'fails: {examples(failed, 20)}' if failed else 'passes all checks'}")
    return failed


@dataclass(frozen=True)
class Observation:
    """Answer to a question on one model."""

    verdict: Verdict
    text: str
    size: float = 0.0
    """Size of a difference; the largest over the models is reported."""


def judged(good: bool, text: str) -> Observation:
    """Return an observation that passes or fails."""
    return Observation("pass" if good else "fail", text)


@dataclass(frozen=True)
class Question:
    """A question about a method."""

    name: str
    ask: Callable[["MethodOnModel"], Observation]
    meaning: str
    """Meaning of a failure, and advice."""


def question(meaning: str) -> Callable[[Callable[["MethodOnModel"], Observation]], Question]:
    """Decorate a function as a question with its name; ``meaning``: see ``Question``."""
    return lambda ask: Question(ask.__name__.replace("_", " "), ask, meaning)


@dataclass(frozen=True, eq=False)
class MethodOnModel:
    """A method and a small model."""

    make: Callable[[], Method]
    """Function that returns a new instance of the method."""
    name: str
    """The model's name in a table."""
    model: Classifier
    images: Tensor
    """(N,3,H,W) random images."""

    def maps(
        self,
        images: Tensor | None = None,
        findings: Sequence[int] | None = None,
        method: Method | None = None,
    ) -> Tensor:
        """Compute the maps (N,K,h,w) of the method alone; all findings by default."""
        method = method or self.make()
        return self.maps_of([method], images, findings)[method.name]

    def maps_of(
        self,
        methods: Sequence[str | Method],
        images: Tensor | None = None,
        findings: Sequence[int] | None = None,
    ) -> Maps:
        """Compute the maps of several methods from one forward pass; they may modify their inputs (``inputs``)."""
        evidence = collect_evidence(
            self.model, self.images if images is None else images, findings, draw=self._draw
        )
        return maps_of(build_methods(methods), evidence, guard=False)

    def evidence(self) -> Evidence:
        """Return the evidence of the images."""
        return collect_evidence(self.model, self.images, draw=self._draw)

    def _draw(self, index: int, count: int, seed: int) -> Tensor:
        """Return images of noise in place of those of other patients."""
        return _noise(f"references {seed}", count, *self.images.shape[1:])


def same(maps: Tensor, expected: Tensor, what: str) -> Observation:
    """Check that two sets of maps are equal up to ``MAP_TOLERANCE`` of the largest value of ``expected``."""
    if maps.shape != expected.shape:
        text = f"{what}: maps have the shape {tuple(maps.shape)}, not {tuple(expected.shape)}"
        return Observation("fail", text, float("inf"))
    if torch.equal(maps, expected):
        return Observation("pass", "equal")
    share = float((maps - expected).abs().max() / expected.abs().max())
    verdict: Verdict = "pass" if share <= MAP_TOLERANCE else "fail"  # nan fails
    return Observation(verdict, f"{what}: maps differ by {share:.1g} of their largest value", share)


def first_failure(answers: Sequence[Observation]) -> Observation:
    """Return the first failure, else the observation with the largest difference."""
    failed = [seen for seen in answers if seen.verdict == "fail"]
    return failed[0] if failed else max(answers, key=lambda seen: seen.size)


def on_models(make: Callable[[], Method]) -> list[MethodOnModel]:
    """Return the method ``make`` on each small model, with random weights and calibrated normalisation layers."""
    return [on_model(make, *options) for options in (FAST if make().is_fast() else SLOW)]


def on_model(make: Callable[[], Method], backbone: str, pooling: str, side: int) -> MethodOnModel:
    """Return a method on one model and on images that are the same for every method.

    Args:
        make: builds the method.
        backbone: name of the backbone.
        pooling: name of the pooling.
        side: height and width of the images in pixels.
    """
    images = _noise("images", IMAGES, 3, side, side)
    return MethodOnModel(make, f"{backbone}-{pooling}", _model(backbone, pooling, side), images)


@functools.cache
def _model(backbone: str, pooling: str, side: int) -> Classifier:
    with torch.random.fork_rng():  # keep the caller's random state
        torch.manual_seed(0)
        model = backbones.build(backbone, FINDINGS, pooling)
    with torch.no_grad():
        model.train()(_noise("calibration", 8, 3, side, side))  # calibrate the normalisation layers
        model.weight.copy_(_noise("weights", *model.weight.shape))
    model.grid((side, side))  # cached, also in copies
    return model.eval()


PLANTED_MODEL = "custom-AVG"
"""The small CNN with average pooling, whose weights ``plant_patches`` can set. Under PCAM, Grad-CAM's weights may be
negative, so the right place of its maps is unknown."""
PATCH = 8
"""Side of a patch in pixels: the stride of the small CNN."""
PATCH_THRESHOLD = 0.5
"""A patch has grey value 1, its surroundings 0; the network ignores lower values than this one."""


@torch.no_grad()
def plant_patches(model: Classifier) -> None:
    """Set positive weights of the small CNN so that each position sees its own patch and answers bright patches only.

    The logits of an image with one bright patch then depend on nothing else.
    """
    for layer in model.extractor.modules():
        if isinstance(layer, nn.Conv2d):
            _connect_centre(layer)
        elif isinstance(layer, nn.BatchNorm2d):
            layer.reset_running_stats()
            layer.weight.copy_(0.5 + _noise("gain", *layer.weight.shape).abs())
            layer.bias.zero_()
    first = next(layer for layer in model.extractor.modules() if isinstance(layer, nn.BatchNorm2d))
    first.bias.copy_(-PATCH_THRESHOLD * first.weight)
    model.weight.abs_()


def _connect_centre(convolution: nn.Conv2d) -> None:
    """Keep the central taps of a kernel, with positive weights whose sum is 1: windows do not overlap."""
    side = convolution.kernel_size[0]
    stride = convolution.stride[0]
    edge = (side - stride) // 2
    central = torch.zeros_like(convolution.weight)
    taps = slice(edge, edge + stride)
    central[..., taps, taps] = convolution.weight[..., taps, taps].abs()
    convolution.weight.copy_(central / central.sum((1, 2, 3), keepdim=True))


def patch_images(height: int, width: int) -> Tensor:
    """Return four images (4,3,H,W) of zeros with a bright patch in the quadrants of ``QUADRANTS``, in their order."""
    images = torch.zeros(len(QUADRANTS), 3, height, width)
    for image, (lower, right) in zip(images, QUADRANTS, strict=True):
        top = height // 4 + lower * (height // 2 - PATCH)
        left = width // 4 + right * (width // 2 - PATCH)
        image[:, top : top + PATCH, left : left + PATCH] = 1
    return images


QUADRANTS = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Whether a quadrant is the lower and the right one."""


def quadrant_means(maps: Tensor) -> Tensor:
    """Return the means (N,K,4) of maps (N,K,h,w) in the four ``QUADRANTS``, without a middle row or column."""
    h = maps.shape[-2] // 2
    w = maps.shape[-1] // 2
    rows, columns = (slice(0, h), slice(-h, None)), (slice(0, w), slice(-w, None))
    quadrants = [maps[..., rows[lower], columns[right]] for lower, right in QUADRANTS]
    return torch.stack([quadrant.mean((-2, -1)) for quadrant in quadrants], -1)


def _noise(name: str, *shape: int) -> torch.Tensor:
    return torch.from_numpy(
        generator(0, "conformance", name).standard_normal(shape).astype("float32")
    )
