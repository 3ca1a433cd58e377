"""Run a training and print the times of the listing, the first step and the epochs as one line of JSON.

``python -m tools.scale.watched STEPS --flag value ...`` takes the flags of main.py and stops after STEPS steps (0: at
the end).
"""

import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmark.training.listing import load_splits
from config import TrainConfig
from core import cli
from datasets.io.decoding_worker import MISSING

if TYPE_CHECKING:
    from benchmark.training.data import SplitImages


def watched(config: TrainConfig, steps: int) -> dict[str, Any]:
    """Train and return the measurements."""
    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        loaded = load_splits(config)
        loaded_s = time.perf_counter() - began
        from benchmark.training import run  # after the listing, as in training.fit
        from benchmark.training.prepare import prepare
        from tools.scale.clocks import Watch

        began = time.perf_counter()
        module, splits = prepare(config, Path(name), loaded)
        listed, decoded_before = time.perf_counter(), _decoded(splits["train"])
        watch = Watch(steps)
        with contextlib.suppress(KeyboardInterrupt):
            run.run_epochs(module, splits, Path(name), (0, 0), watch)
    return {
        "images": len(splits["train"]), "listed": sum(map(len, splits.values())), "decoded_before": decoded_before,
        "listed_s": round(loaded_s + listed - began, 2),
        "first_step_s": round(watch.first_step - listed, 2), "decoded_after": _decoded(splits["train"]),
        "anonymous_kb": watch.anonymous_kb, "epochs": watch.epochs,
    }  # fmt: skip


def _decoded(split: "SplitImages") -> int:
    return int(np.count_nonzero(split.pixels.states != MISSING))


@cli.entry_point
def main(argv: list[str] | None = None) -> None:
    """Train and print the measurements."""
    words = sys.argv[1:] if argv is None else argv
    config, _ = cli.parse(TrainConfig, words[1:], "python -m tools.scale.watched STEPS")
    print(json.dumps(watched(config, int(words[0]))))


if __name__ == "__main__":
    sys.exit(main())
