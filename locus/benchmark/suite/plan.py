"""Read a suite, a YAML file of ``configs/suites``, into models with their training runs.

``Suite``      the fields of the YAML file; ``load`` reads and checks one, with advice for each invalid field
``models``     the models of a suite: each network and seed with its training runs (one per fold), and given models
``ModelPlan``  one of these models; its ``runs`` are trained, restored from published weights, or external networks

Nothing is trained and no image is read here; checkpoints are opened for their flags. The cells of the models are
planned in ``cells``.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeVar

import pydantic

from locus import backbones, methods
from locus.benchmark import baselines
from locus.benchmark.maps import code_of_config
from locus.benchmark.records import Cell, Record, papers
from locus.benchmark.report.primary import Primary
from locus.benchmark.training.runs import identity, model_name, recipe_of_weights, weights_file
from locus.config import DATA, MACHINE, MAPS, MODE, TrainConfig, flags_with
from locus.core import user_code
from locus.core.errors import BadValueError, DataError, UnknownNameError, first_problem
from locus.core.files import json_hash, safe_filename
from locus.core.names import CLASSIFICATION, MAIN_PROTOCOL, duplicates
from locus.core.registry import CHECKS
from locus.flags import cli
from locus.scoring import protocols
from locus.scoring.pixels import MAP_SIDE

if TYPE_CHECKING:
    from locus.benchmark.opening import ExternalModel

SUITES = cli.CONFIGS / "suites"
FINAL = "final-"
"""Prefix of files of weights that were trained by the suite's recipe on all of its images, to be scored on others."""
INITIAL = "init-"
"""Begin of the names of files with initial weights."""
OF_A_MODEL = ("init", "methods", "protocols")
"""Keys of a model that replace those of the suite; single flags in the case of ``init``."""
CHECKPOINT = "checkpoint"
"""The key of a given model in a suite."""
KEYS = (CHECKPOINT, "entry", "trained_on")
SHARED_FLAGS = (flags_with(TrainConfig, MAPS | MACHINE) | {"seed"}) - {"multi_label"}
"""Flags of the model that the training run for the initial weights uses too; its task may differ."""
OF_TRAINING_RUNS = ("train", "init", "folds", "how_to_get")
"""Fields of a suite that those with the same training runs share."""
OF_DATA_SET = [MAIN_PROTOCOL, "pointing"]
"""Protocols of a run without a suite."""
T = TypeVar("T")
AtLeastOne = pydantic.Field(min_length=1)
Count = Annotated[int, pydantic.Field(ge=1)]


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


@dataclasses.dataclass(frozen=True, kw_only=True)
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
        if self.grid is not None:
            return []
        folders = list(self.run_configs(runs_dir))
        start = self.start(runs_dir, None)
        if start is not None:
            folders.append(start.folder)
        return [*folders, self.maps_folder(runs_dir)]

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
        config = self.trainings[0]
        folds = [training.fold for training in self.trainings]
        if self.external is None:
            return {
                **identity(config),
                "fold": folds,
                "init": identity(self.init) if self.init else None,
            }
        recipe = recipe_of_weights(config, self.external.digest, folds)
        return (
            {**recipe, "trained_on": self.external.trained_on}
            if self.external.trained_on
            else recipe
        )

    def run_configs(self, runs_dir: Path) -> dict[Path, TrainConfig]:
        """Return run folder in ``runs_dir`` -> training run with its initial weights, one per fold.

        The name of a folder contains a hash of all settings that determine the weights, and one of the network's code.
        """
        if self.external is not None:
            name = safe_filename(self.external.name)
            hashes = f"{self.external.digest[:8]}-{self.external.code[:8]}"
            return {
                runs_dir / f"{name}-fold{config.fold}-{hashes}": config for config in self.trainings
            }
        configs = self.trainings
        start = self.start(runs_dir, None)
        if start is not None:
            checkpoint = str(start.folder / "best.ckpt")
            configs = tuple(dataclasses.replace(config, init_from=checkpoint) for config in configs)
        return {runs_dir / folder_name(config, self.init): config for config in configs}

    def weights_files(self, folder: Path) -> list[Path]:
        """Return the files in ``folder`` for the weights of its training runs, one per fold."""
        return [folder / weights_file(config) for config in self.trainings]

    def runs(self, runs_dir: Path, published: Path | None) -> list[RunPlan]:
        """Return its runs in ``runs_dir``, one per fold; ``published``: a folder of weights that replace training.

        There are none without a network.
        """
        if self.grid is not None:
            return []
        configs = self.run_configs(runs_dir)
        if self.external is not None:
            return [
                RunPlan(folder, config, "predict", self.external)
                for folder, config in configs.items()
            ]
        plans = []
        for folder, config in configs.items():
            file = None if published is None else published / weights_file(config)
            plans.append(_own_run(folder, config, start=self.init, file=file))
        return plans

    def start(self, runs_dir: Path, published: Path | None) -> RunPlan | None:
        """Return the run for its initial weights in ``runs_dir``, None without one; ``published``: as in ``runs``."""
        if self.init is None:
            return None
        file = None if published is None else published / initial_weights_file(self.init)
        folder = runs_dir / folder_name(self.init, start=None)
        return _own_run(folder, self.init, start=None, file=file)


