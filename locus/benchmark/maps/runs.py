"""Training runs and given models, with the held-out images on which their maps are generated and scored.

``TrainingRun``  a training run with its held-out images; ``Untrained`` is the same network with other random weights
``GivenModel``   a network that the suite scores but does not train; ``read`` makes it from a run folder or checkpoint
``images_of``    the images of a split without the patients that a given model was trained on
``predict_held_out``  predict these images and write the same files as a training run

Training itself is in ``locus.benchmark.training``, the maps of these images in ``requests``, ``generate`` and
``store``.
"""

import contextlib
import functools
import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from locus import backbones, datasets
from locus.backbones import Classifier, external
from locus.benchmark.maps.code import code_of_config, network_code
from locus.benchmark.training import load, machine, runs
from locus.benchmark.training.evaluate import decode_held_out, evaluate
from locus.benchmark.training.listing import load_split
from locus.benchmark.training.runs import read_predictions
from locus.benchmark.training.weights import SUFFIX
from locus.config import DATA, MACHINE, MAPS, DataFlags, TrainConfig, flags_with
from locus.core import cli
from locus.core.errors import DataError, LeakError, NotAvailableError, examples
from locus.core.files import atomic, file_hash
from locus.core.names import UNTRAINED
from locus.core.types import Sample, patient_ranks
from locus.datasets.base import SPLITS, Dataset, RelabeledDataset
from locus.datasets.io import cache
from locus.datasets.io.cache import PixelCache
from locus.datasets.io.tables import read_list
from locus.datasets.nih import patient_of

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
    """Hash of the code of the network; see ``locus.benchmark.maps.code``."""
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
    if untraced:
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


OTHER_SEED = 1_000_000
"""Added to a training run's seed, so that the weights differ from the run's initial weights."""


@dataclass(frozen=True)
class TrainingRun:
    """One training run of a model with held-out images, on which it is explained."""

    config: TrainConfig
    folder: Path
    split: Literal["test", "val"] = "test"
    """Split of the images: ``test`` is scored, ``val`` is for choosing thresholds."""
    recorded_digest: str | None = None
    """Digest of the weights in a record; None: compute it from the checkpoint."""
    given: GivenModel | None = None
    """The given model, if the suite did not train the network."""

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint that is explained and scored."""
        return self.folder / "best.ckpt"

    @property
    def code(self) -> str:
        """Hash of the code of the network."""
        return code_of_config(self.config) if self.given is None else self.given.code

    @cached_property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the weights by name, independent of the file format."""
        return load.checkpoint(self.checkpoint).digest if self.recorded_digest is None else self.recorded_digest

    def model(self, device: str) -> Classifier:
        """Load the network that is explained, in evaluation mode on ``device``."""
        trust = self.given is not None  # the plan has already refused untrusted code
        return load.network(self.checkpoint, device, trust)

    @cached_property
    def data(self) -> Dataset:
        """The images of the split."""
        if self.given is not None:
            return images_of(self.config, self.split, self.given)
        return load_split(self.config, self.split)

    def unlike(self, recorded: Mapping[str, Any]) -> list[str]:
        """Return the names of properties of the data that differ from ``recorded``; empty for the same data."""
        return [name for name, value in self.data.describe.items() if recorded.get(name) != value]

    @cached_property
    def validation(self) -> "TrainingRun":
        """The training run with its validation images instead of the test images."""
        return replace(self, split="val")

    @cached_property
    def scorable_images(self) -> list[Sample]:
        """Images of the split on which a map can be scored: with a truth box."""
        return [sample for sample in self.data if sample.boxes]

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """Pixels of ``scorable_images``, (images, S, S). Raises ``DataError`` if one of them cannot be decoded."""
        c = self.config
        cached = PixelCache(self.data, c.img_size, Path(c.cache_dir), c.max_bad_images)
        positions = {image: i for i, image in enumerate(self.data.columns.images)}
        cached.order = np.array([positions[sample.image_id] for sample in self.scorable_images], np.int64)
        images, readable = cached.read(cached.order)
        missing = [sample.image_id for sample, good in zip(self.scorable_images, readable, strict=True) if not good]
        if missing:
            broken = f"{len(missing)} images with a truth box cannot be decoded"
            raise DataError(f"{broken}: {examples(missing)}; repair or remove them")
        return images

    def read_predictions(self) -> pd.DataFrame:
        """Return the network's predictions for its held-out images; columns as in ``CaseStore.predictions``."""
        file, metrics = self.folder / "predictions.csv", self.folder / "metrics.json"
        stated = json.loads(metrics.read_text(encoding="utf-8")).get("predictions") if metrics.is_file() else None
        if stated not in (None, file_hash(file)):
            raise DataError(f"{file} is damaged: it differs from its hash in {metrics.name}; run the suite again")
        return read_predictions(file)

    @cached_property
    def pixels_digest(self) -> str:
        """First 16 hex digits of the SHA-256 of ``pixels``."""
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()[:16]


K = TypeVar("K", bound=TrainingRun)


def convert_run(run: TrainingRun, kind: type[K], **more: Any) -> K:
    """Convert a training run to ``kind``, a subclass of ``TrainingRun``; ``more`` sets its additional fields."""
    given: dict[str, Any] = {field.name: getattr(run, field.name) for field in fields(TrainingRun)}
    return kind(**given, **more)


