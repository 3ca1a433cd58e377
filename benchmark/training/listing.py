"""The samples of the splits of a run, listed without importing torch, so that missing files are reported early."""

import datasets
from config import TrainConfig
from datasets.base import SPLITS
from datasets.base import Dataset as DataSource
from datasets.io import preprocess


def load(config: TrainConfig, split: str) -> DataSource:
    """Return the samples of one split (train, val or test), not yet decoded.

    Preprocessing and partition come from the flags. Raises ``core.errors`` types for missing data.
    """
    named = {"img_size": config.img_size, "cache": config.cache_dir, **config.request()}
    return preprocess.of(datasets.load(config.dataset, config.data_root_dir, split, **named), config.preprocess)


def load_splits(config: TrainConfig) -> dict[str, DataSource]:
    """Return the samples of all splits by name. Raises as ``load``.

    Call it before slow imports: imported modules then reuse the memory that reading large tables leaves free.
    """
    return {split: load(config, split) for split in SPLITS}
