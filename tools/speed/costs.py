"""Time each method of Locus alone, on one thread."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import torch

from locus import backbones, methods
from locus.core.errors import NotAvailableError
from locus.explaining.batch import explain
from locus.flags.parser import AtLeast
from tools.speed import timing
from tools.speed.timing import NOTHING, short, table

FINDINGS, IMAGES = 8, 8
SIZES = {"custom": 128, "resnet18": 160, "densenet121": 128}
"""Side in pixels of a network's images, as in the suite ``phantom``; 224 for others."""
SLOW = 62.5
"""Milliseconds per image above which a method is timed on one image instead of ``IMAGES``."""


@dataclass(frozen=True)
class CostsConfig:
    """Time each method of Locus: ``python -m tools.speed costs``."""

    backbones: tuple[str, ...] = ("custom", "resnet18", "densenet121")
    """Networks to explain, with PCAM pooling."""
    methods: tuple[str, ...] = ("all",)
    """Methods to time."""
    rounds: Annotated[int, AtLeast(1)] = 5
    """Maximum number of calls of each method within half a second; the fastest counts."""


def report(config: CostsConfig) -> Iterator[str]:
    """Yield the machine and a table of CPU milliseconds per image, the maps of all findings."""
    torch.set_num_threads(1)
    yield timing.machine(1, "torch", "timm")
    networks = [(backbone, SIZES.get(backbone, 224)) for backbone in config.backbones]
    columns = [_costs(backbone, size, config) for backbone, size in networks]
    names = sorted(columns[0], key=lambda name: columns[0][name] or math.inf)
    rows = [(f"`{name}`", *(short(column[name]) for column in columns)) for name in names]
    header = ("method", *(f"{backbone} at {size} px" for backbone, size in networks))
    yield table(header, [row for row in rows if set(row[1:]) != {NOTHING}])


def _costs(backbone: str, size: int, config: CostsConfig) -> dict[str, float | None]:
    """Return the milliseconds of each method; None if it does not support the network."""
    torch.manual_seed(0)
    model = backbones.build(backbone, FINDINGS, global_pool="PCAM").eval()
    images = torch.randn(IMAGES, 3, size, size)
    return {
        name: _cost(model, images, name, config.rounds) for name in methods.expand(config.methods)
    }


def _cost(
    model: backbones.Classifier, images: torch.Tensor, name: str, rounds: int
) -> float | None:
    try:
        first = timing.once(lambda: explain(model, images[:1], name))
    except NotAvailableError:
        return None
    batch = images if first.cpu < SLOW else images[:1]
    return timing.fastest({name: lambda: explain(model, batch, name)}, rounds, 0.5)[name].cpu / len(
        batch
    )
