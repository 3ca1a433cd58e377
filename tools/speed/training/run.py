"""A run: every stage timed, training beside its network alone, a long run watched, one record."""

import logging
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmark.training import devices
from benchmark.training.machine import configure_torch, has_fast_bfloat16, precision
from config import TrainConfig
from tools.speed import machine, subject
from tools.speed.record import Setting
from tools.speed.training import decoding, epochs, flags, long, stages
from tools.speed.training.config import TrainingSpeedConfig
from tools.speed.training.record import CPU, GPU, Rate, TrainingRecord

log = logging.getLogger(__name__)
MEASURED = (
    *("backbones", "size", "batch", "gpu_batch", "steps", "augments", "files", "file_side", "decoded"),
    *("long", "long_backbone", "long_batch", "rounds"),
)
"""Flags that decide what is measured."""
PACKAGES = ("torch", "lightning", "timm", "numpy", "pillow", "opencv-python-headless")


def run(config: TrainingSpeedConfig) -> TrainingRecord:
    """Measure all that the flags ask for. Raises ``core.errors`` types."""
    begun = time.perf_counter()
    configure_torch(config.threads)
    for room in ("benchmark.training", "datasets"):
        logging.getLogger(room).setLevel(logging.WARNING)  # what each of the many trainings says of itself
    where = machine.describe(torch.get_num_threads(), PACKAGES, torch.cuda.get_device_name() if devices.gpus() else "")
    with tempfile.TemporaryDirectory() as folder:
        rows = tuple(_rows(config, Path(folder)))
    setting = Setting(backbone=config.long_backbone, size=config.size, batch=config.long_batch)
    log.info("memory: %d images", config.long)
    watched = long.watched(setting, config.long) if config.long else None
    return TrainingRecord(**subject.stated(config, MEASURED, where, begun), devices=_devices(), rows=rows, long=watched)


def _rows(config: TrainingSpeedConfig, folder: Path) -> Iterator[Rate]:
    yield from decoding.rates(config, folder)
    for device in _devices():
        for backbone in config.backbones:
            batch = config.batch if device == CPU else config.gpu_batch
            setting = Setting(backbone=backbone, size=config.size, batch=batch)
            log.info("%s on %s", backbone, device)
            yield from stages.rates(setting, device, config, folder)
            for augment in config.augments:
                yield from epochs.rates(setting, device, augment, config, folder)
    log.info("flags, %s", config.backbones[0])
    yield from flags.rates(Setting(backbone=config.backbones[0], size=config.size, batch=config.batch), config, folder)


def _devices() -> dict[str, str]:
    """Place -> what it is, and the precision there."""
    names = {CPU: "the processor"} | ({GPU: torch.cuda.get_device_name()} if devices.gpus() else {})
    return {
        device: f"{name}, --precision auto is {precision(TrainConfig(), has_fast_bfloat16(device))}"
        for device, name in names.items()
    }
