"""Read a suite, a YAML file of ``configs/suites``, into models with their training runs.

``Suite``      the fields of the YAML file; ``load`` reads and checks one, with advice for each invalid field
``models``     the models of a suite: each network and seed with its training runs (one per fold), and given models
``ModelPlan``  one of these models; its ``runs`` are trained, restored from published weights, or external networks

Nothing is trained and no image is read here. The cells of the models are planned in ``cells``.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

import pydantic

from locus import backbones, methods
from locus.benchmark.maps import code_of_config
from locus.benchmark.records import Cell, Record, papers
from locus.benchmark.report.primary import Primary
from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.pixels import MAP_SIDE
from locus.benchmark.training.runs import identity, model_name, recipe_of_weights, weights_file
from locus.config import CHECKS, DATA, MACHINE, MAPS, MODE, TrainConfig, flags_with
from locus.core import cli, user_code
from locus.core.errors import BadValueError, DataError, UnknownNameError, first_problem
from locus.core.files import json_hash, safe_filename
from locus.core.names import CLASSIFICATION, MAIN_PROTOCOL, duplicates
from locus.core.registry import named
from locus.core.user_code import runs_code

if TYPE_CHECKING:
    from locus.benchmark.opening import ExternalModel


@dataclasses.dataclass(frozen=True)
class RunPlan:
    """One run of a model, and where its network comes from."""

    folder: Path
    config: TrainConfig
    kind: Literal["train", "restore", "predict"]
    """``train``; ``restore`` from published weights that have the same settings; ``predict`` with an external network.
    """
    source: "Path | ExternalModel | None"
    """The file of weights, or the external network; None if it is trained."""


@dataclasses.dataclass(frozen=True)
class ModelPlan:
    """One model of a suite: its training runs (one per fold) and their initial weights."""

    id: str
    trainings: tuple[TrainConfig, ...]
    init: TrainConfig | None
    images: int | None = None
    """Number of boxed images that are scored; None: all."""
    protocols: tuple[str, ...] = ()
    """Protocols that score its maps; empty: not restricted."""
    external: "ExternalModel | None" = None
    """The network if the suite does not train it: a checkpoint or a user's own network. None: the suite trains it."""
    methods: tuple[str, ...] = ()
    """The model's own methods; empty: those of the suite."""
    grid: int | None = None
    """Side of the grid if there is no network: rows of the truth alone, such as baselines."""

    def maps_folder(self, runs_dir: Path) -> Path:
        """Return the folder of its maps in ``runs_dir``."""
        suffix = "" if self.external is None else f"-{self.external.digest[:8]}"
        return runs_dir / "maps" / f"{self.id}{suffix}"

    def folders(self, runs_dir: Path) -> list[Path]:
        """Return the folders of its training runs, of their initial weights, and of its maps in ``runs_dir``."""
        start = self.start(runs_dir, None)
        starts = [] if start is None else [start.folder]
        return [] if self.grid is not None else [*self.run_configs(runs_dir), *starts, self.maps_folder(runs_dir)]

    @property
    def code(self) -> str:
        """Hash of the code of the network; see ``locus.benchmark.maps``."""
        if self.grid is not None:
            return ""
        return code_of_config(self.trainings[0]) if self.external is None else self.external.code

    @cached_property
    def recipe(self) -> dict[str, Any]:
        """The settings that determine the weights, for JSON: flags, folds, and the run for initial weights."""
        if self.grid is not None:
            return {"grid": [self.grid, self.grid]}
        config, folds = self.trainings[0], [training.fold for training in self.trainings]
        if self.external is not None:
            declared = {"trained_on": self.external.trained_on} if self.external.trained_on else {}
            return {**recipe_of_weights(config, self.external.digest, folds), **declared}
        return {**identity(config), "fold": folds, "init": identity(self.init) if self.init else None}

    def run_configs(self, runs_dir: Path) -> dict[Path, TrainConfig]:
        """Return run folder in ``runs_dir`` -> training run with its initial weights, one per fold.

        The name of a folder contains a hash of all settings that determine the weights, and one of the network's code.
        """
        if self.external is not None:
            name, of_network = safe_filename(self.external.name), f"{self.external.digest[:8]}-{self.external.code[:8]}"
            return {runs_dir / f"{name}-fold{config.fold}-{of_network}": config for config in self.trainings}
        configs = self.trainings
        if (start := self.start(runs_dir, None)) is not None:
            before = str(start.folder / "best.ckpt")
            configs = tuple(dataclasses.replace(config, init_from=before) for config in configs)
        return {runs_dir / folder_name(config, self.init): config for config in configs}

    def weights_files(self, folder: Path) -> list[Path]:
        """Return the files in ``folder`` for the weights of its training runs, one per fold."""
        return [folder / weights_file(config) for config in self.trainings]

    def runs(self, runs_dir: Path, published: Path | None) -> list[RunPlan]:
        """Return its runs in ``runs_dir``, one per fold; ``published``: a folder of weights that replace training.

        There are none without a network.
        """
        configs = {} if self.grid is not None else self.run_configs(runs_dir)
        if self.external is not None:
            return [RunPlan(folder, config, "predict", self.external) for folder, config in configs.items()]
        pairs = zip(configs.items(), self.weights_files(published or Path()), strict=False)
        return [_own_run(folder, config, self.init, published and file) for (folder, config), file in pairs]

    def start(self, runs_dir: Path, published: Path | None) -> RunPlan | None:
        """Return the run for its initial weights in ``runs_dir``, None without one; ``published``: as in ``runs``."""
        if self.init is None:
            return None
        file = published and published / initial_weights_file(self.init)
        return _own_run(runs_dir / folder_name(self.init, None), self.init, None, file)


