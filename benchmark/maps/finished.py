"""A finished network or training on images that are not its own, without those of patients that it has seen."""

import contextlib
import functools
import hashlib
import logging
from dataclasses import dataclass, fields
from pathlib import Path

import datasets
from benchmark.training import data as source
from config import DataFlags, TrainConfig
from core.errors import DataError, LeakError
from core.flags.data import SplitFlags
from datasets.base import SPLITS, Dataset
from datasets.io import cache
from datasets.relabeled import RelabeledDataset

log = logging.getLogger(__name__)
NIH_IMAGE_KEY = "nih"
"""The field of a sample's ``meta`` that names the image of NIH that it is."""


@dataclass(frozen=True)
class FinishedModel:
    """A network that is scored and not trained."""

    name: str
    """What the tables call it."""
    checkpoint: Path
    digest: str
    """Of its weights, and of how they are read where it is somebody else's."""
    findings: tuple[str, ...]
    """What its outputs stand for, in their order."""
    pooling: str
    """The pooling's word; empty where its head is closed."""
    network: str = ""
    """The word of somebody else's network; empty for ours."""
    trained_on: str = ""
    """What it was trained on, as declared or as its run says."""
    trained: TrainConfig | None = None
    """The data of its training, where it is known which they are."""
    trained_images: frozenset[str] = frozenset()
    """Names of the images that it was trained on, where a list of them was given."""


def images_of(config: TrainConfig, split: str, finished: FinishedModel) -> Dataset:
    """The images of a suite's split, their truth by the entry's findings, without those of patients that it has seen.

    Whose training is not known, or lies elsewhere, is not looked for among them: a warning says so.
    """
    data = source.load(config, split)
    kept = list(range(len(data)))
    counts: dict[str, int] = {}
    if finished.trained is not None and not _same_images(finished.trained, config):
        if datasets.at_hand(finished.trained.dataset, finished.trained.data_root_dir):
            kept, counts = exclude_seen_patients(finished.trained, config, data)
        else:
            absent = f"the files of {finished.trained.dataset} are not here: its training images"
            log.warning("%s: %s are not looked for among those of %s", finished.name, absent, config.dataset)
    if finished.trained_images:
        listed = not_listed(finished, config, data) if split == "test" else (kept, {})
        kept, counts = [n for n in kept if n in {*listed[0]}], counts | listed[1]
    if finished.findings == data.findings and len(kept) == len(data):
        return data
    shared = RelabeledDataset(data, finished.findings, kept)
    shared.describe |= {"trained_on": finished.trained_on, **counts}
    return shared


def not_listed(finished: FinishedModel, config: TrainConfig, data: Dataset) -> tuple[list[int], dict[str, int]]:
    """Return positions of the ``data`` that the list of training images does not name, and counts.

    Images of listed patients that are not listed themselves stay and are counted. Raises ``DataError`` where the list
    names no image of the data set, ``LeakError`` where no image is left.
    """
    names = [str(sample.meta.get(NIH_IMAGE_KEY, sample.image_id)) for sample in data]
    kept = [n for n, name in enumerate(names) if name not in finished.trained_images]
    if len(kept) == len(names) and not finished.trained_images & _image_names(config):
        listed = f"none of the {len(finished.trained_images)} listed training images is in {config.dataset}"
        raise DataError(f"{finished.trained_on}: {listed}: give names as the data set has them, {names[0]} for one")
    if not kept:
        raise LeakError(f"all {len(names)} images of {data.name} are listed as training images: {finished.trained_on}")
    patients = {data.patients[n] for n in {*range(len(names))} - {*kept}}
    counts = {
        "images_seen_in_training": len(names) - len(kept),
        "other_images_of_seen_patients": sum(data.patients[n] in patients for n in kept),
    }
    log.warning("%s: %d of %d images were trained on and are left out", data.name, len(names) - len(kept), len(names))
    return kept, counts


def _image_names(config: TrainConfig) -> set[str]:
    """The names of all training and validation images of a data set that are at hand."""
    names: set[str] = set()
    for split in ("train", "val"):
        with contextlib.suppress(DataError):  # only test images are at hand
            names |= {sample.image_id for sample in source.load(config, split)}
    return names


def _same_images(trained: TrainConfig, config: TrainConfig) -> bool:
    """Whether a training held out the very images that the suite scores."""
    names = ("dataset", *(field.name for field in fields(SplitFlags)))
    return all(getattr(trained, name) == getattr(config, name) for name in names)


def external_test_set(config: TrainConfig, other: TrainConfig) -> Dataset:
    """The test images of ``other`` for the training of ``config``, their truth by the findings that both know.

    An image whose patient the training has seen is left out and counted. Which patient it is is known by NIH's file
    name where the data set has it, or by equal pixels at the network's input; an image that is found neither way counts
    as ``images_not_traced``. Raises ``LeakError`` when no image is left.
    """
    samples = source.load(other, "test")
    kept, counts = exclude_seen_patients(config, other, samples)
    shared = RelabeledDataset(samples, source.load(config, "test").findings, kept)
    shared.describe |= {"trained_on": config.dataset, **counts}
    return shared


def exclude_seen_patients(
    config: TrainConfig, other: TrainConfig, samples: Dataset
) -> tuple[list[int], dict[str, int]]:
    """Positions of the ``samples`` of ``other`` whose patients the training of ``config`` has not seen, and counts.

    Raises ``LeakError`` when no image is left.
    """
    patient_of_image = _patient_of_image(config)
    seen = {patient for split in ("train", "val") for patient in source.load(config, split).patients}
    patients = []  # whose image it is; "" where that cannot be known
    for sample, pixel_hash in zip(samples, _pixel_hashes(other, samples), strict=True):
        nih = sample.meta.get(NIH_IMAGE_KEY)
        patients.append(patient_of_image.get(pixel_hash if nih is None else nih, (nih or "").split("_")[0]))
    kept = [n for n, patient in enumerate(patients) if patient not in seen]
    if not kept:
        seen_by = f"patients that the model was trained on ({config.dataset})"
        raise LeakError(f"all {len(samples)} images of {samples.name} are of {seen_by}")
    left_out, untraced = len(samples) - len(kept), patients.count("")
    of_seen = f"{left_out} of {len(samples)} images are of patients that the training on {config.dataset} has seen"
    text = f"{samples.name}: {of_seen} and are left out; of {untraced} it is not known whose they are"
    log.log(logging.WARNING if left_out else logging.INFO, "%s", text)
    return kept, {"images_seen_in_training": left_out, "images_not_traced": untraced}


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
    for n in pixels.kept.tolist():
        pixel_hashes[n] = hashlib.blake2b(pixels.images[n].tobytes(), digest_size=16).hexdigest()
    return pixel_hashes
