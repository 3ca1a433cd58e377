"""List the samples of each split of a run without importing torch, so that missing files are reported early."""

import sys

import datasets
from config import TrainConfig
from datasets.base import SPLITS
from datasets.base import Dataset as DataSource
from datasets.io import preprocess


def load(config: TrainConfig, split: str) -> DataSource:
    """Return the samples of one split (train, val or test), not yet decoded.

    Preprocessing and partition come from the flags. Raises an error of ``core.errors`` if data are missing.
    """
    named = {"img_size": config.img_size, "cache": config.cache_dir, **config.request()}
    return preprocess.of(datasets.load(config.dataset, config.data_root_dir, split, **named), config.preprocess)


def load_splits(config: TrainConfig) -> dict[str, DataSource]:
    """Return the samples of all splits by name. Raises the same errors as ``load``.

    Memory that was needed only while reading the tables is released.
    """
    splits = {split: load(config, split) for split in SPLITS}
    arrow = sys.modules.get("pyarrow")  # pandas stores text in pyarrow's memory pool
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    return splits
