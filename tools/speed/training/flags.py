"""Time training steps with different flags of main.py."""

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tools.speed.names import SINGLE
from tools.speed.record import On, Row
from tools.speed.timing import Task, Times, interleaved, row
from tools.speed.training.subject import TrainingSpeedConfig
from tools.speed.training.trainings import step, training

log = logging.getLogger(__name__)
FLAGS: Mapping[str, dict[str, Any]] = {
    SINGLE: {},
    "--precision bf16-mixed": {"precision": "bf16-mixed"},
    "--channels_last False": {"channels_last": False},
    "--accumulate 2, batches of half the size": {"accumulate": 2},
    "--ema 0.999": {"ema": 0.999},
    "--compile True": {"compile": True},
    "--compile True, --precision bf16-mixed": {"compile": True, "precision": "bf16-mixed"},
}
"""Name on the page -> flags, in addition to single precision."""


def rates(on: On, config: TrainingSpeedConfig, folder: Path) -> list[Row]:
    """Return the rows of one network on the CPU. The first call, which compiles, is not timed."""
    missing = "" if config.compiled else "--compiled False"
    missing = missing or ("" if shutil.which("g++") else "torch.compile requires the C++ compiler g++")
    possible = {word: flags for word, flags in FLAGS.items() if not (missing and "compile" in flags)}
    steps = {word: _step(on, folder, {"precision": "32", **flags}) for word, flags in possible.items()}
    for word, call in steps.items():
        log.info("  first step with %s", word)
        call()
    measured = interleaved({Task(word, 0): call for word, call in steps.items()}, config.rounds)
    times = {task.contender: times for task, times in measured.items()}
    return [row("flags", on, word, times.get(word, Times()), int(on["batch"]), missing) for word in FLAGS]


def _step(on: On, folder: Path, flags: dict[str, Any]) -> Callable[[], None]:
    one = training(on, int(on["batch"]), folder, **flags)
    one.module.train()
    return step(one)
