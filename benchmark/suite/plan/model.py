"""A model of a suite with its trainings, and what these are told apart by."""

import dataclasses
from functools import cached_property
from typing import TYPE_CHECKING, Any

from config import WHERE, TrainConfig
from core.files import key, stem
from core.flags.data import SplitFlags

if TYPE_CHECKING:
    from benchmark.maps.finished import FinishedModel

DATA = frozenset({
    "dataset", "data_root_dir", "cache_dir", "num_workers", "threads", "max_bad_images",
    *(field.name for field in dataclasses.fields(SplitFlags)),
})  # fmt: skip
"""Flags of a training that say which images are scored."""
NEVER_IN_KEY = (WHERE - {"precision", "threads"}) | {"data_root_dir", "init_from"}
"""Flags of a training that are in no key: where it is made, and paths. Threads are in a plan only where it pins them.
"""
ALWAYS_IN_KEY = frozenset({
    "dataset", "num_classes", "partition", "folds", "fold", "data_seed", "train_on", "img_size", "max_bad_images",
    "backbone", "global_pool", "lse_gamma", "attention_map", "pretrained", "dropout", "multi_label", "loss",
    "weighted_loss", "optimizer", "lr", "momentum", "weight_decay", "amsgrad", "scheduler", "epochs", "batch_size",
    "gradient_clip", "augment", "early_stopping", "seed", "precision",
})  # fmt: skip
"""Flags that are in every key.

One that came later is in it only where it is not at its default, which therefore never changes: so the keys of recorded
trainings stand, and a new flag is loaded nowhere.
"""


@dataclasses.dataclass(frozen=True)
class ModelPlan:
    """One model of a suite: its trainings (one per fold) and where they start."""

    id: str
    trainings: tuple[TrainConfig, ...]
    init: TrainConfig | None
    slow_images: int | None = None
    """How many images slow methods explain; None: all."""
    shown_only: bool = False
    """Whether methods that are not fast explain the findings that an image shows alone: no protocol reads others."""
    other_data: TrainConfig | None = None
    """The data set of ``test_on``; None: the trainings' own."""
    all_cells: bool = True
    """Whether it has all cells, or those that the leaderboard of several seeds rests on alone."""
    finished: "FinishedModel | None" = None
    """What it is where it was trained elsewhere; None: the suite trains it."""
    methods: tuple[str, ...] = ()
    """The words of its own methods; none: those of the suite."""
    candidate: str = ""
    """Which recipe of the suite's choice it has; none: it takes no part in a choice, or is what was chosen."""
    stated: tuple[tuple[str, Any], ...] = dataclasses.field(default=(), compare=False)
    """Its recipe, item by item, where its folds have several; see ``choice.chosen``."""

    @property
    def network(self) -> str:
        """What it is but for its seed and candidate: ``custom-PCAM-128px``."""
        first = self.trainings[0]
        attention = first.attention_map if first.attention_map not in (None, "none") else ""
        words = [first.backbone, first.global_pool, attention, f"{first.img_size}px"]
        return "-".join(word.replace(":", "_") for word in words if word)

    @property
    def left_out_fold(self) -> int | None:
        """The fold that its trainings leave out and its images are not of; None: none."""
        return self.trainings[0].leave_out_fold

    @property
    def scored_on(self) -> TrainConfig:
        """The flags that name the images that are scored."""
        return self.other_data or self.trainings[0]

    @property
    def maps_folder_name(self) -> str:
        """What the folder of its maps is called: another name for other images."""
        if self.finished is not None:
            return f"{self.id}-{self.finished.digest[:8]}"
        return self.id if self.other_data is None else f"{self.id}-on-{self.other_data.dataset.split(':')[0]}"

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """What its weights depend on, JSON-able: the shared flags, the folds, and the training it starts from."""
        flags = identity(self.trainings[0])
        folds = [training.fold for training in self.trainings]
        if self.finished is not None:
            shown = {name: flags[name] for name in flags if name in DATA or name == "img_size"}
            declared = {"trained_on": self.finished.trained_on} if self.finished.trained_on else {}
            return {**shown, **declared, "fold": folds, "weights": self.finished.digest}
        if self.stated:
            return dict(self.stated)
        named = {"candidate": self.candidate} if self.candidate else {}
        return {**flags, "fold": folds, "init": identity(self.init) if self.init else None, **named}


def identity(config: TrainConfig) -> dict[str, Any]:
    """The fields that decide what a training learns: ``ALWAYS_IN_KEY``, and later ones that differ from their default.

    >>> flags = identity(TrainConfig(lr=0.01, cache_dir="elsewhere"))
    >>> flags["lr"], "cache_dir" in flags
    (0.01, False)
    """
    fields = [field for field in dataclasses.fields(config) if field.name not in NEVER_IN_KEY]
    values = {field.name: getattr(config, field.name) for field in fields}
    return {f.name: values[f.name] for f in fields if f.name in ALWAYS_IN_KEY or values[f.name] != f.default}


def folder_name(config: TrainConfig, start: TrainConfig | None) -> str:
    """Name of the run folder of one training of a suite: readable, and another for other weights.

    >>> folder_name(TrainConfig(backbone="resnet18", fold=2), None).rpartition("-")[0]
    'resnet18-AVG-fold2'
    """
    what = {**identity(config), "init": identity(start) if start else None}
    return f"{config.backbone}-{config.global_pool}-fold{config.fold}-{key(what)}".replace(":", "_")


def finished_folder_name(finished: "FinishedModel", fold: int) -> str:
    """Name of the folder of a finished model's predictions, and of its copy."""
    return f"{stem(finished.name)}-fold{fold}-{finished.digest[:8]}"