class Untrained(TrainingRun):
    """The network of a training run with other random weights than its initial ones, for the same images.

    Its maps show nothing that was learned: Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018.
    """

    @property
    def digest(self) -> str:
        """Description of the weights by their seed."""
        return f"{UNTRAINED}, seed {self.config.seed + OTHER_SEED}"

    def model(self, device: str) -> Classifier:
        """Return the architecture of the training flags with random weights."""
        c = self.config
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(c.seed + OTHER_SEED)
            if self.given is not None:
                model = external.rebuild(load.checkpoint(self.checkpoint).stamp["model"], str(self.checkpoint))
            else:
                words = c.pooling, c.attention_map
                model = backbones.build(c.backbone, len(self.data.findings), *words, pretrained=False)
        return model.to(device).eval()


def untrained(run: TrainingRun) -> Untrained:
    """Return the untrained network of ``run``. Raises ``NotAvailableError`` if its initialisation is unknown."""
    if run.given is not None and run.given.network:
        raise NotAvailableError(f"the initial weights of the network {run.given.network} are unknown")
    return convert_run(run, Untrained)


def select_samples(trained: Sequence[TrainingRun], count: int | None) -> list[Sample]:
    """Return the scorable images in order: ``count`` of them, chosen by the data seed, or all of them for None."""
    samples = [sample for run in trained for sample in run.scorable_images]
    return samples if count is None else subset(samples, count, trained[0].config.data_seed)


def subset(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """Return ``count`` samples in their original order, selected by patient after a shuffle with ``seed``.

    All models of the same data get the same images, independent of folds. A smaller subset is part of a larger one.
    """
    ranks, _ = patient_ranks([sample.patient_id for sample in samples], seed, "slow images")
    order = sorted(zip(ranks.tolist(), (sample.image_id for sample in samples), strict=True))
    selected = {image for _, image in order[:count]}
    return [sample for sample in samples if sample.image_id in selected]


def read(path: Path, name: str | None = None, trained_on: str | None = None) -> tuple[GivenModel, dict[str, Any]]:
    """Return the network of a run folder or checkpoint, called ``name`` in tables, and the flags that describe it.

    ``trained_on`` overrides the training data recorded in the run. Raises ``DataError`` for a path that is not a run.
    """
    checkpoint = load.checkpoint(path)
    config, stamp = checkpoint.config, checkpoint.stamp
    network = str(stamp["model"].get("network", ""))
    wiring = stamp["model"].get("wiring")
    by_us = bool(checkpoint.content.get("history"))  # external networks have none
    declared = trained_on or checkpoint.trained_on
    images = _listed_images(declared)
    if images:
        declared = f"{len(images)} images of {Path(declared).name} ({file_hash(declared)[:8]})"
    model = GivenModel(
        name=name or stamp.get("entry") or _name_of(checkpoint.path),
        checkpoint=path / "best.ckpt" if path.is_dir() else checkpoint.path,
        digest=checkpoint.digest,
        code=network_code(stamp["model"]),
        findings=checkpoint.findings,
        pooling=config.global_pool if wiring is None else wiring["pooling"] if wiring["head"] else "",
        network=network,
        trained_on=declared,
        trained=config if by_us and not trained_on else _default_split(declared),
        trained_images=images,
    )
    return model, {name: getattr(config, name) for name in {*flags_with(TrainConfig, MAPS), "seed"}}


def _name_of(path: Path) -> str:
    """Return the name of a run folder, of the folder of a checkpoint, or of a file of weights."""
    return path.stem if path.suffix == SUFFIX else (path if path.is_dir() else path.parent).resolve().name


def _listed_images(declared: str) -> frozenset[str]:
    """Return the images listed in a .txt or .csv file, one per line; empty for another word.

    Raises ``DataError`` for a missing, empty or broken list.
    """
    if not declared.lower().endswith((".txt", ".csv")):
        return frozenset()
    images = frozenset(read_list(Path(declared))[0])
    if not images:
        raise DataError(f"{declared} lists no training image: write one name per line")
    return images


def _default_split(declared: str) -> TrainConfig | None:
    """Return the default split of the data set with this name; None if there is no such data set."""
    if declared.split(":")[0] not in datasets.names():
        return None
    names = flags_with(TrainConfig, DATA | MACHINE)
    values = {**cli.defaults_of(TrainConfig, {"dataset": declared}), "dataset": declared}
    return cli.build(TrainConfig, {name: value for name, value in values.items() if name in names})


def predict_held_out(model: GivenModel, config: TrainConfig, folder: Path) -> None:
    """Write a copy of ``model`` and its predictions for the held-out images of ``config`` to ``folder``, once.

    Raises ``LocusError`` for data without test images or without any of its findings; validation images may be missing.
    """
    if runs.done(folder):
        return
    machine.configure_torch(config.threads)
    splits = decode_held_out(config, lambda name: images_of(config, name, model))
    with atomic(folder / "best.ckpt") as temporary:
        torch.save(load.checkpoint(model.checkpoint).content, temporary)  # a published file has another format
    with machine.oom_as_error("lower --batch_size"):
        evaluate(folder, config, splits, {}, trust=True)  # the plan has already checked --trust
