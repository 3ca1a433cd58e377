"""Images to explain: test images of the data set of the network, or files of the user."""

import functools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmark.training import data
from config import TrainConfig
from core.errors import DataError, examples
from core.types import Sample
from datasets.io import images as decoding
from datasets.io import preprocess

log = logging.getLogger(__name__)


def readable_images(
    samples: Sequence[Sample], max_bad_images: float, methods: str
) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
    """Yield the samples with their pixels; unreadable files are left out and counted in a warning.

    ``methods``: their names, for a log line. Raises ``DataError`` if the share of unreadable images is larger than
    ``max_bad_images``, or none is left.
    """
    readable, bad = [], []
    log.info("explaining %d images with %s", len(samples), methods)
    # read all images once before anything is written, without storing them: a folder may be large
    for sample in tqdm(samples, desc="read", unit="image", leave=False, disable=None):
        try:
            sample.read()
            readable.append(sample)
        except DataError as error:
            bad.append(str(error))
    if len(bad) > max_bad_images * len(samples):
        named = examples(bad, 1)
        raise DataError(f"{len(bad)} of {len(samples)} images cannot be read, more than --max_bad_images: {named}")
    if bad:
        log.warning("%d of %d images left out: %s", len(bad), len(samples), examples(bad))
    bar = tqdm(readable, desc="explain", unit="image", leave=False, disable=None)
    yield from ((sample, sample.image) for sample in bar)


def dataset_images(recipe: TrainConfig, root: str | None, count: int) -> list[Sample]:
    """Return the first ``count`` test images of a network's data set, those with a truth box if it has any."""
    test = data.load(replace(recipe, data_root_dir=root or recipe.data_root_dir), "test")
    if boxed := [sample for sample in test if sample.boxes][:count]:
        return boxed
    log.info("no test image of %s has a truth box: the first images are explained, without truth", recipe.dataset)
    return list(test[:count])


def users_images(path: Path, steps: str) -> list[Sample]:
    """Return a file or all images of a folder as samples without labels and truth, preprocessed by ``steps``.

    The frame is that of the file. Raises ``DataError`` if there is no image.
    """
    if not path.exists():
        raise DataError(f"image file or folder {str(path)!r} not found")
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix.lower() in decoding.SUFFIXES)
    if not files:
        raise DataError(f"the folder {str(path)!r} has no image file ({', '.join(decoding.SUFFIXES)})")
    return [preprocess.one(_sample(file), steps) for file in files]


def uploaded_image(name: str, content: bytes, steps: str) -> Sample:
    """Return an image in memory as a sample without labels and truth, preprocessed by ``steps``.

    ``content``: the bytes of a PNG, JPEG or DICOM file, by the suffix of ``name``.
    """
    return preprocess.one(_sample(Path(name), content), steps)


def _sample(file: Path, content: bytes | None = None) -> Sample:
    read = functools.partial(decoding.decode, file, content)
    source = str(file) if content is None else ""
    return Sample(file.name, file.name, (0, 0), np.zeros(0, np.float32), {}, read, source=source)