def initial_weights_file(config: TrainConfig) -> str:
    """Return the name of the published file of initial weights."""
    return f"{INITIAL}{weights_file(config)}"


def _own_run(
    folder: Path, config: TrainConfig, start: TrainConfig | None, file: Path | None
) -> RunPlan:
    """Return the run of a network of the suite: restored if the published ``file`` has its weights, else trained."""
    if file is not None and file.is_file():
        published_settings = backbones.described(file).get("settings")
        if published_settings == settings_hash(config, start):
            return RunPlan(folder, config, "restore", file)
    return RunPlan(folder, config, "train", None)


def settings_hash(config: TrainConfig, start: TrainConfig | None) -> str:
    """Return a hash of the flags that determine the weights, including those of the run ``start`` for initial ones."""
    return json_hash({**identity(config), "init": identity(start) if start else None})


def folder_name(config: TrainConfig, start: TrainConfig | None) -> str:
    """Return the name of a run folder: readable, then a hash of all settings and one of the network's code.

    >>> folder_name(TrainConfig(backbone="resnet18", fold=2), None).rsplit("-", 2)[0]
    'resnet18-AVG-fold2'
    """
    hashes = f"{settings_hash(config, start)}-{code_of_config(config)[:8]}"
    return safe_filename(f"{config.backbone}-{config.global_pool}-fold{config.fold}-{hashes}")


def _checked_by(check: Callable[[str], object]) -> pydantic.AfterValidator:
    """Validator of a name: ``check`` raises ``UnknownNameError``."""

    def validated(name: str) -> str:
        check(name)
        return name

    return pydantic.AfterValidator(validated)


def _distinct(items: list[T]) -> list[T]:
    repeated = duplicates(map(str, items))
    if repeated:
        raise ValueError(f"{', '.join(repeated)} is repeated: remove the duplicate")
    return items


def _names_of(model: dict[str, Any], key: str) -> list[str]:
    """Return the names under a key of a model, none without it. Raises ``ValueError`` if they are no list of names."""
    if key not in model:
        return []
    names = model[key]
    if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
        example = "[cam, layercam]" if key == "methods" else f"[{MAIN_PROTOCOL}]"
        raise ValueError(f"a model has `{key}` {names!r}: write a list of names, such as {example}")
    return names


