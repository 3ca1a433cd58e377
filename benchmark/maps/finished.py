"""A finished network that enters a suite: what its outputs stand for, and the suite's images as it sees them."""

import logging
from dataclasses import dataclass, fields
from pathlib import Path

import datasets
from benchmark.maps.other_dataset import unseen
from benchmark.training import data as source
from config import TrainConfig
from core.flags.data import SplitFlags
from datasets.base import Dataset
from datasets.shared import Shared

log = logging.getLogger(__name__)


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


def images_of(config: TrainConfig, split: str, finished: FinishedModel) -> Dataset:
    """The images of a suite's split, their truth by the entry's findings, without those of patients that it has seen.

    Whose training is not known, or lies elsewhere, is not looked for among them: a warning says so.
    """
    data = source.load(config, split)
    kept = list(range(len(data)))
    counts: dict[str, int] = {}
    if finished.trained is not None and not _same_images(finished.trained, config):
        if datasets.at_hand(finished.trained.dataset, finished.trained.data_root_dir):
            kept, counts = unseen(finished.trained, config, data)
        else:
            log.warning(
                "%s: the files of %s are not here: its training images are not looked for among those of %s",
                *(finished.name, finished.trained.dataset, config.dataset),
            )
    if finished.findings == data.findings and len(kept) == len(data):
        return data
    shared = Shared(data, finished.findings, kept)
    shared.description |= {"trained_on": finished.trained_on, **counts}
    return shared


def _same_images(trained: TrainConfig, config: TrainConfig) -> bool:
    """Whether a training held out the very images that the suite scores."""
    names = ("dataset", *(field.name for field in fields(SplitFlags)))
    return all(getattr(trained, name) == getattr(config, name) for name in names)
