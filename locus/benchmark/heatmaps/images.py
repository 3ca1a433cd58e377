"""The images that are explained: of a network's data set, of a user's folder, or in memory."""

import functools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from locus import datasets
from locus.config import TrainConfig
from locus.core.errors import DataError, examples
from locus.core.files import is_hidden
from locus.core.types import Sample
from locus.datasets.io import images, preprocess

log = logging.getLogger(__name__)


def dataset_images(recipe: TrainConfig, root: str | None, count: int) -> list[Sample]:
    """Return ``count`` test images of a network's data set, those with a truth box if it has any.

    They are the first images of different patients, then, if there are too few patients, the first of the others.
    """
    test = datasets.load_split(replace(recipe, data_root_dir=root or recipe.data_root_dir), "test")
    boxed = [sample for sample in test if sample.boxes]
    if not boxed:
        text = "no test image of %s has a truth box: the first images are explained, without truth"
        log.info(text, recipe.dataset)
        return list(test[:count])
    first_of_patient = {sample.patient_id: sample for sample in reversed(boxed)}
    further = [sample for sample in boxed if first_of_patient[sample.patient_id] is not sample]
    return [*reversed(first_of_patient.values()), *further][:count]


def users_images(path: Path, steps: str) -> list[Sample]:
    """Return a file or all images of a folder as samples without labels and truth, preprocessed by ``steps``.

    The frame is that of the file. Raises ``DataError`` if there is no image.
    """
    if not path.exists():
        raise DataError(f"image file or folder {str(path)!r} not found")
    files = [path]
    if path.is_dir():
        paths = sorted(file for file in path.iterdir() if file.suffix.lower() in images.SUFFIXES)
        files = [file for file in paths if not is_hidden(file, path)]
    if not files:
        raise DataError(
            f"the folder {str(path)!r} has no image file ({', '.join(images.SUFFIXES)})"
        )
    return [preprocess.one_sample(_sample(file), steps) for file in files]


def uploaded_image(name: str, content: bytes, steps: str) -> Sample:
    """Return an image in memory as a sample without labels and truth, preprocessed by ``steps``.

    ``content``: the bytes of a PNG, JPEG or DICOM file, by the suffix of ``name``.
    """
    return preprocess.one_sample(_sample(Path(name), content), steps)


def _sample(file: Path, content: bytes | None = None) -> Sample:
    """Return the image of a ``file``, or its ``content`` in memory, as a sample without labels and truth."""
    return Sample(
        image_id=file.name,
        patient_id=file.name,
        frame=(0, 0),
        labels=np.zeros(0, np.float32),
        boxes={},
        read=functools.partial(images.decode, file, content),
        source=str(file) if content is None else "",
    )


def readable_images(
    samples: Sequence[Sample], max_bad_images: float, method_names: str
) -> Iterator[tuple[Sample, NDArray[np.uint8]]]:
    """Yield the samples with their pixels; unreadable files are left out and counted in a warning.

    ``method_names``: for a log line. Raises ``DataError`` if the share of unreadable images is larger than
    ``max_bad_images``, or none is left.
    """
    readable = []
    errors = []
    log.info("explaining %d images with %s", len(samples), method_names)
    # read all images once before anything is written, without storing them: a folder may be large
    for sample in tqdm(samples, desc="read", unit="image", leave=False, disable=None):
        try:
            sample.read()
            readable.append(sample)
        except DataError as error:
            errors.append(str(error))
    if len(errors) > max_bad_images * len(samples):
        count = f"{len(errors)} of {len(samples)} images"
        raise DataError(
            f"{count} cannot be read, more than --max_bad_images: {examples(errors, 1)}"
        )
    if errors:
        log.warning("%d of %d images left out: %s", len(errors), len(samples), examples(errors))
    for sample in tqdm(readable, desc="explain", unit="image", leave=False, disable=None):
        yield sample, sample.image