MethodName = Annotated[
    str, _checked_by(lambda name: user_code.runs_code(name) or methods.registry.check(name))
]
"""A registered method or ``path/to/file.py:Class``; the file is not executed here."""
ProtocolName = Annotated[str, _checked_by(protocols.registry.check)]
CheckName = Annotated[str, _checked_by(CHECKS.check)]
PaperName = Annotated[str, _checked_by(papers.name)]
Distinct = pydantic.AfterValidator(_distinct)


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
    """Flags per model; a list of values makes one model each. ``methods`` and ``protocols`` of a model, and the flags
    in its ``init``, replace the suite's."""
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
    """Names of protocols; none: all in ``locus/scoring/protocols`` that need only maps."""
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
        for model in models:
            for protocol_name in _names_of(model, "protocols"):
                protocols.registry.check(protocol_name)
            _names_of(model, "methods")
            if not isinstance(model.get("init", {}), dict):
                raise ValueError(
                    f"a model has `init` {model['init']!r}: write flags, such as {{lr: 0.001}}"
                )
        return models

    @pydantic.model_validator(mode="after")
    def _consistent(self) -> Self:
        """Check all method names, and that no two fields contradict each other."""
        methods.check(self.all_words)
        baselines.require_selectable(self.all_words)
        for problem in self._problems():
            raise ValueError(problem)
        return self

    def _problems(self) -> Iterator[str]:
        """Yield an error message for every combination of fields that is not allowed."""
        if self.check is not None and self.protocols:
            yield "`check` cannot be combined with `protocols`: leave one out"
        sources = [field for field in (self.models, self.truths, self.joins) if field]
        if len(sources) > 1:
            yield "it must have either `models`, `truths` or `joins`"
        if len(self.joins) == 1:
            yield f"`joins` has one suite, {self.joins[0]}: name two or more"
        if self.fitted_on is not None and (
            self.check is not None or MAIN_PROTOCOL not in self.protocols_or_check
        ):
            yield f"`fitted_on` requires the protocol {MAIN_PROTOCOL}: add it to `protocols`, or leave `fitted_on` out"
        if self.seeds is not None and "seed" in self.train:
            yield "`seeds` cannot be combined with `seed` in `train`: leave one out"
        own_inits = [model["init"] for model in self.models if "init" in model]
        if own_inits and self.init is None:
            yield "a model has `init`, but the suite has none: add `init` to the suite"
        for flag in sorted(flags_with(TrainConfig, MODE)):
            all_flags = (self.train, self.init or {}, *own_inits, *self.models)
            if any(flag in flags for flags in all_flags):
                yield f"`{flag}` is not allowed in a suite: leave it out"

    @property
    def words(self) -> list[str]:
        """Registered names of its methods and groups of methods."""
        return methods.normalize_names(
            [self.methods] if isinstance(self.methods, str) else self.methods
        )

    @property
    def all_words(self) -> list[str]:
        """Names of its methods and of those of its models."""
        return [*self.words, *(name for model in self.models for name in model.get("methods", ()))]

    @property
    def protocols_or_check(self) -> list[str]:
        """Names of its protocols, or of its check."""
        return [self.check] if self.check is not None else self.protocols or protocols.of_maps()

    @property
    def published(self) -> list[Record]:
        """The records of its papers: those on NIH or, in a suite of ``truths``, those on other data sets."""
        paper_records = (record for paper in self.papers for record in papers.read(paper))
        return [
            record
            for record in paper_records
            if (record.cell.dataset == "NIH") != bool(self.truths)
        ]

    def runs_dir(self, runs: str) -> Path:
        """Return the folder of its training runs and maps, which may be that of another suite, in ``--runs``."""
        return Path(runs) / (self.training_runs_of or self.name)

    @property
    def recorded_protocols(self) -> list[str]:
        """Protocols of its records, including that of the classifier."""
        model_protocols = [
            protocol for model in self.models for protocol in model.get("protocols", ())
        ]
        return [*dict.fromkeys([*self.protocols_or_check, *model_protocols]), CLASSIFICATION]


def models(suite: Suite) -> list[ModelPlan]:
    """Return the models of a suite."""
    plans: list[ModelPlan] = []
    for entry in (*suite.models, *suite.added):
        plans += _finished(suite, entry) if CHECKPOINT in entry else _trained(suite, entry)
    default_protocols = () if suite.check is not None else tuple(suite.protocols_or_check)
    plans = [
        dataclasses.replace(
            plan, images=suite.images, protocols=plan.protocols or default_protocols
        )
        for plan in plans
    ]
    plans += [_without_network(suite, side) for side in suite.grids]
    plans += [_truth(dataset, protocol_names) for dataset, protocol_names in suite.truths.items()]
    return plans