INITIAL = "init-"
"""Begin of the names of files with initial weights."""


def initial_weights_file(config: TrainConfig) -> str:
    """Return the name of the published file of initial weights."""
    return f"{INITIAL}{weights_file(config)}"


def _own_run(folder: Path, config: TrainConfig, start: TrainConfig | None, file: Path | None) -> RunPlan:
    """Return the run of a network of the suite: restored if the published ``file`` has its weights, else trained."""
    settings = backbones.described(file).get("settings") if file is not None and file.is_file() else None
    if settings != settings_hash(config, start):
        return RunPlan(folder, config, "train", None)
    return RunPlan(folder, config, "restore", file)


def settings_hash(config: TrainConfig, start: TrainConfig | None) -> str:
    """Return a hash of the flags that determine the weights, including those of the run ``start`` for initial ones."""
    return json_hash({**identity(config), "init": identity(start) if start else None})


def folder_name(config: TrainConfig, start: TrainConfig | None) -> str:
    """Return the name of a run folder: readable, then a hash of all settings and one of the network's code.

    >>> folder_name(TrainConfig(backbone="resnet18", fold=2), None).rsplit("-", 2)[0]
    'resnet18-AVG-fold2'
    """
    hashes = f"{settings_hash(config, start)}-{code_of_config(config)[:8]}"
    return f"{config.backbone}-{config.global_pool}-fold{config.fold}-{hashes}".replace(":", "_")


T = TypeVar("T")


def _checked_by(check: Callable[[str], object]) -> pydantic.AfterValidator:
    """Validator of a word: ``check`` raises ``UnknownNameError``."""
    return pydantic.AfterValidator(lambda word: (check(word), word)[1])


def _distinct(items: list[T]) -> list[T]:
    if repeated := duplicates(map(str, items)):
        raise ValueError(f"{', '.join(repeated)} is repeated: remove the duplicate")
    return items


OF_A_MODEL = ("methods", "protocols")
"""Keys of a model that replace those of the suite."""


