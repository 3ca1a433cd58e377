"""The samples of a run's splits, listed without importing torch: missing files and leaks are reported before it."""

import sys

import datasets
from config import TrainConfig
from datasets.base import SPLITS
from datasets.base import Dataset as DataSource
from datasets.io import preprocess


def load(config: TrainConfig, split: str) -> DataSource:
    """The samples of one split, not decoded yet. Raises ``core.errors`` types for missing data.

    ``split`` is train, val or test; preprocessing and partition come from the flags.
    """
    named = {"img_size": config.img_size, "cache": config.cache_dir, **config.request()}
    return preprocess.of(datasets.load(config.dataset, config.data_root_dir, split, **named), config.preprocess)


def load_splits(config: TrainConfig) -> dict[str, DataSource]:
    """The samples of all splits by name; raises as ``load``.

    Memory that was needed only to read the tables is given back.
    """
    splits = {split: load(config, split) for split in SPLITS}
    arrow = sys.modules.get("pyarrow")  # pandas keeps text in its memory pool
    if arrow is not None:
        arrow.default_memory_pool().release_unused()
    return splits
