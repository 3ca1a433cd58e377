"""Loads the split of a data set that a command's flags name."""

import datasets
from config import DoctorConfig, TrainConfig
from datasets.base import Dataset


def load(config: TrainConfig | DoctorConfig, name: str, root: str | None, split: str) -> Dataset:
    """One split of the data set ``name``, dealt out and labelled as the flags say; no image is decoded yet.

    Raises ``core.errors`` types for what the data lack.
    """
    return datasets.load(
        name,
        root=root,
        split=split,
        partition=config.partition,
        folds=config.folds,
        fold=config.fold,
        findings=config.num_classes,
        seed=config.data_seed,
        img_size=config.img_size,
        cache=config.cache_dir if isinstance(config, TrainConfig) else None,
    )
