"""The images of another data set for a finished training.

Those of patients that it has not seen, truth by shared findings.
"""

import functools
import hashlib
import logging
from pathlib import Path

from benchmark.training import data as source
from config import TrainConfig
from core.errors import LeakError
from datasets.base import SPLITS, Dataset
from datasets.io import cache
from datasets.shared import Shared

log = logging.getLogger(__name__)
TRACED = "nih"
"""The field of a sample's ``meta`` that names the image of NIH that it is."""


def images(config: TrainConfig, other: TrainConfig) -> Dataset:
    """The test images of ``other`` for the training of ``config``, their truth under the names of the findings that it knows, too.

    An image whose patient the training has seen is left out and counted. Which patient it is is known by NIH's file
    name where the data set has it, or by equal pixels at the network's input; an image that is found neither way counts
    as ``images_not_traced``. Raises ``LeakError`` when no image is left.
    """
    found, known = source.load(other, "test"), _known(config)
    seen = {patient for split in ("train", "val") for patient in source.load(config, split).patients}
    patients = [
        _patient(sample.meta.get(TRACED), mark, known) for sample, mark in zip(found, _marks(other, found), strict=True)
    ]
    kept = [n for n, patient in enumerate(patients) if patient not in seen]
    if not kept:
        raise LeakError(
            f"all {len(found)} images of {found.name} are of patients that the model was trained on ({config.dataset})"
        )
    shared = Shared(found, source.load(config, "test").findings, kept)
    counts = {"images_seen_in_training": len(found) - len(kept), "images_not_traced": patients.count("")}
    shared.describe |= {"trained_on": config.dataset, **counts}
    sentence = (
        "%s: %d of %d images are of patients that the training on %s has seen and "
        "are left out; of %d it is not known whose they are"
    )
    level = logging.WARNING if counts["images_seen_in_training"] else logging.INFO
    log.log(
        level,
        sentence,
        found.name,
        counts["images_seen_in_training"],
        len(found),
        config.dataset,
        counts["images_not_traced"],
    )
    return shared


@functools.lru_cache(maxsize=1)
def _known(config: TrainConfig) -> dict[str, str]:
    """Name of an image, and the mark of its pixels -> patient, of all images of a training's own data set."""
    found = {}
    for split in SPLITS:
        own = source.load(config, split)
        for sample, mark in zip(own, _marks(config, own), strict=True):
            found[sample.image_id] = found[mark] = sample.patient_id
    return found


def _marks(config: TrainConfig, data: Dataset) -> list[str]:
    """A hash of the pixels of each image at the network's input; the image's name where it cannot be read."""
    pixels = cache.pixels(data, config.img_size, Path(config.cache_dir), config.max_bad_images)
    marks = [sample.image_id for sample in data]
    for row, n in zip(pixels.images, pixels.kept.tolist(), strict=True):
        marks[n] = hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest()
    return marks


def _patient(nih: str | None, mark: str, known: dict[str, str]) -> str:
    """Whose image it is; "" where that cannot be known."""
    return known.get(mark, "") if nih is None else known.get(nih, nih.split("_")[0])
