"""The models of a suite with their trainings, and what these are told apart by."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

from benchmark.suite.plan.suite import Suite
from config import WHERE, TrainConfig
from core import cli
from core.errors import BadValueError
from core.files import key

NETWORK = ("backbone", "global_pool", "lse_gamma", "attention_map")
"""Flags that say which network learns: a start of another network would not fit."""
NO_KEY = (WHERE - {"precision"}) | {"data_root_dir", "init_from"}
"""Flags of a training that are in no key: where it is made, and paths."""
FIRST = frozenset({
    "dataset", "num_classes", "partition", "folds", "fold", "data_seed", "train_on", "img_size", "max_bad_images",
    "backbone", "global_pool", "lse_gamma", "attention_map", "pretrained", "dropout", "multi_label", "loss",
    "weighted_loss", "optimizer", "lr", "momentum", "weight_decay", "amsgrad", "scheduler", "epochs", "batch_size",
    "gradient_clip", "augment", "early_stopping", "seed", "precision",
})  # fmt: skip
"""Flags that are in every key.

One that came later is in it only where it is not at its default, which therefore never changes: so the keys of recorded
trainings stand, and a new flag is entered nowhere.
"""


@dataclasses.dataclass(frozen=True)
class ModelPlan:
    """One model of a suite: its trainings (one per fold) and where they start."""

    id: str
    trainings: tuple[TrainConfig, ...]
    init: TrainConfig | None
    slow_images: int | None = None
    """How many images slow methods explain; None: all."""
    other_data: TrainConfig | None = None
    """The data set of ``test_on``; None: the trainings' own."""
    entry: Entry | None = None
    """The finished network that it is, which is not trained; None: the suite trains it."""

    @property
    def scored_on(self) -> TrainConfig:
        """The flags that name the images that are scored."""
        return self.other_data or self.trainings[0]

    @property
    def maps(self) -> str:
        """The folder of its maps: another for other images."""
        return self.id if self.other_data is None else f"{self.id}-on-{self.other_data.dataset.split(':')[0]}"

    @property
    def recipe(self) -> dict[str, Any]:
        """What its weights depend on, JSON-able: the shared flags, the folds, and the training it starts from."""
        flags = identity(self.trainings[0])
        folds = [training.fold for training in self.trainings]
        if self.entry is not None:
            declared = {"trained_on": self.entry.trained_on} if self.entry.trained_on else {}
            return {**flags, **declared, "fold": folds, "weights": self.entry.digest, "entry": self.entry.name}
        return {**flags, "fold": folds, "init": identity(self.init) if self.init else None}


def identity(config: TrainConfig) -> dict[str, Any]:
    """The fields that decide what a training learns: ``FIRST``, and later ones that differ from their default."""
    fields = [field for field in dataclasses.fields(config) if field.name not in NO_KEY]
    values = {field.name: getattr(config, field.name) for field in fields}
    return {f.name: values[f.name] for f in fields if f.name in FIRST or values[f.name] != f.default}


def models(suite: Suite, overrides: dict[str, Any] | None = None) -> list[ModelPlan]:
    """The suite's models; ``overrides`` are flags from the command line (data root, threads …)."""
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    return [_model(suite, {**suite.train, **flags}, given) for entry in suite.models for flags in _product(entry)]


def _start(init: dict[str, Any], flags: dict[str, Any], given: dict[str, Any]) -> TrainConfig:
    """The training that a model of these ``flags`` starts from; a given data root is for an ``init`` that has one."""
    network = {name: flags[name] for name in NETWORK if name in flags}
    return _config({**network, **init, **{k: v for k, v in given.items() if k != "data_root_dir" or k in init}})


def _model(suite: Suite, flags: dict[str, Any], given: dict[str, Any]) -> ModelPlan:
    start = None if suite.init is None else _start(suite.init, flags, given)
    flags = {**flags, **given}
    slow_images = flags.pop("slow_images", suite.slow_images)
    if slow_images is not None and (not isinstance(slow_images, int) or slow_images < 1):
        raise BadValueError(
            f"a model of the suite {suite.name!r} has slow_images {slow_images!r}: write 1 or more, or null for all"
        )
    folds = suite.folds if suite.folds is not None else [flags.get("fold", 0)]
    trainings = tuple(_config({**flags, "fold": fold}) for fold in folds)
    first = trainings[0]
    attention = first.attention_map if first.attention_map not in (None, "none") else ""
    words = [first.backbone, first.global_pool, attention, f"{first.img_size}px", f"seed{first.seed}"]
    name = "-".join(word.replace(":", "_") for word in words if word)
    return ModelPlan(name, trainings, start, slow_images, _other_data(suite, trainings))


def _other_data(suite: Suite, trainings: Sequence[TrainConfig]) -> TrainConfig | None:
    """The data set of ``test_on``, its images prepared as the training's own; ``BadValueError`` for several folds."""
    if suite.test_on is None:
        return None
    if len(trainings) > 1:
        raise BadValueError(
            f"the suite {suite.name!r} has test_on and {len(trainings)} folds: one explains it all, leave folds out"
        )
    names = ("img_size", "preprocess", "cache_dir", "num_workers", "threads", "pretrained")
    same = {name: getattr(trainings[0], name) for name in names}
    return _config({**same, "data_seed": trainings[0].data_seed, **suite.test_on})


def _config(flags: dict[str, Any]) -> TrainConfig:
    return _built(json.dumps({**cli.defaults_of(TrainConfig, flags), **flags}, default=repr))


@lru_cache(maxsize=512)
def _built(flags: str) -> TrainConfig:
    """The same flags are validated once: a suite is planned several times in a run."""
    return cli.build(TrainConfig, json.loads(flags))


def _product(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    axes = [values if isinstance(values, list) else [values] for values in entry.values()]
    if not all(axes):
        raise BadValueError(f"a model of a suite has an empty list: {entry}")
    yield from (dict(zip(entry, values, strict=True)) for values in itertools.product(*axes))


def folder_name(config: TrainConfig, start: TrainConfig | None) -> str:
    """Name of the run folder of one training of a suite: readable, and another for other weights."""
    what = {**identity(config), "init": identity(start) if start else None}
    return f"{config.backbone}-{config.global_pool}-fold{config.fold}-{key(what)}".replace(":", "_")
