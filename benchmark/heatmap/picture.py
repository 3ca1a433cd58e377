"""One case made ready for a picture: which images there are, and a map with its boxes in the frame of the truth."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.heatmap.figures import Picture
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
class Explained:
    """What a method says about one finding of one image."""

    method: str
    raw: NDArray[np.float32]
    """(h, w) the map, neither resized nor scaled."""
    grid: Grid
    probability: float


@dataclass(frozen=True, eq=False)
class Shown:
    """A case as it is drawn and written."""

    picture: Picture
    row: dict[str, Any]
    """Its line in ``boxes.json``."""
    raw: NDArray[np.float32]
    """(h, w) the method's map, neither resized nor scaled."""


def images(config: HeatmapConfig, recipe: TrainConfig) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
    """The samples to explain with their pixels; unreadable files are left out, counted and told.

    Raises ``DataError`` when more than ``config.max_bad_images`` of them are unreadable, or none is left.
    """
    files = (
        [preprocess.one(sample, recipe.preprocess) for sample in _files(Path(config.image))] if config.image else None
    )
    samples = files or _held_out(config, recipe)
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


def _held_out(config: HeatmapConfig, recipe: TrainConfig) -> list[Sample]:
    root = config.data_root_dir or recipe.data_root_dir
    test = data.load(replace(recipe, data_root_dir=root), "test")
    if boxed := [sample for sample in test if sample.boxes][: config.cases]:
        return boxed
    log.info("no test image of %s has a truth box: its first ones are explained, without truth", recipe.dataset)
    return list(test[: config.cases])


def _files(path: Path) -> list[Sample]:
    """A file or all images of a folder as samples without labels and truth; the frame is the file's own."""
    if not path.exists():
        raise DataError(f"no image file or folder {str(path)!r}")
    files = (
        sorted(file for file in path.iterdir() if file.suffix.lower() in decoding.SUFFIXES) if path.is_dir() else [path]
    )
    if not files:
        raise DataError(f"no image in the folder {str(path)!r}: files end in {', '.join(decoding.SUFFIXES)}")
    return [_file(file) for file in files]


def _file(file: Path) -> Sample:
    def read() -> NDArray[np.uint8]:
        return decoding.decode(file)

    return Sample(file.name, file.name, (0, 0), np.zeros(0, np.float32), {}, read, source=str(file))


def show(
    config: HeatmapConfig,
    sample: Sample,
    pixels: NDArray[np.uint8],
    finding: str,
    explained: Explained,
    at: tuple[float, str],
) -> Shown:
    """A map with its boxes above the threshold ``at`` (value, origin) and their overlap with truth.

    Raises ``BadValueError`` for nan or inf.
    """
    frame = sample.frame if sample.frame != (0, 0) else (pixels.shape[0], pixels.shape[1])
    grid: Grid | Alignment = explained.grid if config.alignment == "aligned" else "conventional"
    scaled = min_max(explained.raw)
    found = boxes(scaled, at[0], frame, grid)
    truth = sample.boxes.get(finding, np.zeros((0, 4))) if sample.boxes else None
    picture = Picture(
        image=resize_image(pixels, frame),
        heat=to_frame(scaled, frame, grid),
        truth=truth,
        predicted=found,
        finding=finding,
        method=explained.method,
        probability=explained.probability,
        iou=_overlap(found, truth),
        threshold=at[0],
        origin=at[1],
        flat=not scaled.any(),
        image_id=sample.image_id,
    )
    return Shown(picture, _row(picture, frame), explained.raw)


def _overlap(found: FloatArray, truth: FloatArray | None) -> float | None:
    """IoU of the first box (it holds the map's maximum) with the best truth box.

    0 without a box, None without truth.
    """
    if truth is None or not len(truth):
        return None
    return float(iou(found[:1], truth).max()) if len(found) else 0.0


def _row(picture: Picture, frame: tuple[int, int]) -> dict[str, Any]:
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
