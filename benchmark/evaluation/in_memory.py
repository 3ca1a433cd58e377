"""A network and samples in memory, with the interface of a run folder and its data set."""

import copy
import io
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

import datasets
from backbones import Classifier
from benchmark.maps.code import network_code
from benchmark.maps.trained import TrainingRun
from benchmark.maps.unseen_images import unseen_positions
from benchmark.training import data, load
from benchmark.training.evaluate import predict, predictions_csv
from benchmark.training.machine import memory_format
from config import TrainConfig
from core.errors import BadValueError
from core.types import Sample
from datasets.base import Dataset
from datasets.io import cache
from datasets.relabeled import RelabeledDataset

log = logging.getLogger(__name__)


class Samples(Dataset):
    """Samples in memory as a data set, with labels in the order of ``findings``."""

    name = "samples"

    def __init__(self, samples: Sequence[Sample], findings: Sequence[str], split: str) -> None:
        """Wrap the ``samples`` of one ``split``. Raises ``BadValueError`` if labels or boxes do not fit."""
        self.samples, self.findings, self.split = samples, tuple(findings), split
        self.describe = {"images": len(samples), "findings": list(findings)}
        for sample in samples:
            _check_labels(sample, self.findings)

    def __len__(self) -> int:
        return len(self.samples)

    def sample(self, index: int) -> Sample:
        """Return the sample at ``index``."""
        return self.samples[index]


def _check_labels(sample: Sample, findings: tuple[str, ...]) -> None:
    """Raise ``BadValueError`` unless the labels of a sample are those of ``findings``, in their order."""
    order = f"labels must be in the order of the model's findings: {', '.join(findings)}"
    if len(sample.labels) != len(findings):
        raise BadValueError(f"sample {sample.image_id} has {len(sample.labels)} labels, not {len(findings)}: {order}")
    for finding in sample.boxes:
        if finding not in findings:
            raise BadValueError(
                f"sample {sample.image_id} has a box of {finding!r}, which is not a finding of the model"
            )
        if sample.labels[findings.index(finding)] == 0:
            raise BadValueError(f"sample {sample.image_id} has a box of {finding!r} and the label 0 for it: {order}")


def as_dataset(samples: Sequence[Sample], findings: tuple[str, ...], split: str = "test") -> Dataset:
    """Return the ``samples`` as a data set whose labels are in the order of a model's ``findings``.

    Raises ``DataError`` for a data set with none of them, ``BadValueError`` for samples that do not fit.
    """
    if not isinstance(samples, Dataset):
        return Samples(samples, findings, split)
    return samples if samples.findings == findings else RelabeledDataset(samples, findings, range(len(samples)))


def exclude_seen_patients(samples: Dataset, recipe: TrainConfig | None) -> Dataset:
    """Return ``samples`` without patients from the training data of ``recipe``, if both are from one data set.

    Logs a warning with the number left out. If the training data are not on this machine, logs a warning and returns
    all ``samples``. Raises ``LeakError`` if none is left.
    """
    if recipe is None or recipe.dataset.split(":")[0] != samples.name:
        return samples
    if not datasets.at_hand(recipe.dataset, recipe.data_root_dir):
        log.warning("the training data of the run are not here: patients seen in training cannot be excluded")
        return samples
    positions = unseen_positions(recipe, samples, samples.patients)
    if len(positions) == len(samples):
        return samples
    rest = RelabeledDataset(samples, samples.findings, positions)
    rest.describe |= {"images_seen_in_training": len(samples) - len(positions)}
    return rest


@dataclass(frozen=True, eq=False, kw_only=True)
class InMemoryRun(TrainingRun):
    """A network in memory and the images on which it is evaluated."""

    network: Classifier
    splits: Mapping[str, Dataset]
    """``test`` and ``val`` -> images; ``val`` may be empty."""
    predict_all: bool
    """True to predict all test images, False for those with scored maps only."""

    @property
    def code(self) -> str:
        """Hash of the code of the network; empty for a wrapped network."""
        return network_code(self.network.build_options)

    @cached_property
    def digest(self) -> str:
        """First 16 hex digits of the SHA-256 of the weights by name."""
        return load.digest({name: value.cpu() for name, value in self.network.state_dict().items()})

    def model(self, device: str) -> Classifier:
        """Return a copy of the network in evaluation mode on ``device``; the caller's network is unchanged."""
        return copy.deepcopy(self.network).to(device).eval()

    @cached_property
    def data(self) -> Dataset:
        """Images of the split."""
        return self.splits[self.split]

    @cached_property
    def pixels(self) -> NDArray[np.uint8]:
        """(images, S, S) pixels of ``scorable_images``. Raises ``DataError`` if one of them cannot be decoded."""
        return cache.pixels(self.scorable_images, self.config.img_size, self.config.cache_dir, max_bad=0).images

    def read_predictions(self) -> pd.DataFrame:
        """Return the network's predictions, one row per image, rounded as in a run's file of predictions."""
        c, test = self.config, self.splits["test"]
        images = test if self.predict_all else Samples(self.scorable_images, test.findings, "test")
        splits = {
            name: data.decode(c, part) for name, part in (("val", self.splits["val"]), ("test", images)) if len(part)
        }
        model = self.model("cuda" if torch.cuda.is_available() else "cpu")
        model.to(memory_format=memory_format(c.channels_last))
        logits = {name: predict(model, split, c.batch_size) for name, split in splits.items()}
        return pd.read_csv(io.StringIO(predictions_csv(splits, logits)), dtype={"image": str, "patient": str})
