"""Test images for given models and training runs, without the patients that they were trained on."""

import contextlib
import functools
import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
from benchmark.training.listing import load_split
from config import DataFlags, TrainConfig
from core.errors import DataError, LeakError
from datasets.base import SPLITS, Dataset
from datasets.io import cache
from datasets.nih.tables import patient_of
from datasets.relabeled import RelabeledDataset

log = logging.getLogger(__name__)
NIH_IMAGE_KEY = "nih"
"""Field of a sample's ``meta`` with the name of the identical NIH image."""


@dataclass(frozen=True)
class GivenModel:
    """A network that is scored but not trained by the suite."""

    name: str
    """Name in the tables."""
    checkpoint: Path
    digest: str
    """Digest of the weights, and of the way an external network uses them."""
    code: str
    """Hash of the code of the network; see ``benchmark.maps.code``."""
    findings: tuple[str, ...]
    """Names of its outputs, in order."""
    pooling: str
    """Name of the pooling; empty for an opaque head."""
    network: str = ""
    """Name of an external network; empty for a network of Locus."""
    trained_on: str = ""
    """Training data, as declared or recorded by its run."""
    trained: TrainConfig | None = None
    """Configuration of its training data, if known."""
    trained_images: frozenset[str] = frozenset()
    """Names of its training images, if a list was given."""


def images_of(config: TrainConfig, split: str, model: GivenModel) -> Dataset:
    """Return the images of a suite's split, without patients seen in training, labelled for the network's findings.

    Nothing is excluded if the training data are unknown. If they are not available, a warning is logged.
    """
    data = load_split(config, split)
    positions = list(range(len(data)))
    counts: dict[str, int] = {}
    if model.trained is not None and not _same_images(model.trained, config):
        if datasets.at_hand(model.trained.dataset, model.trained.data_root_dir):
            positions, counts = unseen_positions_and_counts(model.trained, config, data)
        else:
            reason = f"the files of {model.trained.dataset} are missing"
            log.warning("%s: training images in %s cannot be excluded: %s", model.name, config.dataset, reason)
    if model.trained_images:
        unlisted, listed_counts = not_listed(model, config, data) if split == "test" else (positions, {})
        positions, counts = [n for n in positions if n in {*unlisted}], counts | listed_counts
    if model.findings == data.findings and len(positions) == len(data):
        return data
    relabeled = RelabeledDataset(data, model.findings, positions)
    relabeled.describe |= {"trained_on": model.trained_on, **counts}
    return relabeled


def not_listed(model: GivenModel, config: TrainConfig, data: Dataset) -> tuple[list[int], dict[str, int]]:
    """Return the positions in ``data`` of images that are not listed as training images, and counts.

    Unlisted images of listed patients stay and are counted. Raises ``DataError`` if no listed image is in the data set,
    ``LeakError`` if all images are listed.
    """
    names = [str(sample.meta.get(NIH_IMAGE_KEY, sample.image_id)) for sample in data]
    positions = [n for n, name in enumerate(names) if name not in model.trained_images]
    if len(positions) == len(names) and not model.trained_images & _image_names(config):
        listed = f"none of the {len(model.trained_images)} listed training images is in {config.dataset}"
        raise DataError(f"{model.trained_on}: {listed}: use the image names of the data set, such as {names[0]}")
    if not positions:
        raise LeakError(f"all {len(names)} images of {data.name} are listed as training images: {model.trained_on}")
    patients = {data.patients[n] for n in {*range(len(names))} - {*positions}}
    seen = len(names) - len(positions)
    counts = {
        "images_seen_in_training": seen,
        "other_images_of_seen_patients": sum(data.patients[n] in patients for n in positions),
    }
    log.warning("%s: left out %d of %d images because they are training images", data.name, seen, len(names))
    return positions, counts


def _image_names(config: TrainConfig) -> set[str]:
    """Return the names of all available training and validation images of a data set."""
    names: set[str] = set()
    for split in ("train", "val"):
        with contextlib.suppress(DataError):  # only test images are available
            names |= {sample.image_id for sample in load_split(config, split)}
    return names


def _same_images(trained: TrainConfig, config: TrainConfig) -> bool:
    """Return True if a training run held out exactly the images that the suite scores."""
    return (trained.dataset, trained.split_arguments()) == (config.dataset, config.split_arguments())


def unseen_positions_and_counts(
    training_config: TrainConfig, scored_config: TrainConfig, samples: Dataset
) -> tuple[list[int], dict[str, int]]:
    """Return the positions of ``samples`` whose patients are not in the data of ``training_config``, and counts.

    Patients are identified by the NIH file name if the data set has it, else by identical pixels at the network's input
    size; images with neither count as ``images_not_traced``. Raises ``LeakError`` if no image is left.
    """
    patient_of_image = _patient_of_image(training_config)
    patients = []  # patient of each image; "" if unknown
    for sample, pixel_hash in zip(samples, _pixel_hashes(scored_config, samples), strict=True):
        nih = sample.meta.get(NIH_IMAGE_KEY)
        patients.append(patient_of_image.get(pixel_hash if nih is None else nih, patient_of(nih or "")))
    positions, untraced = unseen_positions(training_config, samples, patients), patients.count("")
    log.info("%s: the patients of %d images are unknown", samples.name, untraced)
    return positions, {"images_seen_in_training": len(samples) - len(positions), "images_not_traced": untraced}


def unseen_positions(config: TrainConfig, samples: Dataset, patients: Sequence[str]) -> list[int]:
    """Return the positions of ``samples`` whose ``patients`` are not in the training data of ``config``.

    Logs a warning with the number left out. Raises ``LeakError`` if none is left.
    """
    seen = {patient for split in ("train", "val") for patient in load_split(config, split).patients}
    positions = [n for n, patient in enumerate(patients) if patient not in seen]
    where = f"patients in the training data ({config.dataset})"
    if not positions:
        raise LeakError(f"all {len(samples)} images of {samples.name} are of {where}")
    if len(positions) < len(samples):
        left_out = len(samples) - len(positions)
        log.warning("%s: left out %d of %d images, of %s", samples.name, left_out, len(samples), where)
    return positions


@functools.lru_cache(maxsize=1)
def _patient_of_image(config: TrainConfig) -> dict[str, str]:
    """Return image name and pixel hash -> patient, for all images of a training run's data set."""
    patients = {}
    for split in SPLITS:
        data = load_split(config, split)
        for sample, pixel_hash in zip(data, _pixel_hashes(config, data), strict=True):
            patients[sample.image_id] = patients[pixel_hash] = sample.patient_id
    return patients


def _pixel_hashes(flags: DataFlags, data: Dataset) -> list[str]:
    """Return a hash of each image's pixels at the network's input size; the image's name if it cannot be read."""
    pixels = cache.pixels(data, flags.img_size, flags.cache_dir, flags.max_bad_images)
    pixel_hashes = [sample.image_id for sample in data]
    for n in pixels.kept.tolist():
        pixel_hashes[n] = hashlib.blake2b(pixels.images[n].tobytes(), digest_size=16).hexdigest()
    return pixel_hashes
