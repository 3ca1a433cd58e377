"""Training runs and given models, with the held-out images on which their maps are generated and scored.

``ModelRun``  a training run with its held-out images; ``Untrained`` is the same network with other random weights
``images_of``    the images of a split; of the test, without the patients that a given model was trained on
``predict_held_out``  predict these images and write the same files as a training run

Training itself is in ``locus.benchmark.training``, the maps of these images in ``generate`` and
``store``.
"""

import contextlib
import functools
import hashlib
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from locus import backbones, datasets
from locus.backbones import Classifier
from locus.benchmark import opening
from locus.benchmark.maps import code_of_config
from locus.benchmark.opening import ExternalModel, checkpoint, rebuild
from locus.benchmark.training import hardware, runs
from locus.benchmark.training.evaluate import decode_held_out, evaluate, read_predictions
from locus.config import TrainConfig
from locus.core.errors import DataError, NoImagesError, NotAvailableError, examples
from locus.core.files import atomic, file_hash
from locus.core.names import UNTRAINED
from locus.core.types import Sample, patient_ranks
from locus.datasets import leaks
from locus.datasets.base import Dataset
from locus.datasets.io.cache import PixelCache
from locus.datasets.leaks import TrainingImages

log = logging.getLogger(__name__)
OTHER_SEED = 1_000_000
"""Added to a training run's seed, so that the weights differ from the run's initial weights."""


def images_of(config: TrainConfig, split: str, model: ExternalModel) -> Dataset:
    """Return the images of a suite's split, labelled for the network's findings.

    Test images of patients in the network's training data are left out, if these are known. Raises ``LeakError`` if
    none is left, ``BadValueError`` for a list with other names than the data set's.
    """
    data = datasets.load_split(config, split)
    if split == "test" and model.listed:
        leaks.check_form(model.listed, data, model.trained_on)
    unseen_images = leaks.unseen_part(
        data, _seen(model, config) if split == "test" else None, model.findings
    )
    if unseen_images is not data:
        unseen_images.describe |= {"trained_on": model.trained_on}
    return unseen_images


def _seen(model: ExternalModel, config: TrainConfig) -> TrainingImages | None:
    """Return the training images of ``model``: of its file, of its list, or of the data set that it declares."""
    if model.training_images is not None or model.declared is None:
        return model.training_images
    is_same_data_set = model.declared.dataset.split(":")[0] == config.dataset.split(":")[0]
    root = config.data_root_dir if is_same_data_set else model.declared.data_root_dir
    return _images_of_data_set(replace(model.declared, data_root_dir=root))


@functools.lru_cache(maxsize=1)
def _images_of_data_set(config: TrainConfig) -> TrainingImages | None:
    """Return the training images of a data set; None if its files are missing."""
    if not datasets.at_hand(config.dataset, config.data_root_dir):
        return None
    images = TrainingImages()
    for split in ("train", "val"):
        with contextlib.suppress(NoImagesError):  # only test images are available
            data = datasets.load_split(config, split)
            images |= TrainingImages.used(data.name, data.columns, range(len(data)), data.columns)
    return images


def log_training_images(models: Iterable[tuple[ExternalModel, Sequence[TrainConfig]]]) -> None:
    """Log how many test images are left out, or that training images are unknown: once for all ``models`` alike.

    Each model has one configuration per test fold. Raises the errors of ``images_of``.
    """
    for level, message in dict.fromkeys(_training_images_message(*model) for model in models):
        log.log(level, "%s", message)


def _training_images_message(
    model: ExternalModel, trainings: Sequence[TrainConfig]
) -> tuple[int, str]:
    """Return a log level and a message."""
    name = trainings[0].dataset.split(":")[0]
    test_sets = [images_of(config, "test", model) for config in trainings]
    if _seen(model, trainings[0]) is None and datasets.needs_folder(trainings[0].dataset):
        return logging.WARNING, f"{model.name}: {leaks.UNKNOWN}: list them with --trained_on FILE"
    warning = leaks.left_out_message(name, test_sets)
    if warning:
        return logging.WARNING, warning
    total = sum(map(len, test_sets))
    return (
        logging.INFO,
        f"{model.name}: none of the {total} test images of {name} is of a patient in its training data",
    )


