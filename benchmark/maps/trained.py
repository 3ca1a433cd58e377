"""Training runs with the held-out images on which maps are generated and scored, and their untrained counterparts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

import backbones
from backbones import Classifier, build_from_config
from benchmark.maps.code import code_of_config
from benchmark.maps.unseen_images import GivenModel, images_of
from benchmark.training import load
from benchmark.training.listing import load_split
from config import TrainConfig
from core.errors import DataError, NotAvailableError, examples
from core.names import UNTRAINED
from core.seeds import patient_ranks
from core.types import Sample
from datasets.base import Dataset
from datasets.io.cache import PixelCache

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
        return pd.read_csv(self.folder / "predictions.csv", dtype={"image": str, "patient": str})

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
                model = build_from_config.rebuild(load.checkpoint(self.checkpoint).stamp["model"], str(self.checkpoint))
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