def _trained(suite: Suite, entry: dict[str, Any]) -> list[ModelPlan]:
    """Return the models of ``entry`` that the suite trains: one for each combination of its values and seeds."""
    flags = {name: value for name, value in entry.items() if name not in OF_A_MODEL}
    if suite.seeds is not None and "seed" not in flags:
        flags["seed"] = suite.seeds
    plans = []
    for combination in _product(flags):
        plan = _model(suite, {**suite.train, **combination}, own_init=entry.get("init", {}))
        own_methods = tuple(entry.get("methods", ()))
        own_protocols = tuple(entry.get("protocols", ()))
        plans.append(dataclasses.replace(plan, methods=own_methods, protocols=own_protocols))
    return plans


def _truth(dataset: str, protocol_names: Sequence[str]) -> ModelPlan:
    """Return the plan of a data set's truth alone and the protocols of its rows."""
    return ModelPlan(
        id=safe_filename(dataset),
        trainings=(_config({"dataset": dataset}),),
        init=None,
        protocols=tuple(protocol_names),
        grid=MAP_SIDE,
    )


def _without_network(suite: Suite, side: int) -> ModelPlan:
    """Return the plan of rows on a ``side`` x ``side`` grid, for which no image is read."""
    dataset = suite.train["dataset"]
    separator = "," if ":" in dataset else ":"
    config = _config({**suite.train, "dataset": f"{dataset}{separator}images=False"})
    return ModelPlan(id=f"{side}x{side}", trainings=(config,), init=None, grid=side)


def with_flags(suite: Suite, **flags: Any) -> Suite:
    """Return the suite with these ``flags`` in all its training runs; None leaves the suite's value.

    ``data_root_dir`` applies to the run for the initial weights only if that run has one.

    >>> suite = Suite(name="s", title="", about="", train={"lr": 1}, models=[{"cache_dir": "a"}], init={})
    >>> changed = with_flags(suite, cache_dir="b", data_root_dir="c")
    >>> changed.train, changed.models, changed.init
    ({'lr': 1, 'cache_dir': 'b', 'data_root_dir': 'c'}, [{}], {'cache_dir': 'b'})
    """
    changed = {name: value for name, value in flags.items() if value is not None}
    update: dict[str, Any] = {"train": {**suite.train, **changed}, "models": []}
    for entry in suite.models:
        unchanged = {name: value for name, value in entry.items() if name not in changed}
        update["models"].append(unchanged)
    if suite.init is not None:
        allowed = {
            name: value
            for name, value in changed.items()
            if name != "data_root_dir" or name in suite.init
        }
        update["init"] = {**suite.init, **allowed}
    return suite.model_copy(update=update)


def _model(suite: Suite, flags: dict[str, Any], own_init: dict[str, Any]) -> ModelPlan:
    """Return the plan of one model of ``suite`` with one seed; it has one training run per fold.

    The flags ``own_init`` replace those of the suite in the run for the initial weights.
    """
    shared = {name: flags[name] for name in SHARED_FLAGS if name in flags}
    start = None if suite.init is None else _config({**shared, **suite.init, **own_init})
    folds = suite.folds if suite.folds is not None else [flags.get("fold", 0)]
    trainings = tuple(_config({**flags, "fold": fold}) for fold in folds)
    return ModelPlan(id=model_name(trainings[0]), trainings=trainings, init=start)


def data_config(suite: Suite) -> TrainConfig:
    """Return the configuration of the data that the suite's networks are scored on."""
    return models(suite)[0].trainings[0] if suite.models else _config(suite.train)


def _config(flags: dict[str, Any]) -> TrainConfig:
    return cli.build(TrainConfig, {**cli.defaults_of(TrainConfig, flags), **flags})