@dataclass(frozen=True)
class ModelRun:
    """One training run of a model with held-out images, on which it is explained."""

    config: TrainConfig
    folder: Path
    split: Literal["test", "val"] = "test"
    """Split of the images: ``test`` is scored, ``val`` is for choosing thresholds."""
    recorded_digest: str | None = None
    """Digest of the weights in a record; None: compute it from the checkpoint."""
    external: ExternalModel | None = None
    """The given model, if the suite did not train the network."""
    image_ids: frozenset[str] | None = None
    """Names of the images that are explained; None: all with a truth box."""
    random_weights: bool = False
    """Whether the weights are replaced by random ones."""

    @property
    def checkpoint(self) -> Path:
        """Path of the checkpoint that is explained and scored."""
        return self.folder / "best.ckpt"

    @property
    def code(self) -> str:
        """Hash of the code of the network."""
        return code_of_config(self.config) if self.external is None else self.external.code

    @cached_property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the weights by name, independent of the file format."""
        digest = (
            checkpoint(self.checkpoint).digest
            if self.recorded_digest is None
            else self.recorded_digest
        )
        return f"{digest}, random weights" if self.random_weights else digest

    def model(self, device: str) -> Classifier:
        """Load the network that is explained, in evaluation mode on ``device``."""
        trust = self.external is not None  # the plan has already refused untrusted code
        model = opening.load(self.checkpoint, device, trust)
        return with_random_weights(model, self.config.seed) if self.random_weights else model

    @cached_property
    def data(self) -> Dataset:
        """The images of the split."""
        if self.external is not None:
            return images_of(self.config, self.split, self.external)
        return datasets.load_split(self.config, self.split)

    def other_data(self) -> list[str]:
        """Return the properties of the data that differ from those of the predictions."""
        metrics = json.loads((self.folder / "metrics.json").read_text(encoding="utf-8"))
        recorded = metrics["data"]["test"]
        return [name for name, value in self.data.describe.items() if recorded.get(name) != value]

    @cached_property
    def validation(self) -> "ModelRun":
        """The training run with its validation images instead of the test images."""
        return replace(self, split="val")

    @cached_property
    def scorable_images(self) -> list[Sample]:
        """Images of the split on which a map can be scored: with a truth box, and in ``image_ids``."""
        chosen = self.image_ids
        return [
            sample
            for sample in self.data
            if sample.boxes and (chosen is None or sample.image_id in chosen)
        ]

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """Pixels of ``scorable_images``, (images, S, S). Raises ``DataError`` if one of them cannot be decoded."""
        c = self.config
        cached = PixelCache(self.data, c.img_size, Path(c.cache_dir), c.max_bad_images)
        positions = {image: position for position, image in enumerate(self.data.columns.images)}
        cached.order = np.array(
            [positions[sample.image_id] for sample in self.scorable_images], np.int64
        )
        images, readable = cached.read(cached.order)
        pairs = zip(self.scorable_images, readable, strict=True)
        missing = [sample.image_id for sample, is_readable in pairs if not is_readable]
        if missing:
            broken = f"{len(missing)} images with a truth box cannot be decoded"
            raise DataError(f"{broken}: {examples(missing)}; repair or remove them")
        return images

    def read_predictions(self) -> pd.DataFrame:
        """Return the network's predictions for its held-out images; columns as in ``CaseStore.predictions``."""
        file = self.folder / "predictions.csv"
        metrics = self.folder / "metrics.json"
        recorded_hash = None
        if metrics.is_file():
            recorded_hash = json.loads(metrics.read_text(encoding="utf-8")).get("predictions")
        if recorded_hash not in (None, file_hash(file)):
            raise DataError(
                f"{file} is damaged: it differs from its hash in {metrics.name}; run the suite again"
            )
        return read_predictions(file)

    @cached_property
    def pixels_digest(self) -> str:
        """First 16 hex digits of the SHA-256 of ``pixels``."""
        return hashlib.sha256(self.pixels.tobytes()).hexdigest()[:16]


