"""One case made ready for a picture: which images there are, and a map with its boxes in the frame of the truth."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.heatmap.figures import CasePicture
from benchmark.localize import boxes, to_frame
from benchmark.surface import min_max
from benchmark.training import data
from config import HeatmapConfig, TrainConfig
from core.boxes import iou
from core.errors import DataError, examples
from core.frames import Alignment, Grid, resize_image
from core.types import FloatArray, Sample
from datasets.io import images as decoding
from datasets.io import preprocess

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class RawMap:
    """What a method says about one finding of one image."""

    method: str
    values: NDArray[np.float32]
    """(h, w) the map, neither resized nor scaled."""
    grid: Grid
    probability: float


@dataclass(frozen=True, eq=False)
class PreparedCase:
    """A case ready to be drawn and written."""

    picture: CasePicture
    row: dict[str, Any]
    """Its line in ``boxes.json``."""
    raw: NDArray[np.float32]
    """(h, w) the method's map, neither resized nor scaled."""


def readable_images(config: HeatmapConfig, train_config: TrainConfig) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
    """The samples to explain with their pixels; unreadable files are left out and counted in a warning.

    Raises ``DataError`` when more than ``config.max_bad_images`` of them are unreadable, or none is left.
    """
    if config.image:
        samples = [preprocess.one(sample, train_config.preprocess) for sample in _files(Path(config.image))]
    else:
        samples = _test_samples(config, train_config)
    readable, bad = [], []
    log.info("explaining %d images with %s", len(samples), ", ".join(config.method))
    # all are read once before anything is written, none is kept: a folder may be large
    for sample in tqdm(samples, desc="read", unit="image", leave=False, disable=None):
        try:
            sample.read()
            readable.append(sample)
        except DataError as error:
            bad.append(str(error))
    if len(bad) > config.max_bad_images * len(samples):
        raise DataError(
            f"{len(bad)} of {len(samples)} images cannot be read, more than --max_bad_images: {examples(bad, 1)}"
        )
    if bad:
        log.warning("%d of %d images left out: %s", len(bad), len(samples), examples(bad))
    bar = tqdm(readable, desc="explain", unit="image", leave=False, disable=None)
    yield from ((sample, sample.image) for sample in bar)


def _test_samples(config: HeatmapConfig, train_config: TrainConfig) -> list[Sample]:
    root = config.data_root_dir or train_config.data_root_dir
    test = data.load(replace(train_config, data_root_dir=root), "test")
    if boxed := [sample for sample in test if sample.boxes][: config.cases]:
        return boxed
    log.info("no test image of %s has a truth box: its first ones are explained, without truth", train_config.dataset)
    return list(test[: config.cases])


def _files(path: Path) -> list[Sample]:
    """A file or all images of a folder as samples without labels and truth; the frame is the file's own."""
    if not path.exists():
        raise DataError(f"no image file or folder {str(path)!r}")
    if not path.is_dir():
        return [_file(path)]
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in decoding.SUFFIXES)
    if not files:
        raise DataError(f"no image in the folder {str(path)!r}: files end in {', '.join(decoding.SUFFIXES)}")
    return [_file(file) for file in files]


def _file(file: Path) -> Sample:
    def read() -> NDArray[np.uint8]:
        return decoding.decode(file)

    return Sample(file.name, file.name, (0, 0), np.zeros(0, np.float32), {}, read, source=str(file))


def prepare_case(
    config: HeatmapConfig,
    sample: Sample,
    pixels: NDArray[np.uint8],
    finding: str,
    raw_map: RawMap,
    threshold: tuple[float, str],
) -> PreparedCase:
    """A map with its boxes above the ``threshold`` (value, origin) and their overlap with truth.

    Raises ``BadValueError`` for nan or inf.
    """
    frame = sample.frame if sample.frame != (0, 0) else (pixels.shape[0], pixels.shape[1])
    grid: Grid | Alignment = raw_map.grid if config.alignment == "aligned" else "conventional"
    scaled = min_max(raw_map.values)
    predicted = boxes(scaled, threshold[0], frame, grid)
    truth = sample.boxes.get(finding, np.zeros((0, 4))) if sample.boxes else None
    picture = CasePicture(
        image=resize_image(pixels, frame),
        heat=to_frame(scaled, frame, grid),
        truth=truth,
        predicted=predicted,
        finding=finding,
        method=raw_map.method,
        probability=raw_map.probability,
        iou=_overlap(predicted, truth),
        threshold=threshold[0],
        origin=threshold[1],
        flat=not scaled.any(),
        image_id=sample.image_id,
    )
    return PreparedCase(picture, _row(picture, frame), raw_map.values)


def _overlap(predicted: FloatArray, truth: FloatArray | None) -> float | None:
    """IoU of the first box, which holds the map's maximum, with the best truth box; None without truth."""
    if truth is None or not len(truth):
        return None
    return float(iou(predicted[:1], truth).max()) if len(predicted) else 0.0


def _row(picture: CasePicture, frame: tuple[int, int]) -> dict[str, Any]:
    return {
        "image": picture.image_id,
        "finding": picture.finding,
        "method": picture.method,
        "probability": picture.probability,
        "threshold": picture.threshold,
        "threshold_origin": picture.origin,
        "frame": list(frame),
        "boxes": picture.predicted.tolist(),
        "truth": None if picture.truth is None else picture.truth.tolist(),
        "iou": picture.iou,
    }
