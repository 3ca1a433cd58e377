"""An external test set for a finished training, without the images of patients that the training has seen."""

import functools
import hashlib
import logging

from benchmark.training import data as source
from config import DataFlags, TrainConfig
from core.errors import LeakError
from datasets.base import SPLITS, Dataset
from datasets.io import cache
from datasets.shared import Shared

log = logging.getLogger(__name__)
NIH_IMAGE_KEY = "nih"
"""The field of a sample's ``meta`` that names the image of NIH that it is."""


def external_test_set(config: TrainConfig, other: TrainConfig) -> Dataset:
    """The test images of ``other`` for the training of ``config``, their truth by the findings that both know.

    An image whose patient the training has seen is left out and counted. Which patient it is is known by NIH's file
    name where the data set has it, or by equal pixels at the network's input; an image that is found neither way counts
    as ``images_not_traced``. Raises ``LeakError`` when no image is left.
    """
    samples = source.load(other, "test")
    kept, counts = unseen(config, other, samples)
    shared = Shared(samples, source.load(config, "test").findings, kept)
    shared.description |= {"trained_on": config.dataset, **counts}
    return shared


def unseen(config: TrainConfig, other: TrainConfig, samples: Dataset) -> tuple[list[int], dict[str, int]]:
    """Positions of the ``samples`` of ``other`` whose patients the training of ``config`` has not seen, and counts.

    Raises ``LeakError`` when no image is left.
    """
    patient_of_image = _patient_of_image(config)
    seen = {patient for split in ("train", "val") for patient in source.load(config, split).patients}
    hashed = zip(samples, _pixel_hashes(other, samples), strict=True)
    patients = [_patient(sample.meta.get(NIH_IMAGE_KEY), pixel_hash, patient_of_image) for sample, pixel_hash in hashed]
    kept = [n for n, patient in enumerate(patients) if patient not in seen]
    if not kept:
        all_images = f"all {len(samples)} images of {samples.name}"
        raise LeakError(f"{all_images} are of patients that the model was trained on ({config.dataset})")
    counts = {"images_seen_in_training": len(samples) - len(kept), "images_not_traced": patients.count("")}
    log.log(
        logging.WARNING if counts["images_seen_in_training"] else logging.INFO,
        "%s: %d of %d images are of patients that the training on %s has seen and are left out; of %d it is not known "
        "whose they are",
        *(samples.name, counts["images_seen_in_training"], len(samples), config.dataset, counts["images_not_traced"]),
    )
    return kept, counts


@functools.lru_cache(maxsize=1)
def _patient_of_image(config: TrainConfig) -> dict[str, str]:
    """Name of an image, and the hash of its pixels -> patient, of all images of a training's own data set."""
    patients = {}
    for split in SPLITS:
        data = source.load(config, split)
        for sample, pixel_hash in zip(data, _pixel_hashes(config, data), strict=True):
            patients[sample.image_id] = patients[pixel_hash] = sample.patient_id
    return patients


def _pixel_hashes(flags: DataFlags, data: Dataset) -> list[str]:
    """A hash of the pixels of each image at the network's input; the image's name where it cannot be read."""
    pixels = cache.pixels(data, flags.img_size, flags.cache_dir, flags.max_bad_images)
    pixel_hashes = [sample.image_id for sample in data]
    for row, n in zip(pixels.images, pixels.kept.tolist(), strict=True):
        pixel_hashes[n] = hashlib.blake2b(row.tobytes(), digest_size=16).hexdigest()
    return pixel_hashes


def _patient(nih: str | None, pixel_hash: str, patient_of_image: dict[str, str]) -> str:
    """Whose image it is; "" where that cannot be known."""
    return patient_of_image.get(pixel_hash, "") if nih is None else patient_of_image.get(nih, nih.split("_")[0])
