"""Estimate the cost of a whole suite from committed measurements."""

from pathlib import Path

from core.errors import DataError
from tools.speed.record import SpeedRecord, read

RECORDS = Path(__file__).parents[1] / "speed/records"
RESULTS = Path(__file__).parents[2] / "results/phantom"
IMAGES = {"NIH": 112_120, "CheXpert": 224_316, "MIMIC-CXR": 377_110}
"""Published images, all of which are assumed to be training images."""
NETWORKS = {"resnet18": 11_193_314, "densenet121": 7_051_975}
"""Measured network -> number of weights with 14 findings. Half of the models are of each network."""
MODELS, SEEDS, EPOCHS, SIZE = 12, 5, 10, 224
BOXED, FINDINGS, POSITIONS = 1000, 14, 7 * 7
"""Images with truth boxes (NIH has 880), findings, positions of a map."""
FAST, SLOW, SLOW_IMAGES = 10, 10, 200
DEVICES = (1, 8, 64)
HOUR = 3600.0
CHECKPOINT_BYTES = 16
"""Bytes per weight of ``best.ckpt`` and of ``last.ckpt`` with the optimizer's state."""


def run_hours(network: str, images: int) -> float:
    """Return the hours of one training run, its maps and its scores, on the measured machine."""
    explaining = BOXED * fast(network) + SLOW * SLOW_IMAGES * slow(network)
    return (EPOCHS * images * rate(network) + explaining + scoring()) / HOUR


def rate(network: str) -> float:
    """Return the seconds of training per image."""
    return _wall("training", "epoch", "training epoch", backbone=network, augment="none")


def fast(network: str) -> float:
    """Return the seconds of all fast methods per image, extrapolated from seven."""
    return _wall("methods", "methods", "Locus, seven methods", backbone=network, size=SIZE, findings=14) * FAST / 7


def slow(network: str) -> float:
    """Return the seconds of Score-CAM per image: measured for ResNet-18, extrapolated for other networks."""
    measured = _wall("methods", "scorecam", "Locus, Score-CAM", findings=8)
    if network == "resnet18":
        return measured
    forward = {
        name: _wall("methods", "methods", "bare forward", backbone=name, size=SIZE, batch=8) for name in NETWORKS
    }
    return measured * 1024 / 512 * forward[network] / forward["resnet18"]


def scoring() -> float:
    """Return the seconds to score all methods on NIH's boxes, extrapolated from ten methods."""
    (row,) = _record("scoring").of("whole", "surface, maxbox and pxap", side=16)
    return float(row.figures["seconds"] or 0) * (FAST + SLOW) / 10


def hours(images: int, devices: int) -> float:
    """Return the hours until the suite is finished, at least those of the longest training run."""
    hours_of = [run_hours(name, images) for name in NETWORKS]
    return max(sum(hours_of) * MODELS * SEEDS / len(hours_of) / devices, max(hours_of))


def rate_for(images: int, devices: int, days: float) -> float:
    """Return the images per second that one device must train for all training runs to end within ``days``."""
    trainings = max(MODELS * SEEDS / devices, 1)
    return trainings * EPOCHS * images / (days * 24 * HOUR)


def disk(images: int) -> dict[str, float]:
    """Return the GB of the pixel cache, the checkpoints, the maps and the records."""
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
    """Return the name of the measured machine."""
    return _record("training").machine.name


def _wall(subject: str, group: str, contender: str, **on: str | int) -> float:
    """Return the seconds per image of the first matching row."""
    rows = _record(subject).of(group, contender, **on)
    if not rows or not rows[0].figures.get("wall_ms"):
        raise DataError(f"the record of {subject} in {RECORDS} has no {contender} with {on}: measure it again")
    return float(rows[0].figures["wall_ms"] or 0) / 1000


def _record(subject: str) -> SpeedRecord:
    return read(RECORDS / f"{subject}-amd-epyc-2-cores.json", f"python -m tools.speed {subject}")
