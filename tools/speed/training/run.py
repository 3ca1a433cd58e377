"""Time all stages and epochs of training, and measure the memory of a long run."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import torch

from benchmark.training.machine import configure_torch, gpus, has_fast_bfloat16, precision
from tools.speed.machine import measured
from tools.speed.names import CPU, GPU
from tools.speed.record import On, Row, SpeedRecord
from tools.speed.training import decoding, epochs, long, stages
from tools.speed.training.subject import TrainingSpeedConfig

log = logging.getLogger(__name__)
PACKAGES = ("torch", "lightning", "timm", "numpy", "pillow", "opencv-python-headless")


def run(config: TrainingSpeedConfig) -> SpeedRecord:
    """Measure everything."""
    configure_torch(config.threads)
    for package in ("benchmark.training", "datasets"):
        logging.getLogger(package).setLevel(logging.WARNING)  # hides the messages of many training runs
    names = {CPU: "the processor"} | ({GPU: torch.cuda.get_device_name()} if gpus() else {})
    with tempfile.TemporaryDirectory() as folder:
        rows = _rows(config, list(names), Path(folder))
        return measured(config, PACKAGES, rows, torch.get_num_threads(), names.get(GPU, ""), _note(names))


def _rows(config: TrainingSpeedConfig, names: Sequence[str], folder: Path) -> Iterator[Row]:
    yield from decoding.rates(config, folder)
    for device in names:
        for backbone in config.backbones:
            batch = config.batch if device == CPU else config.gpu_batch
            on: On = {"device": device, "backbone": backbone, "size": config.size, "batch": batch}
            log.info("%s", on)
            yield from stages.rates(on, config, folder)
            for augment in config.augments:
                yield from epochs.rates(on, augment, config, folder)
    if config.long:
        log.info("memory: %d images", config.long)
        on = {"device": CPU, "backbone": config.long_backbone, "size": config.size, "batch": config.long_batch}
        yield from long.watched(on, config.long)


def _note(names: Mapping[str, str]) -> str:
    """Describe the devices and their precision."""
    kinds = {device: precision("auto", has_fast_bfloat16(device)) for device in names}
    devices = (f"{name} (`{device}`; `--precision auto` selects {kinds[device]})" for device, name in names.items())
    return f"Devices: {'; '.join(devices)}."
