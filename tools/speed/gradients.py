"""Compare methods that pass gradients through the whole network with plain torch and captum: time and memory.

All contenders explain one image, ``FINDINGS`` findings, from the logits to the pixels.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import torch
from torch import Tensor, nn

from locus import backbones
from locus.backbones import Classifier
from locus.explaining.batch import explain
from locus.flags.parser import AtLeast
from tools.speed import timing
from tools.speed.methods import TINY, Call, Contender
from tools.speed.timing import Time, short, table

FINDINGS = 8
CHAINS = ("custom", "vgg16")
"""Networks that captum's LRP explains."""
PLAIN = "plain torch: one forward, eight gradients"


@dataclass(frozen=True)
class GradientsConfig:
    """Time and measure methods of whole gradients: ``python -m tools.speed gradients``."""

    transformers: tuple[str, ...] = ("vit_tiny_patch16_224",)
    """Networks that FullGrad explains by balanced gradients."""
    networks: tuple[str, ...] = ("custom", "vgg16")
    """Networks that LRP explains."""
    size: Annotated[int, AtLeast(32)] = 224
    """Side in pixels of the square image."""
    rounds: Annotated[int, AtLeast(1)] = 7
    """Number of rounds. All contenders are timed in turn, and the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 5.0
    """Seconds after which a contender is not timed again."""


def plain(model: Classifier, image: Tensor, findings: Sequence[int]) -> Call:
    """Input x gradient by autograd alone: one forward pass, one backward pass per finding."""

    def call() -> list[Tensor]:
        leaf = image.clone().requires_grad_()
        logits = model(leaf)[0]
        return [
            torch.autograd.grad(logits[k], leaf, retain_graph=True)[0] * image for k in findings
        ]

    return call


def locus(method: str) -> Contender:
    """Maps of a ``method`` by Locus."""
    return lambda model, image, findings: lambda: explain(model, image, [method], findings)


def captum(name: str) -> Contender:
    """captum's class ``name``, an attribution per finding; LRP with its rule of positive weights for convolutions."""

    def prepare(model: Classifier, image: Tensor, findings: Sequence[int]) -> Call:
        from captum import attr
        from captum.attr._utils.lrp_rules import Alpha1_Beta0_Rule

        network: Any = model.extractor
        network = (
            network.module if name == "LRP" else model
        )  # captum has no rule for Locus' modules
        for module in network.modules():
            if isinstance(module, nn.Conv2d):
                module.rule = Alpha1_Beta0_Rule(set_bias_to_zero=True)

        def call() -> list[Tensor]:
            return [
                getattr(attr, name)(network).attribute(image.clone().requires_grad_(), target=k)
                for k in findings
            ]

        return call

    return prepare


CONTENDERS: dict[str, Contender] = {
    PLAIN: plain,
    "Locus, FullGrad": locus("fullgrad"),
    "Locus, input x gradient": locus("fullgrad:layers=input"),
    "captum, InputXGradient": captum("InputXGradient"),
    "Locus, LRP": locus("lrp"),
    "captum, LRP": captum("LRP"),
}
OF_TRANSFORMERS = (PLAIN, "Locus, FullGrad", "Locus, input x gradient", "captum, InputXGradient")
OF_NETWORKS = (PLAIN, "Locus, LRP", "captum, LRP")


def report(config: GradientsConfig) -> Iterator[str]:
    """Yield the machine, and a table of milliseconds and MiB for the networks of each group."""
    torch.set_num_threads(1)
    yield timing.machine(1, "torch", "timm", "captum")
    for names, contenders in (
        (config.transformers, OF_TRANSFORMERS),
        (config.networks, OF_NETWORKS),
    ):
        for name in names:
            times = _times(name, contenders, config)
            first = times[contenders[0]].least
            peaks = {
                contender: timing.in_new_process(_memory, name, contender, config.size)
                for contender in contenders
            }
            rows = [
                (
                    contender,
                    short(times[contender].least),
                    short(times[contender].least / first),
                    short(peaks[contender]),
                )
                for contender in contenders
            ]
            yield table((f"{name} at {config.size} px", "ms", "times plain torch", "MiB"), rows)


class Chain(nn.Module):
    """Network of modules for which captum has a rule: the small CNN of Locus, or VGG-16's convolutions, and a head."""

    def __init__(self, name: str) -> None:
        super().__init__()
        extractor: Any = backbones.build(name, FINDINGS).extractor
        layers = [
            layer
            for stage in extractor
            for layer in (stage if isinstance(stage, nn.Sequential) else [stage])
        ]
        width = [layer for layer in layers if isinstance(layer, nn.Conv2d)][-1].out_channels
        self.body = nn.Sequential(
            *(nn.ReLU() if isinstance(layer, nn.ReLU) else layer for layer in layers)
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(width, FINDINGS)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,K) of images (N,3,H,W)."""
        return self.fc(self.pool(self.body(images)).flatten(1))


def _build(name: str, size: int) -> tuple[Classifier, Tensor]:
    """Return a network with random weights in evaluation mode and one image (1,3,H,W)."""
    torch.manual_seed(0)
    if name in CHAINS:
        model = backbones.wrap(Chain(name).eval(), features="body", head="fc")
    else:
        model = backbones.build(name, FINDINGS).eval()
    return model, torch.randn(1, 3, size, size)


def _times(name: str, contenders: Sequence[str], config: GradientsConfig) -> dict[str, Time]:
    model, image = _build(name, config.size)
    calls = {
        contender: CONTENDERS[contender](model, image, range(FINDINGS)) for contender in contenders
    }
    for call in calls.values():
        call()
    return timing.fastest(calls, config.rounds, config.budget)


def _memory(name: str, contender: str, size: int) -> float | None:
    """Return the peak memory in MiB of a second call, in addition to packages, model, image and thread pools."""
    torch.set_num_threads(1)
    model, image = _build(name, size)
    CONTENDERS[contender](model, image[..., :TINY, :TINY].contiguous(), [0])()
    call = CONTENDERS[contender](model, image, range(FINDINGS))
    before = timing.reset_peak()
    result = call()  # the memory of the result counts
    after = timing.peak()
    del result
    return None if before is None or after is None else max(0.0, after - before)
