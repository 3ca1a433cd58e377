"""What main.py's flags change in the time of a step."""

import logging
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tools.speed.record import Setting
from tools.speed.timing import Task, interleaved
from tools.speed.training import timed
from tools.speed.training.config import TrainingSpeedConfig
from tools.speed.training.record import CPU, Rate
from tools.speed.training.trainings import step, training

log = logging.getLogger(__name__)
USUAL = "--precision 32"
FLAGS: Mapping[str, dict[str, Any]] = {
    USUAL: {},
    "--precision bf16-mixed": {"precision": "bf16-mixed"},
    "--channels_last False": {"channels_last": False},
    "--accumulate 2, batches of half the size": {"accumulate": 2},
    "--ema 0.999": {"ema": 0.999},
    "--compile True": {"compile": True},
    "--compile True, --precision bf16-mixed": {"compile": True, "precision": "bf16-mixed"},
}
"""What the page calls them -> the flags, each beside single precision."""


def rates(setting: Setting, config: TrainingSpeedConfig, folder: Path) -> list[Rate]:
    """The rows of one network on the CPU. What is compiled is compiled in its first call, which is not timed."""
    missing = "" if config.compiled else "--compiled False"
    missing = missing or ("" if shutil.which("g++") else "torch.compile needs the C++ compiler g++, and there is none")
    steps = {
        word: _step(setting, folder, {"precision": "32", **flags})
        for word, flags in FLAGS.items()
        if not (missing and "compile" in flags)
    }
    for word, call in steps.items():
        log.info("  first step with %s", word)
        call()
    measured = interleaved({Task(word, 0): call for word, call in steps.items()}, config.rounds)
    rows = [timed.row("flags", CPU, setting, task.contender, setting.batch, times) for task, times in measured.items()]
    left = [word for word in FLAGS if word not in steps]
    return [*rows, *(_left_out(setting, word, missing) for word in left)]


def _step(setting: Setting, folder: Path, flags: dict[str, Any]) -> Callable[[], None]:
    one = training(setting, CPU, setting.batch, folder, **flags)
    one.module.train()
    return step(one)


def _left_out(setting: Setting, word: str, reason: str) -> Rate:
    known = {"group": "flags", "place": CPU, "setting": setting, "contender": word, "images": setting.batch}
    return Rate(**known, wall_ms=None, cpu_ms=None, rounds=0, reason=reason)
