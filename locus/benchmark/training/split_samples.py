"""List the samples of each split of a run without importing torch, so that missing files are reported early."""

from locus import datasets
from locus.config import TrainConfig
from locus.datasets.base import SPLITS
from locus.datasets.base import Dataset as DataSource
from locus.datasets.io import preprocess


def load_split(config: TrainConfig, split: str) -> DataSource:
    """Return the samples of one split (train, val or test), not yet decoded.

    Preprocessing and partition come from the flags. Raises an error of ``locus.core.errors`` if data are missing.
    """
    named = {"img_size": config.img_size, "cache": config.cache_dir, **config.split_arguments()}
    return preprocess.of(datasets.load(config.dataset, config.data_root_dir, split, **named), config.preprocess)


def load_splits(config: TrainConfig) -> dict[str, DataSource]:
    """Return the samples of all splits by name. Raises the same errors as ``load_split``."""
    return {split: load_split(config, split) for split in SPLITS}
