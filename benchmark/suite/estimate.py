"""Estimate the cost of a suite before it runs: hours of training, disk space. Uses measured rates and reads no data.

The rates come from ``tools.scale`` (docs/scale.md); a test compares them.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmark.report.sentences import counted
from benchmark.suite.selection import ModelTask, missing_data
from config import TrainConfig
from core.names import CLASSIFIER, ON_PIXELS

RATES: dict[str, Any] = json.loads(Path(__file__).with_name("rates.json").read_text(encoding="utf-8"))
EXAMPLE = 500
"""Assumed images per second for the GPU hours; this rate is not measured."""
MEASURED = "integrated_gradients"
"""The slow method whose time was measured."""
STRIDE, HALF, CHECKPOINTS = 32, 2, 16
"""Pixels per position of a map, bytes per position, and bytes per weight in the two checkpoints of a training run."""


def lines(tasks: Sequence[ModelTask], runs_dir: Path) -> Iterator[str]:
    """Yield sentences about the cost of the ``tasks``; no estimate if a network or data set has no measured rate."""
    plans = [config for task in tasks for config in task.model.trainings]
    measured = all(c.dataset in RATES["data_sets"] and c.backbone in RATES["networks"] for c in plans)
    has_estimate = bool(plans) and measured
    if waiting := sum(len(task.cells) for task in tasks if missing_data(task.model)):
        about = f"  {counted(waiting, 'cell')} cannot run, because data are missing"
        yield f"{about}; estimates with the data present:" if has_estimate else about
    if not has_estimate:
        return
    runs = (run for task in tasks for run in task.model.run_configs(runs_dir).items())
    missing = [config for folder, config in runs if not (folder / "best.ckpt").is_file()]
    seen = sum(config.epochs * _size(config)["train_val"] for config in missing)
    seconds = sum(config.epochs * _size(config)["train_val"] * _seconds(config, "training_s") for config in missing)
    hours = seconds / 3600
    first_runs = [task.model.trainings[0] for task in tasks]
    explained = sum(_size(config)["boxed"] * _seconds(config, "explaining_s") for config in first_runs)
    yield (
        f"  {counted(len(missing), 'training run')} with {seen:,} image passes (images × epochs): {hours:.0f} hours on "
        f"{RATES['machine']} (measured); {seen / EXAMPLE / 3600:.1f} GPU hours if a GPU trains {EXAMPLE} images per "
        "second (not measured)"
    )
    yield (
        f"  maps of fast methods: {explained / 3600:.2f} hours on {RATES['machine']}{_slow(tasks)}; scoring takes "
        "minutes per model"
    )
    sizes = ", ".join(f"{name} {gigabytes:.1f} GB" for name, gigabytes in _disk(tasks, missing).items())
    yield f"  disk: {sizes}; an interrupted run resumes"


def _slow(tasks: Sequence[ModelTask]) -> str:
    """Return the hours of Integrated Gradients, and the names of other methods on pixels, which were not measured."""
    using = [task.model.trainings[0] for task in tasks if MEASURED in _methods(task)]
    seconds = sum(_maps(config) * _seconds(config, f"{MEASURED}_s") for config in using)
    others = sorted(set().union(*map(_methods, tasks)) & ON_PIXELS - {MEASURED})
    known = f"; of {MEASURED}: {seconds / 3600:.1f} hours" if using else ""
    return known + (f"; {', '.join(others)}: not estimated" if others else "")


def _methods(task: ModelTask) -> set[str]:
    return {cell.method for cell in task.cells} - {CLASSIFIER}


def _maps(config: TrainConfig) -> int:
    """Number of maps of a method: images with boxes, times findings."""
    return _size(config)["boxed"] * (config.num_classes or _size(config)["findings"])


def _size(config: TrainConfig) -> dict[str, int]:
    return dict(RATES["data_sets"][config.dataset])


def _seconds(config: TrainConfig, rate: str) -> float:
    """Seconds per image, proportional to its pixels."""
    return float(RATES["networks"][config.backbone][rate]) * (config.img_size / RATES["img_size"]) ** 2


def _disk(tasks: Sequence[ModelTask], missing: Sequence[TrainConfig]) -> dict[str, float]:
    """GB of the pixel cache, of the missing checkpoints, and of all maps."""
    caches = {(config.dataset, config.img_size): config for task in tasks for config in task.model.trainings}
    positions = 0
    for task in tasks:
        config = task.model.trainings[0]
        names = _methods(task)
        on_pixels = len(names & ON_PIXELS)
        per_map = (len(names) - on_pixels) * (config.img_size // STRIDE) ** 2 + on_pixels * config.img_size**2
        positions += per_map * _maps(config)
    return {
        "cache": sum(_size(config)["images"] * config.img_size**2 for config in caches.values()) / 1e9,
        "checkpoints": sum(RATES["networks"][config.backbone]["weights"] * CHECKPOINTS for config in missing) / 1e9,
        "maps": positions * HALF / 1e9,
    }