def _product(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each combination of the values of ``entry``, in which a list has several values."""
    axes = [values if isinstance(values, list) else [values] for values in entry.values()]
    if not all(axes):
        raise BadValueError(f"a model of a suite has an empty list: {entry}")
    for combination in itertools.product(*axes):
        yield dict(zip(entry, combination, strict=True))


def _finished(suite: Suite, entry: dict[str, Any]) -> list[ModelPlan]:
    """Return a model for each checkpoint of ``entry``; several checkpoints are training runs of one entry.

    Raises ``BadValueError`` for an unknown key, ``DataError`` for a path that is not a run.
    """
    unknown = [key for key in entry if key not in KEYS]
    if unknown:
        both = f"a model of the suite {suite.name!r} has `checkpoint` and `{unknown[0]}`"
        raise BadValueError(f"{both}: only {', '.join(KEYS[1:])} are allowed with `checkpoint`")
    from locus.benchmark import opening  # imports torch, only to read weights

    paths = (
        entry[CHECKPOINT] if isinstance(entry[CHECKPOINT], list | tuple) else [entry[CHECKPOINT]]
    )
    opened = [
        opening.read(Path(path), entry.get("entry"), entry.get("trained_on")) for path in paths
    ]
    name = entry.get("entry") or opened[0][0].name
    seeds = [flags["seed"] for _, flags in opened]
    if len({*seeds}) < len(seeds):  # numbered if seeds repeat
        seeds = list(range(len(seeds)))
    scoring_flags = flags_with(TrainConfig, DATA | MACHINE)
    data = {flag: value for flag, value in suite.train.items() if flag in scoring_flags}
    folds = suite.folds if suite.folds is not None else [data.get("fold", 0)]
    plans = []
    for (network, flags), seed in zip(opened, seeds, strict=True):
        values = {
            **cli.defaults_of(TrainConfig, data),
            **data,
            **flags,
            "backbone": name,
            "seed": seed,
        }
        values = {
            flag: value for flag, value in values.items() if flag in scoring_flags or flag in flags
        }
        trainings = tuple(
            cli.build(TrainConfig, {**values, "plots": False, "fold": fold}) for fold in folds
        )
        id_fields = [name, network.pooling, f"{flags['img_size']}px", f"seed{seed}"]
        model_id = "-".join(filter(None, id_fields)).replace(":", "_").replace("/", "_")
        plans.append(ModelPlan(id=model_id, trainings=trainings, init=None, external=network))
    return plans


def added_model(suite: Suite, cell: Cell, runs_dir: Path) -> ModelPlan:
    """Return the model of a ``cell`` that ``--checkpoint`` or ``--model`` added, from its copy in ``runs_dir``.

    Raises ``DataError`` if there is no such copy, or if it was scored with other flags of the suite.
    """
    trained_on = cell.recipe.get("trained_on", "")
    entries = []
    for folder in sorted(
        runs_dir.glob(f"{safe_filename(cell.backbone)}-fold*-{cell.recipe['weights'][:8]}-*")
    ):
        entry = {CHECKPOINT: str(folder), "entry": cell.backbone}
        entries += [entry, {**entry, "trained_on": trained_on}]
    for plan in models(suite.model_copy(update={"models": entries, "grids": []})):
        if json_hash(plan.recipe) == json_hash(cell.recipe):
            trainings = tuple(
                dataclasses.replace(config, seed=cell.seed or 0) for config in plan.trainings
            )
            return dataclasses.replace(plan, id=cell.model_id, trainings=trainings)
    reason = f"{runs_dir} has no copy of {cell.model_id} for these records"
    raise DataError(f"{reason}: run it again with --overwrite always")


def suites_folder(suites: str | None) -> Path:
    """Return the folder of the YAML files: that of ``--suites``, or the project's."""
    return Path(suites) if suites else SUITES


def suites(folder: Path = SUITES) -> list[str]:
    """Return the names of the suites of the project, or of another ``folder`` of YAML files.

    >>> "phantom" in suites()
    True
    """
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(name: str, folder: Path = SUITES, trust: bool = False) -> Suite:
    """Read a suite.

    Args:
        name: name of the suite: its file without ``.yaml``.
        folder: folder of the file; by default that of the published suites.
        trust: whether Python files named by its methods or checkpoints may be executed.

    Raises:
        UnknownNameError: there is no such suite.
        DataError: a field is invalid.
        BadValueError: its parts do not fit together, or it names a Python file and ``trust`` is False.
    """
    names = suites(folder)
    if not name:
        raise BadValueError(f"no suite given: use one of {', '.join(names)}")
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise UnknownNameError(
            "suite", name, names, also="--suites FOLDER for a YAML file of your own"
        )
    suite = _read(path, names)
    plans = models(suite)
    for problem in _problems(suite, plans):
        raise BadValueError(f"the suite {name!r} {problem}")
    if suite.primary is not None:
        _check_primary(suite, plans, suite.primary)
    if not trust:
        user_code.refuse_code([*suite.all_words, *networks(plans)], path)
    return suite


def _read(path: Path, names: Sequence[str]) -> Suite:
    """Read the fields of a suite, which may name other suites of the same folder; their ``names``.

    Raises ``UnknownNameError`` and ``DataError``: see ``load``.
    """
    values = cli.read_yaml(path)
    for field in ("training_runs_of", "fitted_on"):
        if values.get(field) not in (None, *names):
            raise UnknownNameError(f"suite in `{field}`:", str(values[field]), names)
    for joined in values.get("joins") or ():
        if joined not in names:
            raise UnknownNameError("suite", joined, names)
    if values.get("training_runs_of") is not None:
        source = cli.read_yaml(path.with_name(f"{values['training_runs_of']}.yaml"))
        shared = {field: source[field] for field in OF_TRAINING_RUNS if field in source}
        values = {**shared, **values}
    try:
        return Suite(**{**values, "name": path.stem})
    except pydantic.ValidationError as error:
        field, message = first_problem(error)
        if field and field.split(".")[0] not in Suite.model_fields:
            raise UnknownNameError(
                f"field of the suite {path}:", field, list(Suite.model_fields)
            ) from error
        where = f"{path}, field {field}" if field else path
        raise DataError(f"the suite {where}: {message}") from error


def _check_primary(suite: Suite, plans: Sequence[ModelPlan], primary: Primary) -> None:
    """Raise ``UnknownNameError`` for a network, method or other suite of ``primary`` that the suite does not have."""
    network_names = sorted(
        {plan.id.removesuffix(f"-seed{plan.trainings[0].seed}") for plan in plans}
    )
    method_names = methods.expand(suite.all_words)
    sources = [] if suite.fitted_on is None else [suite.fitted_on]
    for contrast in primary.contrasts:
        if contrast.network not in network_names:
            raise UnknownNameError("network in `primary`:", contrast.network, network_names)
        if contrast.method not in method_names:
            raise UnknownNameError("method in `primary`:", contrast.method, method_names)
    for analysis in primary.analyses:
        if analysis.fitted_on is not None and analysis.fitted_on not in sources:
            raise UnknownNameError(
                "suite of `fitted_on` in `primary`:", analysis.fitted_on, sources
            )


def of_data_set(dataset: str, root: str | None, method_names: Sequence[str]) -> Suite:
    """Return a suite without models of its own, for a user's network on a data set.

    Its name is that of the data set and, if given, of its folder ``root``. ``method_names``: empty for the fast ones.
    """
    folder_names = [Path(root).resolve().name] if root else []
    about = "A network on a data set, without a suite: the rows are those of the user's network and of the baselines."
    return Suite(
        name=safe_filename("data", dataset, *folder_names),
        title=f"{dataset}: your own network",
        about=about,
        train={"dataset": dataset},
        methods=list(method_names) or "fast",
        protocols=OF_DATA_SET,
    )


def networks(plans: Sequence[ModelPlan]) -> list[str]:
    """Return the names of the external networks among the models of a suite."""
    return [plan.external.network for plan in plans if plan.external is not None]


def _problems(suite: Suite, plans: Sequence[ModelPlan]) -> Iterator[str]:
    """Yield the problems of a suite's models, with advice."""
    has_folds = suite.folds is not None and len(suite.folds) > 1
    for plan in plans:
        for training in plan.trainings:
            if has_folds and training.partition != "kfold":
                yield "has several folds with the same test images: use `partition: kfold`"
            if training.partition == "all":
                yield "has `partition: all`, so its test images are training images: use another partition"
            if training.fold >= training.folds:
                yield f"has fold {training.fold}, but the folds are 0 to {training.folds - 1}: use one of them"
    repeated = duplicates(plan.id for plan in plans)
    if repeated:
        yield f"has two models with the name {', '.join(repeated)}: if they differ in other flags, write two suites"
