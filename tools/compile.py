"""Compile the numba functions once per checkout: ``python -m tools.compile``, as ``make setup`` does.

Every protocol scores a small map and a large one, for which thresholds are searched differently, and images are ranked
once. All commands then use the cache of numba, and the bytecode of the modules that they import.
"""

import importlib
from typing import Any

import numpy as np
from torch import tensor

from locus.benchmark.training.metrics import scores
from locus.scoring import protocols
from locus.scoring.protocols.base import Case

SHAPES = (8, 6), (130, 130)
CASES_PER_SHAPE = 5
"""A protocol that needs boxes of five other patients is scored, too."""
COMMANDS = (
    "locus.benchmark.heatmaps.overlay",
    "locus.benchmark.heatmaps.pictures",
    "locus.benchmark.suite.run",
    "locus.benchmark.training.run",
)
"""Modules that commands import."""


def cases() -> list[Case]:
    """Return some cases of each shape, each of another patient, with a truth box and its mask."""
    random = np.random.default_rng(0)
    maps = [random.random(shape) for shape in SHAPES for _ in range(CASES_PER_SHAPE)]
    mask = np.pad(np.ones((15, 15), bool), (5, 10))
    box = np.array([[5.0, 5, 20, 20]])
    truth: dict[str, Any] = {
        "boxes": box,
        "read_mask": lambda: mask,
        "label": 1,
        "probability": 0.5,
    }
    return [
        Case(str(n), str(n), "mass", values, "conventional", mask.shape, **truth)
        for n, values in enumerate(maps)
    ]


def main() -> None:
    """Call all functions, so that they are compiled or loaded from the cache."""
    for name in COMMANDS:
        importlib.import_module(name)
    for name in protocols.names():
        protocols.get(name)().evaluate(cases(), ("mass",))
    scores(tensor([[0.0], [1.0]]), tensor([[0.0], [1.0]]), ("mass",))


if __name__ == "__main__":
    main()
