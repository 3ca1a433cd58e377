"""A suite: a YAML file of ``configs/suites`` becomes models with their trainings. Its cells are ``benchmark.cells``'s."""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import pydantic

import methods as wing
from benchmark import protocols, published, validity
from benchmark.words import BESIDE, BOARD, CLASSIFICATION, PAIRED
from config import WHERE, TrainConfig
from core import cli
from core.errors import BadValueError, DataError, UnknownNameError
from core.files import key

SUITES = cli.CONFIGS / "suites"
NETWORK = ("backbone", "global_pool", "lse_gamma", "attention_map")
"""Flags that say which network learns: a start of another network would not fit."""
NO_KEY = (WHERE - {"precision"}) | {"data_root_dir", "init_from"}
"""Flags of a training that are in no key: where it is made, and paths."""
FIRST = frozenset({
    "dataset", "num_classes", "partition", "folds", "fold", "data_seed", "train_on", "img_size", "max_bad_images", "backbone",
    "global_pool", "lse_gamma", "attention_map", "pretrained", "dropout", "multi_label", "loss", "weighted_loss", "optimizer",
    "lr", "momentum", "weight_decay", "amsgrad", "scheduler", "epochs", "batch_size", "gradient_clip", "augment", "early_stopping",
    "seed", "precision",
})  # fmt: skip
"""Flags that are in every key. One that came later is in it only where it is not at its default (which therefore never changes):
so the keys of recorded trainings stand, and a new flag is entered nowhere."""


class Suite(pydantic.BaseModel):
    """One suite as its YAML states it."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    name: str
    """The file's name: the folder below ``results``."""
    title: str
    """One line above the tables."""
    about: str
    """What the numbers rest on and what they do not show; printed above the tables."""
    how_to_get: str = ""
    """What to do when the data is absent."""
    train: dict[str, Any]
    """Flags of ``main.py`` that all models of the suite share."""
    init: dict[str, Any] | None = None
    """Flags of a training from which the models start (``--init_from``); of ``NETWORK`` those that it does not state are each model's."""
    models: list[dict[str, Any]]
    """Flags per model; a list of values makes one model each."""
    folds: list[int] | None = None
    """Folds whose held-out cases are pooled; none: the split named in ``train``."""
    methods: list[str] | str = "all"
    """Words of methods, ``all``, ``fast`` and ``slow`` among them; the baselines are always there."""
    slow_images: Annotated[int, pydantic.Field(ge=1)] | None = None
    """How many of the boxed images, drawn by patient, the methods that are not fast explain; none: all. A model may state its own."""
    protocols: list[str] | None = None
    """Words of protocols; none: all in ``benchmark/protocols``."""
    conventional: list[str] = []
    """Protocols that score the maps a second time as if their grid were the conventional one."""
    published: list[str] = []
    """Papers of ``benchmark/published`` whose numbers stand beside ours."""
    check: str | None = None
    """A validity check that judges the maps in place of ``protocols``; baselines are then those that ``methods`` names."""
    images: Annotated[int, pydantic.Field(ge=1)] | None = None
    """How many of the boxed images, drawn by patient, a check looks at; none: all."""
    test_on: dict[str, Any] | None = None
    """Flags of another data set (dataset, data_root_dir …) on whose test images the trained models are explained and scored."""
    trainings: str | None = None
    """The suite below whose folder of ``--runs`` its trainings and maps lie, so that no training is done twice; none: its own."""

    @property
    def words(self) -> list[str]:
        """Its methods and groups of methods, as written."""
        return [self.methods] if isinstance(self.methods, str) else self.methods

    @property
    def scored_by(self) -> list[str]:
        """Its protocols."""
        return [self.check] if self.check is not None else self.protocols or protocols.names()

    @property
    def recorded(self) -> list[str]:
        """The protocols of all its records: those, the classifier's, and where methods are compared also ``benchmark.compare.paired``'s."""
        return [*self.scored_by, CLASSIFICATION, *([PAIRED] if BOARD in self.scored_by else [])]


@dataclasses.dataclass(frozen=True)
class ModelPlan:
    """One model of a suite: its trainings (one per fold) and where they start."""

    id: str
    trainings: tuple[TrainConfig, ...]
    init: TrainConfig | None
    slow_images: int | None = None
    """How many images slow methods explain; None: all."""
    elsewhere: TrainConfig | None = None
    """The data set of ``test_on``; None: the trainings' own."""

    @property
    def scored_on(self) -> TrainConfig:
        """The flags that name the images that are scored."""
        return self.elsewhere or self.trainings[0]

    @property
    def maps(self) -> str:
        """The folder of its maps: another for other images."""
        return self.id if self.elsewhere is None else f"{self.id}-on-{self.elsewhere.dataset.split(':')[0]}"

    @property
    def recipe(self) -> dict[str, Any]:
        """What its weights depend on, JSON-able: the shared flags, the folds, and the training it starts from."""
        flags = identity(self.trainings[0])
        folds = [training.fold for training in self.trainings]
        return {**flags, "fold": folds, "init": identity(self.init) if self.init else None}


def identity(config: TrainConfig) -> dict[str, Any]:
    """The fields of a training that decide what it learns; later ones than ``FIRST`` where they differ from their default."""
    fields = [field for field in dataclasses.fields(config) if field.name not in NO_KEY]
    told = {field.name: getattr(config, field.name) for field in fields}
    return {field.name: told[field.name] for field in fields if field.name in FIRST or told[field.name] != field.default}


