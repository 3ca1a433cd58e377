"""A model of a suite with its training runs, and the flags that identify them."""

import dataclasses
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from config import NO_EFFECT_ON_WEIGHTS, TrainConfig
from core.files import json_hash, safe_filename
from core.flags.data import SplitFlags

if TYPE_CHECKING:
    from benchmark.maps.unseen_images import GivenModel

DATA_FLAGS = frozenset({
    "dataset", "data_root_dir", "cache_dir", "num_workers", "threads", "max_bad_images",
    *(field.name for field in dataclasses.fields(SplitFlags)),
})  # fmt: skip
"""Flags of a training run that determine the scored images."""
NEVER_IN_KEY = (NO_EFFECT_ON_WEIGHTS - {"precision", "threads"}) | {"data_root_dir", "init_from"}
"""Flags of a training run that are never in a key: machine and paths. Threads are, if the plan sets them."""
ALWAYS_IN_KEY = frozenset({
    "dataset", "num_classes", "partition", "folds", "fold", "data_seed", "train_on", "img_size", "max_bad_images",
    "backbone", "global_pool", "lse_gamma", "attention_map", "pretrained", "dropout", "multi_label", "loss",
    "weighted_loss", "optimizer", "lr", "momentum", "weight_decay", "amsgrad", "scheduler", "epochs", "batch_size",
    "gradient_clip", "augment", "early_stopping", "seed", "precision",
})  # fmt: skip
"""Flags that are in every key.

Newer flags are in a key only if they differ from their default, so a default never changes and the keys of recorded
training runs stay valid.
"""


@dataclasses.dataclass(frozen=True)
class ModelPlan:
    """One model of a suite: its training runs (one per fold) and their initial weights."""

    id: str
    trainings: tuple[TrainConfig, ...]
    init: TrainConfig | None
    slow_images: int | None = None
    """Number of images that slow methods explain; None: all."""
    shown_only: bool = False
    """Whether slow methods explain only the findings present in an image, because no protocol uses others."""
    all_cells: bool = True
    """Whether the model has all cells, or only those for the leaderboard of several seeds."""
    given: "GivenModel | None" = None
    """The network if the suite does not train it: a checkpoint or a user's own network. None: the suite trains it."""
    methods: tuple[str, ...] = ()
    """The model's own methods; empty: those of the suite."""
    methods_on_all_images: tuple[str, ...] = ()
    """Names of the slow methods that explain all images for the main protocol."""

    def maps_folder(self, runs_dir: Path) -> Path:
        """Return the folder of its maps in ``runs_dir``."""
        suffix = "" if self.given is None else f"-{self.given.digest[:8]}"
        return runs_dir / "maps" / f"{self.id}{suffix}"

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The settings that determine the weights, for JSON: flags, folds, and the run for initial weights."""
        flags = identity(self.trainings[0])
        folds = [training.fold for training in self.trainings]
        if self.given is not None:
            data_flags = {name: flags[name] for name in flags if name in DATA_FLAGS or name == "img_size"}
            declared = {"trained_on": self.given.trained_on} if self.given.trained_on else {}
            return {**data_flags, **declared, "fold": folds, "weights": self.given.digest}
        return {**flags, "fold": folds, "init": identity(self.init) if self.init else None}

    def run_configs(self, runs_dir: Path) -> dict[Path, TrainConfig]:
        """Return run folder in ``runs_dir`` -> training run with its initial weights, one per fold.

        The name of a folder contains a hash of all settings that determine the weights.
        """
        if self.given is not None:
            name, digest = safe_filename(self.given.name), self.given.digest[:8]
            return {runs_dir / f"{name}-fold{config.fold}-{digest}": config for config in self.trainings}
        configs = self.trainings
        if self.init is not None:
            start = str(runs_dir / folder_name(self.init, None) / "best.ckpt")
            configs = tuple(dataclasses.replace(config, init_from=start) for config in configs)
        return {runs_dir / folder_name(config, self.init): config for config in configs}


def identity(config: TrainConfig) -> dict[str, Any]:
    """Return the fields that determine the weights: ``ALWAYS_IN_KEY``, and newer ones if not at their default.

    >>> flags = identity(TrainConfig(lr=0.01, cache_dir="elsewhere"))
    >>> flags["lr"], "cache_dir" in flags
    (0.01, False)
    """
    fields = [field for field in dataclasses.fields(config) if field.name not in NEVER_IN_KEY]
    values = {field.name: getattr(config, field.name) for field in fields}
    return {f.name: values[f.name] for f in fields if f.name in ALWAYS_IN_KEY or values[f.name] != f.default}


def folder_name(config: TrainConfig, start: TrainConfig | None) -> str:
    """Return the name of a run folder: readable, and unique for the weights.

    >>> folder_name(TrainConfig(backbone="resnet18", fold=2), None).rpartition("-")[0]
    'resnet18-AVG-fold2'
    """
    what = {**identity(config), "init": identity(start) if start else None}
    return f"{config.backbone}-{config.global_pool}-fold{config.fold}-{json_hash(what)}".replace(":", "_")
