"""Which images are explained: test images of the network's own data set, or a user's files."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.training import data
from config import HeatmapConfig, TrainConfig
from core.errors import DataError, examples
from core.types import Sample
from datasets.io import images as decoding
from datasets.io import preprocess

log = logging.getLogger(__name__)


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
