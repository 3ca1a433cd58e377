"""What a whole suite costs, from committed measurements: plain arithmetic, each term with its origin."""

from dataclasses import dataclass
from pathlib import Path

from core.errors import DataError
from tools.speed.record import SpeedRecord, read

RECORDS = Path(__file__).parents[1] / "speed/records"
RESULTS = Path(__file__).parents[2] / "results/phantom"
IMAGES = {"NIH": 112_120, "CheXpert": 224_316, "MIMIC-CXR": 377_110}
"""As published; all of them are said to be seen in each epoch."""
NETWORKS = {"resnet18": 11_193_314, "densenet121": 7_051_975}
"""The measured networks, of which the models are half each, and how many numbers a checkpoint of 14 findings holds."""
MODELS, SEEDS, EPOCHS, SIZE = 12, 5, 10, 224
BOXED, FINDINGS, POSITIONS = 1000, 14, 7 * 7
"""Images with truth boxes (NIH has 880), findings, positions of a map."""
FAST, SLOW, SLOW_IMAGES = 10, 10, 200
DEVICES = (1, 8, 64)
HOUR = 3600.0
CHECKPOINT_BYTES = 16
"""Bytes per weight of ``best.ckpt`` and of ``last.ckpt`` with the optimizer's state."""


@dataclass(frozen=True)
class Costs:
    """Seconds of one training of a network and of what follows, on the measured machine."""

    training: float
    explaining: float
    scoring: float

    @property
    def hours(self) -> float:
        """All of it."""
        return (self.training + self.explaining + self.scoring) / HOUR


def costs(network: str, images: int) -> Costs:
    """One training and its maps and scores."""
    return Costs(EPOCHS * images * rate(network), BOXED * fast(network) + SLOW * SLOW_IMAGES * slow(network), scoring())


def rate(network: str) -> float:
    """Seconds of training per image."""
    return _wall("training", "epoch", "training epoch", backbone=network, augment="none")


def fast(network: str) -> float:
    """Seconds of all fast methods per image: measured of seven."""
    return _wall("methods", "methods", "Locus, seven methods", backbone=network, size=SIZE, findings=14) * FAST / 7


def slow(network: str) -> float:
    """Seconds of Score-CAM per image: measured of ResNet-18, by channels and forward passes of another network."""
    measured = _wall("methods", "scorecam", "Locus, Score-CAM", findings=8)
    if network == "resnet18":
        return measured
    forward = {
        name: _wall("methods", "methods", "bare forward", backbone=name, size=SIZE, batch=8) for name in NETWORKS
    }
    return measured * 1024 / 512 * forward[network] / forward["resnet18"]


def scoring() -> float:
    """Seconds to score all of NIH's boxes by ten methods, times what there are of methods."""
    (row,) = _record("scoring").of("whole", "surface, maxbox and pxap", side=16)
    return float(row.figures["seconds"] or 0) * (FAST + SLOW) / 10


def hours(images: int, devices: int) -> float:
    """Hours until all is done: the work shared by the devices, but no less than the longest training and its scores."""
    each = [costs(name, images).hours for name in NETWORKS]
    return max(sum(each) * MODELS * SEEDS / len(each) / devices, max(each))


def rate_for(images: int, devices: int, days: float) -> float:
    """Images that one device must train per second for the trainings alone to end within so many days."""
    trainings = max(MODELS * SEEDS / devices, 1)
    return trainings * EPOCHS * images / (days * 24 * HOUR)


def disk(images: int) -> dict[str, float]:
    """GB of the cache of pixels, the checkpoints, the maps and the published records."""
    numbers = sum(NETWORKS.values()) / len(NETWORKS) * MODELS * SEEDS
    maps = FAST * BOXED + SLOW * SLOW_IMAGES
    record_bytes = sum(file.stat().st_size for file in RESULTS.glob("*.parquet")) / _records()
    return {
        "cache": images * SIZE * SIZE / 1e9,
        "checkpoints": numbers * CHECKPOINT_BYTES / 1e9,
        "maps": maps * FINDINGS * POSITIONS * 2 * MODELS * SEEDS / 1e9,
        "records": record_bytes * MODELS * SEEDS * (FAST + SLOW) * 8 / 1e9,
    }


def _records() -> int:
    from pyarrow import parquet

    return int(parquet.ParquetFile(RESULTS / "cells.parquet").metadata.num_rows)


def machine() -> str:
    """Where the figures were measured."""
    return _record("training").machine.name


def _wall(subject: str, group: str, contender: str, **on: str | int) -> float:
    """Seconds per image of the first row that fits."""
    rows = _record(subject).of(group, contender, **on)
    if not rows or not rows[0].figures.get("wall_ms"):
        raise DataError(f"the records of {subject} in {RECORDS} have no {contender} of {on}: measure it anew")
    return float(rows[0].figures["wall_ms"] or 0) / 1000


def _record(subject: str) -> SpeedRecord:
    return read(RECORDS / f"{subject}-amd-epyc-2-cores.json", f"python -m tools.speed {subject}")