def suites(folder: Path = SUITES) -> list[str]:
    """Names of the suites in the tree."""
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(name: str, folder: Path = SUITES) -> Suite:
    """Read a suite. Raises ``UnknownNameError``, or ``DataError`` with the field that is wrong."""
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise UnknownNameError("suite", name, suites(folder))
    try:
        suite = Suite(**{**cli.read_yaml(path), "name": name})
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        fields = ", ".join(field for field in Suite.model_fields if field != "name")
        raise DataError(f"the suite {path}, field {'.'.join(map(str, first['loc']))}: {first['msg']}; fields: {fields}") from error
    if suite.trainings is not None and suite.trainings not in suites(folder):
        raise UnknownNameError("suite", suite.trainings, suites(folder))
    _check(suite)
    return suite


def _check(suite: Suite) -> None:
    """Every word of a suite before anything runs. Raises ``UnknownNameError`` or ``BadValueError``."""
    for word in [*(suite.protocols or []), *suite.conventional]:
        protocols.registry.check(word)
    _check_check(suite)
    check_methods(suite.words)
    for word in suite.published:
        published.check(word)
    every = models(suite)
    for training in (training for model in every for training in model.trainings):
        if training.fold >= training.folds:
            raise BadValueError(f"the suite {suite.name!r} has fold {training.fold} of {training.folds} folds: count from 0")
    if any(training.batch_size == "auto" for model in every for training in model.trainings):
        raise BadValueError(f"the suite {suite.name!r} has batch_size auto, another number on each machine: write the number")
    names = Counter(folder_name(training, None) for model in every for training in model.trainings)
    if twice := [name for name, count in names.items() if count > 1]:
        raise BadValueError(f"the suite {suite.name!r} states a model twice: {', '.join(twice)}")
    if any(model.slow_images is not None for model in every) and BOARD not in suite.scored_by:
        raise BadValueError(f"the suite {suite.name!r} has slow_images, which needs the protocol {BOARD!r}: add it to its protocols")


def _check_check(suite: Suite) -> None:
    """The fields of a suite that is a validity check."""
    if suite.check is not None:
        validity.registry.check(suite.check)
        if suite.protocols or suite.conventional:
            raise BadValueError(f"the suite {suite.name!r} has a check, which scores by itself: leave protocols and conventional out")
    elif suite.images is not None:
        raise BadValueError(f"the suite {suite.name!r} has images, which only a check can draw: write slow_images, or a check")


def check_methods(words: Sequence[str]) -> None:
    """Raise ``UnknownNameError`` for a word that is no method, no group, no baseline and no ``path/to/file.py:Class``."""
    for word in words:
        if word not in (*BESIDE, *wing.GROUPS) and not wing.is_path(word):
            wing.registry.check(word)


def models(suite: Suite, overrides: dict[str, Any] | None = None) -> list[ModelPlan]:
    """The suite's models; ``overrides`` are flags from the command line (data root, threads …)."""
    given = {key: value for key, value in (overrides or {}).items() if value is not None}
    return [_model(suite, {**suite.train, **flags}, given) for entry in suite.models for flags in _product(entry)]


def _start(init: dict[str, Any], flags: dict[str, Any], given: dict[str, Any]) -> TrainConfig:
    """Where a model of these ``flags`` starts; of the ``given`` flags a data root only where ``init`` needs one, the suite's own then."""
    own = {name: flags[name] for name in NETWORK if name in flags}
    return _config({**own, **init, **{name: value for name, value in given.items() if name != "data_root_dir" or name in init}})


def _model(suite: Suite, flags: dict[str, Any], given: dict[str, Any]) -> ModelPlan:
    start = None if suite.init is None else _start(suite.init, flags, given)
    flags = {**flags, **given}
    slow_images = flags.pop("slow_images", suite.slow_images)
    if slow_images is not None and (not isinstance(slow_images, int) or slow_images < 1):
        raise BadValueError(f"a model of the suite {suite.name!r} has slow_images {slow_images!r}: write 1 or more, or null for all")
    folds = suite.folds if suite.folds is not None else [flags.get("fold", 0)]
    trainings = tuple(_config({**flags, "fold": fold}) for fold in folds)
    first = trainings[0]
    attention = first.attention_map if first.attention_map not in (None, "none") else ""
    words = [first.backbone, first.global_pool, attention, f"{first.img_size}px", f"seed{first.seed}"]
    name = "-".join(word.replace(":", "_") for word in words if word)
    return ModelPlan(name, trainings, start, slow_images, _elsewhere(suite, trainings))


def _elsewhere(suite: Suite, trainings: Sequence[TrainConfig]) -> TrainConfig | None:
    """The other data set, its images made ready as the training's own. Raises ``BadValueError`` where several folds would share them."""
    if suite.test_on is None:
        return None
    if len(trainings) > 1:
        raise BadValueError(f"the suite {suite.name!r} has test_on and {len(trainings)} folds: one explains it all, leave folds out")
    same = {name: getattr(trainings[0], name) for name in ("img_size", "preprocess", "cache_dir", "num_workers", "threads", "pretrained")}
    return _config({**same, "data_seed": trainings[0].data_seed, **suite.test_on})


def _config(flags: dict[str, Any]) -> TrainConfig:
    return cli.build(TrainConfig, {**cli.defaults_of(TrainConfig, flags), **flags})


def _product(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    axes = [[(name, value) for value in (values if isinstance(values, list) else [values])] for name, values in entry.items()]
    if any(not axis for axis in axes):
        raise BadValueError(f"a model of a suite has an empty list: {entry}")
    yield from (dict(pairs) for pairs in itertools.product(*axes))


def folder_name(config: TrainConfig, start: TrainConfig | None) -> str:
    """Name of the run folder of one training of a suite: readable, and another for other weights."""
    what = {**identity(config), "init": identity(start) if start else None}
    return f"{config.backbone}-{config.global_pool}-fold{config.fold}-{key(what)}".replace(":", "_")
