"""Compile what scores, once for a checkout: ``python -m tools.compile``, as ``make setup`` does.

Every protocol judges maps of a few positions, and a large one, whose threshold is found in another way; the walk that
ranks images is taken, too. What numba compiles lies in its cache from then on, where every command looks. So does the
bytecode of what commands import.
"""

import importlib
from typing import Any

import numpy as np
from torch import tensor

from benchmark.scoring import protocols
from benchmark.scoring.protocols.base import Case
from benchmark.training.metrics import scores

SHAPES = (8, 6), (130, 130)
COMMANDS = "benchmark.pictures.overlay", "benchmark.suite.run", "benchmark.training.run"
"""What they import, and the libraries behind them."""


def cases() -> list[Case]:
    """One of each shape, with a truth box and its mask."""
    maps = [np.random.default_rng(0).random(shape) for shape in SHAPES]
    mask = np.pad(np.ones((15, 15), bool), (5, 10))
    box = np.array([[5.0, 5, 20, 20]])
    truth: dict[str, Any] = {
        "boxes": box,
        "read_mask": lambda: mask,
        "read_lungs": lambda: mask,
        "label": 1,
        "probability": 0.5,
    }
    return [Case(str(n), str(n), "mass", values, "conventional", mask.shape, **truth) for n, values in enumerate(maps)]


def main() -> None:
    """Compile everything, or load it where it is compiled."""
    for name in COMMANDS:
        importlib.import_module(name)
    for name in protocols.names():
        protocols.get(name)().evaluate(cases(), ("mass",))
    scores(tensor([[0.0], [1.0]]), tensor([[0.0], [1.0]]), ("mass",))


if __name__ == "__main__":
    main()