def _names_of(model: dict[str, Any], key: str) -> list[str]:
    """Return the names under a key of a model, none without it. Raises ``ValueError`` if they are no list of names."""
    words = model.get(key, [])
    if key in model and not (isinstance(words, list) and words and all(isinstance(word, str) for word in words)):
        example = "[cam, layercam]" if key == "methods" else f"[{MAIN_PROTOCOL}]"
        raise ValueError(f"a model has `{key}` {words!r}: write a list of names, such as {example}")
    return words


MethodName = Annotated[str, _checked_by(lambda word: runs_code(word) or methods.registry.check(word))]
"""A registered method or ``path/to/file.py:Class``; the file is not executed here."""
ProtocolName = Annotated[str, _checked_by(protocols.registry.check)]
CheckName = Annotated[str, _checked_by(lambda word: named(dict.fromkeys(CHECKS), "check", word))]
PaperName = Annotated[str, _checked_by(papers.name)]
Distinct = pydantic.AfterValidator(_distinct)
AtLeastOne = pydantic.Field(min_length=1)
Count = Annotated[int, pydantic.Field(ge=1)]


class Suite(pydantic.BaseModel):
    """One suite, as in its YAML file."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)

    name: str
    """Name of the file, and of the folder in ``results``."""
    title: str
    """Heading of the tables."""
    about: str
    """Description printed above the tables: the data and the limits of the results."""
    pictures: dict[str, str] = {}
    """Pictures of the first screen of its page, in place of a drawn hit and miss: path in the checkout -> caption."""
    how_to_get: str = ""
    """How to get the data, shown if it is missing."""
    private_images: bool = False
    """Whether nobody else has its images: its page offers no command that needs them."""
    train: dict[str, Any] = {}
    """Flags of ``main.py`` that all models of the suite share."""
    init: dict[str, Any] | None = None
    """Flags of a training run that provides the initial weights (``--init_from``); network flags that it omits are
    taken from each model."""
    models: list[dict[str, Any]] = []
    """Flags per model; a list of values makes one model each. ``methods`` and ``protocols`` of a model replace the
    suite's."""
    seeds: Annotated[list[Annotated[int, pydantic.Field(ge=0)]], AtLeastOne, Distinct] | None = None
    """Training seeds: each model is trained once per seed, on the same images (``data_seed`` stays); none: seed 0. A
    model with its own ``seed`` keeps it."""
    folds: Annotated[list[int], AtLeastOne, Distinct] | None = None
    """Folds whose held-out cases are pooled; none: the split named in ``train``."""
    methods: list[str] | str = "all"
    """Names of methods, or the groups ``all``, ``fast`` and ``slow``; the baselines are always added."""
    rank_methods: list[MethodName] = []
    """Methods whose mean represents each network in comparisons of networks; none: those that all its networks have,
    without baselines."""
    protocols: Annotated[list[ProtocolName], Distinct] | None = None
    """Names of protocols; none: all in ``benchmark/scoring/protocols`` that need only maps."""
    papers: list[PaperName] = []
    """Papers of ``benchmark/records/papers`` whose numbers are shown with ours."""
    check: CheckName | None = None
    """A validity check that replaces ``protocols``; the baselines are then those in ``methods``."""
    images: Count | None = None
    """Number of boxed images, from as many patients as possible, on which everything is scored; none: all."""
    second_readers: bool = False
    """Whether ChestX-Det's boxes are scored as a row ``second readers``, in suites on NIH. The annotations may be in
    the folder of NIH's files or next to it."""
    grids: Annotated[list[Count], Distinct] = []
    """Sides of grids for rows that need no image: the baselines, and ``truth`` on each grid."""
    truths: dict[str, Annotated[list[ProtocolName], AtLeastOne]] = {}
    """Data sets (with options) whose truth needs no image -> the protocols of the baselines of their training part, or
    of the boxes of their readers. Such a suite has no networks."""
    training_runs_of: str | None = None
    """Another suite whose training runs and maps this suite uses, in its folder in ``--runs``; none: no other. Its
    fields ``OF_TRAINING_RUNS`` are used, too, unless this suite has its own."""
    fitted_on: str | None = None
    """Another suite, with other patients, from whose cases thresholds, ``prior`` and ``fixed_box`` are taken; none: no
    other. With it, each row of ``single_box`` has two records: fitted on that suite, and cross-fitted."""
    primary: Primary | None = None
    """The comparison that is made before all others; none: all rows are corrected together."""
    joins: Annotated[list[str], Distinct] = []
    """Other suites whose cases this suite joins: it has a row for each method and network that all of them have."""
    added: Annotated[list[dict[str, Any]], pydantic.Field(max_length=0)] = []
    """Models that flags add to those of the file: their rows are a user's."""

    @pydantic.field_validator("models")
    @classmethod
    def _method_lists(cls, models: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Check that the methods and protocols of a model are lists of names."""
        for word in (word for model in models for word in _names_of(model, "protocols")):
            protocols.registry.check(word)
        for model in models:
            _names_of(model, "methods")
        return models

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        """Check all method names, and that no two fields contradict each other."""
        methods.check(self.all_words)
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        """Yield an error message for every combination of fields that is not allowed."""
        if self.check is not None and self.protocols:
            yield "`check` cannot be combined with `protocols`: leave one out"
        if sum(map(bool, (self.models, self.truths, self.joins))) > 1:
            yield "it must have either `models`, `truths` or `joins`"
        if len(self.joins) == 1:
            yield f"`joins` has one suite, {self.joins[0]}: name two or more"
        if self.fitted_on is not None and (self.check is not None or MAIN_PROTOCOL not in self.protocols_or_check):
            yield f"`fitted_on` requires the protocol {MAIN_PROTOCOL}: add it to `protocols`, or leave `fitted_on` out"
        if self.seeds is not None and "seed" in self.train:
            yield "`seeds` cannot be combined with `seed` in `train`: leave one out"
        for flag in sorted(flags_with(TrainConfig, MODE)):
            if any(flag in flags for flags in (self.train, self.init or {}, *self.models)):
                yield f"`{flag}` is not allowed in a suite: leave it out"

    @property
    def words(self) -> list[str]:
        """Registered names of its methods and groups of methods."""
        return methods.normalize_names([self.methods] if isinstance(self.methods, str) else self.methods)

    @property
    def all_words(self) -> list[str]:
        """Names of its methods and of those of its models."""
        return [*self.words, *(word for model in self.models for word in model.get("methods", ()))]

    @property
    def protocols_or_check(self) -> list[str]:
        """Names of its protocols, or of its check."""
        return [self.check] if self.check is not None else self.protocols or protocols.of_maps()

    @property
    def published(self) -> list[Record]:
        """The records of its papers: those on NIH or, in a suite of ``truths``, those on other data sets."""
        of_papers = (record for word in self.papers for record in papers.read(word))
        return [record for record in of_papers if (record.cell.dataset == "NIH") != bool(self.truths)]

    def runs_dir(self, runs: str) -> Path:
        """Return the folder of its training runs and maps, which may be that of another suite, in ``--runs``."""
        return Path(runs) / (self.training_runs_of or self.name)

    @property
    def recorded_protocols(self) -> list[str]:
        """Protocols of its records, including that of the classifier."""
        of_models = [word for model in self.models for word in model.get("protocols", ())]
        return [*dict.fromkeys([*self.protocols_or_check, *of_models]), CLASSIFICATION]


SHARED_FLAGS = (flags_with(TrainConfig, MAPS | MACHINE) | {"seed"}) - {"multi_label"}
"""Flags of the model that the training run for the initial weights uses too; its task may differ."""

CHECKPOINT = "checkpoint"
"""The key of a given model in a suite."""
KEYS = (CHECKPOINT, "entry", "trained_on")


def models(suite: Suite) -> list[ModelPlan]:
    """Return the models of a suite."""
    seeds = {} if suite.seeds is None else {"seed": suite.seeds}
    plans = []
    for entry in (*suite.models, *suite.added):
        if CHECKPOINT in entry:
            plans += _finished(suite, entry)
        else:
            axes = {name: values for name, values in entry.items() if name not in OF_A_MODEL}
            axes = axes if "seed" in axes else {**axes, **seeds}
            trained = [_model(suite, {**suite.train, **flags}) for flags in _product(axes)]
            words, rules = (tuple(entry.get(name, ())) for name in OF_A_MODEL)
            plans += [dataclasses.replace(plan, methods=words, protocols=rules) for plan in trained]
    scoring = () if suite.check is not None else tuple(suite.protocols_or_check)
    plans = [dataclasses.replace(plan, images=suite.images, protocols=plan.protocols or scoring) for plan in plans]
    return [*plans, *(_without_network(suite, side) for side in suite.grids), *map(_truth, suite.truths.items())]


def _truth(entry: tuple[str, list[str]]) -> ModelPlan:
    """Return the plan of a data set's truth alone and the protocols of its rows."""
    dataset, words = entry
    config = _config({"dataset": dataset})
    return ModelPlan(safe_filename(dataset), (config,), None, protocols=tuple(words), grid=MAP_SIDE)


def _without_network(suite: Suite, side: int) -> ModelPlan:
    """Return the plan of rows on a ``side`` x ``side`` grid, for which no image is read."""
    dataset = suite.train["dataset"]
    config = _config({**suite.train, "dataset": f"{dataset}{',' if ':' in dataset else ':'}images=False"})
    return ModelPlan(f"{side}x{side}", (config,), None, grid=side)


def with_flags(suite: Suite, **flags: Any) -> Suite:
    """Return the suite with these ``flags`` in all its training runs; None leaves the suite's value.

    ``data_root_dir`` applies to the run for the initial weights only if that run has one.

    >>> suite = Suite(name="s", title="", about="", train={"lr": 1}, models=[{"cache_dir": "a"}], init={})
    >>> changed = with_flags(suite, cache_dir="b", data_root_dir="c")
    >>> changed.train, changed.models, changed.init
    ({'lr': 1, 'cache_dir': 'b', 'data_root_dir': 'c'}, [{}], {'cache_dir': 'b'})
    """
    given = {name: value for name, value in flags.items() if value is not None}
    entries = [{name: value for name, value in entry.items() if name not in given} for entry in suite.models]
    start = suite.init
    if start is not None:
        start = {**start, **{name: given[name] for name in given if name != "data_root_dir" or name in start}}
    return suite.model_copy(update={"train": {**suite.train, **given}, "models": entries, "init": start})


def _model(suite: Suite, flags: dict[str, Any]) -> ModelPlan:
    """Return the plan of one model of ``suite`` with one seed; it has one training run per fold."""
    shared = {name: flags[name] for name in SHARED_FLAGS if name in flags}
    start = None if suite.init is None else _config({**shared, **suite.init})
    folds = suite.folds if suite.folds is not None else [flags.get("fold", 0)]
    trainings = tuple(_config({**flags, "fold": fold}) for fold in folds)
    return ModelPlan(model_name(trainings[0]), trainings, start)


def data_config(suite: Suite) -> TrainConfig:
    """Return the configuration of the data that the suite's networks are scored on."""
    return models(suite)[0].trainings[0] if suite.models else _config(suite.train)


def _config(flags: dict[str, Any]) -> TrainConfig:
    return cli.build(TrainConfig, {**cli.defaults_of(TrainConfig, flags), **flags})


def _product(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    axes = [values if isinstance(values, list) else [values] for values in entry.values()]
    if not all(axes):
        raise BadValueError(f"a model of a suite has an empty list: {entry}")
    yield from (dict(zip(entry, values, strict=True)) for values in itertools.product(*axes))


def _finished(suite: Suite, entry: dict[str, Any]) -> list[ModelPlan]:
    """Return a model for each checkpoint of ``entry``; several checkpoints are training runs of one entry.

    Raises ``BadValueError`` for an unknown key, ``DataError`` for a path that is not a run.
    """
    if unknown := [key for key in entry if key not in KEYS]:
        both = f"a model of the suite {suite.name!r} has `checkpoint` and `{unknown[0]}`"
        raise BadValueError(f"{both}: only {', '.join(KEYS[1:])} are allowed with `checkpoint`")
    from locus.benchmark import opening  # imports torch, only to read weights

    paths = entry[CHECKPOINT] if isinstance(entry[CHECKPOINT], list | tuple) else [entry[CHECKPOINT]]
    read = [opening.read(Path(path), entry.get("entry"), entry.get("trained_on")) for path in paths]
    name = entry.get("entry") or read[0][0].name
    seeds = [flags["seed"] for _, flags in read]
    seeds = seeds if len({*seeds}) == len(seeds) else list(range(len(seeds)))  # numbered if seeds repeat
    read_flags = flags_with(TrainConfig, DATA | MACHINE)
    data = {key: value for key, value in suite.train.items() if key in read_flags}
    folds = suite.folds if suite.folds is not None else [data.get("fold", 0)]
    plans = []
    for (given, flags), seed in zip(read, seeds, strict=True):
        values = {**cli.defaults_of(TrainConfig, data), **data, **flags, "backbone": name, "seed": seed}
        values = {key: value for key, value in values.items() if key in {*read_flags, *flags}}
        trainings = tuple(cli.build(TrainConfig, {**values, "plots": False, "fold": fold}) for fold in folds)
        words = (name, given.pooling, f"{flags['img_size']}px", f"seed{seed}")
        id_ = "-".join(filter(None, words)).replace(":", "_").replace("/", "_")
        plans.append(ModelPlan(id_, trainings, None, external=given))
    return plans


def added_model(suite: Suite, cell: Cell, runs_dir: Path) -> ModelPlan:
    """Return the model of a ``cell`` that ``--checkpoint`` or ``--model`` added, from its copy in ``runs_dir``.

    Raises ``DataError`` if there is no such copy, or if it was scored with other flags of the suite.
    """
    folders = sorted(runs_dir.glob(f"{safe_filename(cell.backbone)}-fold*-{cell.recipe['weights'][:8]}-*"))
    declared = {"trained_on": cell.recipe.get("trained_on", "")}
    entries = [{CHECKPOINT: str(path), "entry": cell.backbone, **more} for path in folders for more in ({}, declared)]
    for plan in models(suite.model_copy(update={"models": entries, "grids": []})):
        if json_hash(plan.recipe) == json_hash(cell.recipe):
            trainings = tuple(dataclasses.replace(config, seed=cell.seed or 0) for config in plan.trainings)
            return dataclasses.replace(plan, id=cell.model_id, trainings=trainings)
    reason = f"{runs_dir} has no copy of {cell.model_id} for these records"
    raise DataError(f"{reason}: run it again with --overwrite always")


SUITES = cli.CONFIGS / "suites"
OF_TRAINING_RUNS = ("train", "init", "folds", "how_to_get")
"""Fields of a suite that those with the same training runs share."""


def suites(folder: Path = SUITES) -> list[str]:
    """Return the names of the suites of the project, or of another ``folder`` of YAML files.

    >>> "phantom" in suites()
    True
    """
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(name: str, folder: Path = SUITES, trust: bool = False) -> Suite:
    """Read a suite. Raises ``UnknownNameError``, or ``DataError`` with the invalid field.

    ``trust``: whether Python files named by its methods or checkpoints may be executed; otherwise ``BadValueError``.
    """
    if not name:
        raise BadValueError(f"no suite given: use one of {', '.join(suites(folder))}")
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise UnknownNameError("suite", name, suites(folder), also="--suites FOLDER for a YAML file of your own")
    values = cli.read_yaml(path)
    for field in ("training_runs_of", "fitted_on"):
        if values.get(field) not in (None, *suites(folder)):
            raise UnknownNameError(f"suite in `{field}`:", str(values[field]), suites(folder))
    if (other := values.get("training_runs_of")) is not None:
        of_other = cli.read_yaml(folder / f"{other}.yaml")
        values = {**{field: of_other[field] for field in OF_TRAINING_RUNS if field in of_other}, **values}
    for part in values.get("joins") or ():
        if part not in suites(folder):
            raise UnknownNameError("suite", part, suites(folder))
    try:
        suite = Suite(**{**values, "name": name})
    except pydantic.ValidationError as error:
        field, message = first_problem(error)
        if field and field.split(".")[0] not in Suite.model_fields:
            raise UnknownNameError(f"field of the suite {path}:", field, list(Suite.model_fields)) from error
        raise DataError(f"the suite {path}{f', field {field}' if field else ''}: {message}") from error
    for problem in _problems(suite, models(suite)):
        raise BadValueError(f"the suite {name!r} {problem}")
    if suite.primary is not None:
        _check_primary(suite, suite.primary)
    if not trust:
        user_code.refuse_code([*suite.all_words, *networks(suite)], path)
    return suite


def _check_primary(suite: Suite, primary: Primary) -> None:
    """Raise ``UnknownNameError`` for a network, method or other suite of ``primary`` that the suite does not have."""
    plans = models(suite)
    names = sorted({plan.id.removesuffix(f"-seed{plan.trainings[0].seed}") for plan in plans})
    words = methods.expand(suite.all_words)
    sources = [] if suite.fitted_on is None else [suite.fitted_on]
    for contrast in primary.contrasts:
        if contrast.network not in names:
            raise UnknownNameError("network in `primary`:", contrast.network, names)
        if contrast.method not in words:
            raise UnknownNameError("method in `primary`:", contrast.method, words)
    for analysis in primary.analyses:
        if analysis.fitted_on is not None and analysis.fitted_on not in sources:
            raise UnknownNameError("suite of `fitted_on` in `primary`:", analysis.fitted_on, sources)


def of_data_set(dataset: str, root: str | None, words: Sequence[str]) -> Suite:
    """Return a suite without models of its own, for a user's network on a data set.

    Its name is that of the data set and, if given, of its folder ``root``. ``words``: methods; empty: the fast ones.
    """
    name = safe_filename("data", dataset, *([Path(root).resolve().name] if root else []))
    about = "A network on a data set, without a suite: the rows are those of the user's network and of the baselines."
    shared: dict[str, Any] = {"title": f"{dataset}: your own network", "about": about, "protocols": OF_DATA_SET}
    return Suite(name=name, train={"dataset": dataset}, methods=[*words] or "fast", **shared)


OF_DATA_SET = [MAIN_PROTOCOL, "pointing"]
"""Protocols of a run without a suite."""


def networks(suite: Suite) -> list[str]:
    """Return the names of the external networks among its given models."""
    entries = [entry for entry in suite.models if CHECKPOINT in entry]
    plans = models(suite.model_copy(update={"models": entries}))
    return [plan.external.network for plan in plans if plan.external is not None]


def _problems(suite: Suite, plans: Sequence[ModelPlan]) -> Iterator[str]:
    """Yield the problems of a suite's models, with advice."""
    for training in (training for plan in plans for training in plan.trainings):
        if suite.folds is not None and len(suite.folds) > 1 and training.partition != "kfold":
            yield "has several folds with the same test images: use `partition: kfold`"
        if training.partition == "all":
            yield "has `partition: all`, so its test images are training images: use another partition"
        if training.fold >= training.folds:
            yield f"has fold {training.fold}, but the folds are 0 to {training.folds - 1}: use one of them"
    if repeated := duplicates(plan.id for plan in plans):
        yield f"has two models with the name {', '.join(repeated)}: if they differ in other flags, write two suites"