def with_random_weights(model: Classifier, seed: int) -> Classifier:
    """Replace the weights of ``model`` by random ones, which are not the initial ones of the training ``seed``.

    Layers are initialised again; parameters without an initialisation of their own are shuffled.
    """
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed + OTHER_SEED)
        for module in model.modules():
            reset = getattr(module, "reset_parameters", None)
            if callable(reset):
                reset()
            else:
                for values in module.parameters(recurse=False):
                    values.copy_(values.flatten()[torch.randperm(values.numel())].view_as(values))
    return model


class Untrained(ModelRun):
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
            if self.external is not None:
                model = rebuild(checkpoint(self.checkpoint).stamp["model"], str(self.checkpoint))
            else:
                finding_count = len(self.data.findings)
                model = backbones.build(
                    c.backbone, finding_count, c.pooling, c.attention_map, pretrained=False
                )
        return model.to(device).eval()


def untrained(run: ModelRun) -> Untrained:
    """Return the untrained network of ``run``. Raises ``NotAvailableError`` if its initialisation is unknown."""
    if run.external is not None and run.external.network:
        raise NotAvailableError(
            f"the initial weights of the network {run.external.network} are unknown"
        )
    return Untrained(
        config=run.config,
        folder=run.folder,
        split=run.split,
        recorded_digest=run.recorded_digest,
        external=run.external,
        image_ids=run.image_ids,
    )


def select_samples(trained: Sequence[ModelRun], count: int | None) -> list[Sample]:
    """Return the scorable images in order: ``count`` of them, chosen by the data seed, or all of them for None."""
    samples = [sample for run in trained for sample in run.scorable_images]
    return samples if count is None else subset(samples, count, trained[0].config.data_seed)


def subset(samples: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """Return ``count`` samples in their original order: one image of each patient, then a second one, and so on.

    The patients are shuffled with ``seed``. All models of the same data get the same images, independent of folds. A
    smaller subset is part of a larger one.
    """
    ranks, _ = patient_ranks([sample.patient_id for sample in samples], seed, "slow images")
    images = pd.DataFrame({"patient": ranks, "image": [sample.image_id for sample in samples]})
    images = images.drop_duplicates().sort_values("image")
    images["turn"] = images.groupby("patient").cumcount()
    selected = {*images.sort_values(["turn", "patient"]).image[:count]}
    return [sample for sample in samples if sample.image_id in selected]


def predict_held_out(model: ExternalModel, config: TrainConfig, folder: Path) -> None:
    """Write a copy of ``model`` and its predictions for the held-out images of ``config`` to ``folder``.

    Nothing is written if the predictions of these images exist. Raises ``LocusError`` for data without test images or
    without any of its findings; validation images may be missing.
    """
    if runs.done(folder) and not ModelRun(config, folder, external=model).other_data():
        return
    hardware.configure_torch(config.threads)
    splits = decode_held_out(config, lambda name: images_of(config, name, model))
    with atomic(folder / "best.ckpt") as temporary:
        torch.save(_with_training_images(model), temporary)  # a published file has another format
    with hardware.oom_as_error("lower --batch_size"):
        evaluate(folder, config, splits, {}, trust=True)  # the plan has already checked --trust


def _with_training_images(model: ExternalModel) -> dict[str, Any]:
    """Return the content of its checkpoint, with the images of a list of training images, if one was given."""
    content = checkpoint(model.checkpoint).content
    if model.listed and model.training_images is not None:
        content["locus"] = {**content["locus"], "training_images": model.training_images.packed()}
    return content
