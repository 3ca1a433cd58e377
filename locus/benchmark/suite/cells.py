"""The cells of a suite: which there are, which of them are missing, and the folder of their records.

A cell is data set x split x model x method x protocol. Each cell produces one record. Planning reads no data and takes
seconds.

``requested_suite``  the suites that the flags of ``python -m benchmark.run`` name, with the models that they add
``planned_cells``, ``missing_cells``  all cells of a suite, and those that have to run
``ResultsFolder``    the folder of records and tables: ``results/`` for the published plan, else ``runs/results/``

The models come from ``plan``; ``run`` runs the missing cells.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from locus import datasets, methods
from locus.benchmark import records
from locus.benchmark.maps import code_of, method_code
from locus.benchmark.records import Cell, Record
from locus.benchmark.records.record import PUBLISHED
from locus.benchmark.report.grouping import grouped
from locus.benchmark.suite import plan
from locus.benchmark.suite.plan import SUITES, ModelPlan, Suite
from locus.benchmark.training import runs
from locus.benchmark.training.runs import shared_cell
from locus.config import SOURCES, FolderFlags, RunConfig, SuiteConfig, TrainConfig, network_flags
from locus.core import names
from locus.core.errors import BadValueError, DataError
from locus.core.names import ABSENT, BASELINES_AND_UPPER_BOUND, normalize_data_set
from locus.core.registry import options as options_of
from locus.core.user_code import refuse_code, runs_code
from locus.scoring import protocols

RESULTS = Path("results")
UNPUBLISHED = Path("runs/results")


def method_names(suite: Suite, extra: Sequence[str] = ()) -> list[str]:
    """Return the names of a suite's methods and of the ``extra`` ones, without duplicates, then the baselines.

    A suite of a validity check (``Suite.check``) has only the baselines that it lists.

    >>> from locus.benchmark.suite import plan
    >>> method_names(plan.load("phantom").model_copy(update={"methods": ["gradcampp", "cam"]}))[:2]
    ['gradcampp', 'cam']
    """
    row_names = list(dict.fromkeys([*methods.expand(suite.words), *extra]))
    if suite.check is not None:
        listed = [*suite.words, *extra]
        return [name for name in row_names if name not in names.UNRANKED_METHODS or name in listed]
    supervised = [name for name in row_names if name in names.SUPERVISED]
    return [*_without_baselines(row_names), *names.BASELINES_AND_UPPER_BOUND, *supervised]


def _without_baselines(row_names: Sequence[str]) -> list[str]:
    return [name for name in row_names if name not in names.UNRANKED_METHODS]


def cells(suite: Suite, model: ModelPlan, extra: Sequence[str] = ()) -> list[Cell]:
    """Return the cells of one model: that of the classifier, then methods and baselines for each protocol.

    All models of a suite have the same protocols and images, and the same methods unless a model lists its own.

    >>> from locus.benchmark.suite import plan
    >>> suite = plan.load("demo")
    >>> first, *_ = cells(suite, plan.models(suite)[0])
    >>> first.model_id, first.method, first.protocol
    ('custom-AVG-96px-seed0', 'classifier', 'classification')
    """
    shared = _shared(model)
    if model.grid is not None:
        return _cells_without_network(suite, model, shared)
    if model.methods:
        suite = suite.model_copy(update={"methods": list(model.methods)})
    all_rows = method_names(suite, extra)
    selected = [_cell(shared, names.CLASSIFIER, names.CLASSIFICATION)]
    for protocol in model.protocols or suite.protocols_or_check:
        selected += [
            _cell(shared, row, protocol, model.images) for row in _rows_of(protocol, all_rows)
        ]
    if names.MAIN_PROTOCOL in suite.protocols_or_check:
        if has_readings(model.trainings[0].dataset):
            selected.append(_cell(shared, names.READERS, names.MAIN_PROTOCOL, model.images))
        if suite.second_readers:
            selected.append(_cell(shared, names.SECOND_READERS, names.MAIN_PROTOCOL, model.images))
    if suite.fitted_on is not None:
        selected += [_fitted(cell, suite.fitted_on) for cell in selected if can_be_fitted(cell)]
    return selected


def _cells_without_network(suite: Suite, model: ModelPlan, shared: Cell) -> list[Cell]:
    """Return the cells of rows that need no image: of a truth by its protocols, or of a grid."""
    if model.protocols:
        return [
            _cell(shared, row, protocol)
            for protocol in model.protocols
            for row in rows_of_truth(model, protocol)
        ]
    # The upper bound depends on the grid. All other rows are the same on each, so only the finest grid has them.
    if model.grid != max(suite.grids):
        return [_cell(shared, names.UPPER_BOUND, names.MAIN_PROTOCOL)]
    rows = list(names.WITHOUT_TRAINING)
    if suite.second_readers:
        rows.append(names.SECOND_READERS)
    return [_cell(shared, row, names.MAIN_PROTOCOL) for row in rows]


def _rows_of(protocol: str, row_names: Sequence[str]) -> list[str]:
    """Return those of the ``row_names`` that a protocol scores, with the baselines that it needs."""
    if protocol == names.ADDED:
        return [*_without_baselines(row_names), *names.BESIDE_PRIOR]
    rows = list(row_names)
    if protocol not in protocols.of_boxes():
        rows = [name for name in rows if name != names.FIXED_BOX]
    if protocol != names.MAIN_PROTOCOL:
        rows = [name for name in rows if name not in names.SUPERVISED]
    return rows


def can_be_fitted(cell: Cell) -> bool:
    """Whether a cell has a threshold that another suite can choose: not a person's boxes, no network that saw boxes."""
    return cell.protocol in (names.MAIN_PROTOCOL, names.ADDED) and cell.method not in (
        *names.PEOPLE,
        *names.SUPERVISED,
    )


def _fitted(cell: Cell, suite: str) -> Cell:
    """Return the cell with the thresholds and baselines of another suite."""
    return cell.model_copy(update={"data": {**cell.data, "fitted_on": suite}})


def rows_of_truth(model: ModelPlan, protocol: str) -> tuple[str, ...]:
    """Return the rows of a truth that needs no image: its readers or the baselines of its training part."""
    if has_readings(model.trainings[0].dataset):
        return (names.READERS,)
    if protocols.get(protocol).takes_boxes:
        return (names.FIXED_POINT,)
    return (names.FIXED_REGION, names.EMPTY_MASK)


def has_readings(dataset: str) -> bool:
    """Whether a data set (a name with options) has the boxes of each reader."""
    full_name = normalize_data_set(dataset)
    name = full_name.split(":")[0]
    if name not in datasets.names():
        return False
    declared = getattr(datasets.REGISTRY.get(name), "has_readings", False)
    if isinstance(declared, str):  # the option that adds them
        return bool(options_of(full_name).get(declared))
    return bool(declared)


def _cell(shared: Cell, method: str, protocol: str, images: int | None = None) -> Cell:
    data = shared.data if images is None else {**shared.data, "images": images}
    return shared.model_copy(
        update={"method": method, "alignment": "aligned", "protocol": protocol, "data": data}
    )


def _shared(model: ModelPlan) -> Cell:
    """Return a cell with the fields that all cells of a model share."""
    training = model.trainings[0]
    if model.grid is not None:
        return Cell(
            dataset=training.dataset.split(":")[0],
            partition=training.partition,
            split="test",
            model_id=model.id,
            data={"dataset": training.dataset, "findings": training.num_classes},
            recipe=model.recipe,
        )
    pooling = training.global_pool if model.external is None else model.external.pooling
    return shared_cell(training, model.id, model.recipe, pooling)


@dataclass(frozen=True)
class ModelTask:
    """Some cells of one model: all planned ones, or those that have to run."""

    model: ModelPlan
    cells: tuple[Cell, ...]


def requested_names(config: SuiteConfig) -> list[str]:
    """Return the suites named by the flags, without duplicates. Raises ``LocusError`` if there are none.

    >>> requested_names(RunConfig(suite=("phantom", "demo", "phantom")))
    ['phantom', 'demo']
    """
    if config.dataset is not None:
        if config.all or config.suite:
            raise BadValueError(
                "--dataset cannot be combined with --suite or --all: use one of them"
            )
        return [plan.of_data_set(config.dataset, config.data_root_dir, config.method).name]
    folder = _suites_folder(config)
    available = plan.suites(folder)
    if not available:
        raise DataError(
            f"{folder} has no suite: put the YAML file of a suite there, or leave --suites out"
        )
    if not config.all and not config.suite:
        own = "for your own network on your own data, --dataset NAME --model FILE.py:build"
        raise BadValueError(
            f"no suite given: use --all or --suite NAME, one of {', '.join(available)}; {own}"
        )
    selected = available if config.all else list(dict.fromkeys(config.suite))
    if config.data_root_dir and len(selected) > 1:
        raise BadValueError(
            "--data_root_dir requires a single --suite, because it is the folder of one data set"
        )
    return selected


def _suites_folder(config: FolderFlags) -> Path:
    return Path(config.suites) if config.suites else plan.SUITES


def read_suite(name: str, config: FolderFlags) -> Suite:
    """Read a suite, with the data folders of the flags. Raises ``LocusError``: see ``plan.load``."""
    suite = plan.load(name, _suites_folder(config), config.trust)
    return plan.with_flags(suite, data_root_dir=config.data_root_dir, cache_dir=config.cache_dir)


def requested_suite(name: str, config: SuiteConfig) -> Suite:
    """Read a suite, check ``--method`` and ``--protocol``, and append the models that the flags add.

    Raises ``BadValueError`` for a protocol that the suite does not have (``--all`` skips such suites instead),
    ``DataError`` for a ``--data_root_dir`` without files, and ``LocusError`` for a network that cannot be built, read
    or named.
    """
    if config.dataset is None:
        suite = read_suite(name, config)
    else:
        own = plan.of_data_set(config.dataset, config.data_root_dir, config.method)
        suite = plan.with_flags(own, data_root_dir=config.data_root_dir, cache_dir=config.cache_dir)
        datasets.check(config.dataset, config.data_root_dir)
    if config.data_root_dir:
        datasets.check(str(suite.train.get("dataset", TrainConfig.dataset)), config.data_root_dir)
    for method_name in config.method:
        if runs_code(method_name):
            methods.get(
                method_name
            )  # runs the user's file, so that its errors are raised before any work
    methods.check(config.method)
    unknown = [
        protocol
        for protocol in config.protocol
        if protocol not in (*suite.recorded_protocols, "all")
    ]
    if unknown and not config.all:
        existing = ", ".join(suite.recorded_protocols)
        raise BadValueError(
            f"the suite {name!r} has no protocol {unknown[0]!r}; it has: {existing}"
        )
    return _with_finished_models(suite, config)


def _with_finished_models(suite: Suite, config: SuiteConfig) -> Suite:
    """Append the models of ``--checkpoint PATH`` and ``--model file.py:build``; without these, nothing changes."""
    network = network_flags(config)
    if config.model is not None and network is None:
        forms = ", ".join(f"{source}:NAME" for source in SOURCES)
        advice = f"use path/to/file.py:build or one of {forms}; for a checkpoint or run folder, use --checkpoint"
        raise BadValueError(f"--model {config.model} is not an external network: {advice}")
    if network is None and not config.checkpoint:
        if not (suite.models or suite.truths or suite.joins):
            raise BadValueError(
                f"{suite.name} has no network: add --model FILE.py:build or --checkpoint RUN"
            )
        if config.entry or config.trained_on or config.findings:
            raise BadValueError(
                "--entry, --trained_on and --findings require --checkpoint or --model"
            )
        return suite
    if network is not None and config.checkpoint:
        raise BadValueError("--model cannot be combined with --checkpoint: use one of them")
    if network is None:
        paths = list(config.checkpoint)
    else:
        scored = plan.data_config(suite)
        findings = runs.load_split(scored, "test").findings
        paths = [
            str(runs.write_external(network, Path(config.runs).parent, findings, scored.img_size))
        ]
    entry: dict[str, object] = {"checkpoint": paths}
    if config.entry:
        entry["entry"] = config.entry
    if config.trained_on:
        entry["trained_on"] = config.trained_on
    if network is None and not config.trust:
        added = plan.models(suite.model_copy(update={"models": [entry]}))
        refuse_code(plan.networks(added), ", ".join(paths))
    return suite.model_copy(update={"added": [entry]})


def planned_cells(suite: Suite, method: Sequence[str] = ()) -> list[ModelTask]:
    """Return all cells of the suite by model, including those of single methods in ``method``."""
    extra = [name for name in method if name not in methods.GROUPS]
    return [ModelTask(model, tuple(cells(suite, model, extra))) for model in plan.models(suite)]


def keys(suite: Suite) -> frozenset[str]:
    """Return the keys of all cells that a suite lists, without those that flags add."""
    listed = planned_cells(suite.model_copy(update={"added": []}))
    return frozenset(cell.key for task in listed for cell in task.cells)


def missing_cells(
    planned: Sequence[ModelTask], config: RunConfig, existing: Sequence[Record]
) -> list[ModelTask]:
    """Return the ``planned`` cells that have to run, by model.

    These cells have no record in ``existing``, one of other code (``changed_keys``), or one that ``--overwrite``
    replaces. Models without their data are left out (``without_data``). ``--method`` limits the cells to its methods
    (which the suite need not list) and the baselines; ``--protocol`` to its protocols. ``--checkpoint`` and
    ``--model`` limit them to given models (``ModelPlan.external``), so that nothing is trained. Cells of a network that
    was trained again always run, because a model never mixes records of different weights.
    """
    record_by_key = {record.key: record for record in existing}
    outdated = cells_of_other_weights(existing)
    code_of_method = cache(method_code)
    only_given = bool(config.checkpoint or config.model)
    tasks = []
    for task in planned:
        if missing_data(task.model) is not None or (only_given and task.model.external is None):
            continue
        missing = _selected(task.cells, config)
        if record_by_key:  # else no key is computed, which is slow
            recorded = [record_by_key[cell.key] for cell in missing if cell.key in record_by_key]
            kept = {record.key for record in recorded if _keep(record, config.overwrite)}
            kept -= changed_keys(task.model, recorded, code_of_method)
            missing = [cell for cell in missing if cell.key not in kept]
        planned_models = [
            cell.without_method for cell in task.cells
        ]  # their other records are removed later
        for cell in outdated.get(task.model.id, ()):
            if cell.without_method in planned_models and cell not in missing:
                missing.append(cell)
        if missing:
            tasks.append(ModelTask(task.model, tuple(missing)))
    return tasks


def _selected(planned: Sequence[Cell], config: RunConfig) -> list[Cell]:
    """Return the cells that ``--method``, with the baselines, and ``--protocol`` select."""
    selected = list(planned)
    method_names = methods.expand(config.method)
    if method_names:
        rows = {*method_names, *BASELINES_AND_UPPER_BOUND, names.SHUFFLED}
        selected = [cell for cell in selected if cell.method in rows]
    if config.protocol and "all" not in config.protocol:
        selected = [cell for cell in selected if cell.protocol in config.protocol]
    return selected


def changed_keys(
    model: ModelPlan, existing: Iterable[Record], code_of_method: Callable[[str], str] = method_code
) -> set[str]:
    """Return the keys of the ``existing`` records of a model that other code of the method or network computed."""
    network = model.code
    with_code = [record for record in existing if record.code]
    return {
        record.key
        for record in with_code
        if record.code != code_of(network, code_of_method(record.cell.method))
    }


def without_data(planned: Sequence[ModelTask], existing: Sequence[Record]) -> list[ModelTask]:
    """Return the ``planned`` models whose data are missing, and that have cells without a record."""
    recorded = {record.key for record in existing}
    absent = [task for task in planned if missing_data(task.model) is not None]
    return [task for task in absent if any(cell.key not in recorded for cell in task.cells)]


def _keep(record: Record, overwrite: str) -> bool:
    """Whether ``--overwrite`` keeps a record of the present code."""
    if overwrite == "always":
        return False
    if overwrite == "never" or record.status == "ok":
        return True
    return record.status == "n/a" and not record.reason.startswith(ABSENT)


def cells_of_other_weights(existing: Iterable[Record]) -> dict[str, list[Cell]]:
    """Return model -> cells whose records have different checkpoints from its newest record."""
    with_weights = [record for record in existing if record.source == "run" and record.checkpoints]
    outdated = {}
    for model_id, model_records in grouped(
        with_weights, lambda record: record.cell.model_id
    ).items():
        newest = max(model_records, key=lambda record: record.created)
        older = [
            record.cell for record in model_records if record.checkpoints != newest.checkpoints
        ]
        if older:
            outdated[model_id] = older
    return outdated


def missing_data(model: ModelPlan) -> TrainConfig | None:
    """Return the configuration of the model's data set if that is missing; None if it is present."""
    config = model.trainings[0]
    return None if datasets.at_hand(config.dataset, config.data_root_dir) else config


def missing_data_message(suite: Suite, model: ModelPlan) -> str:
    """Name the missing data of a model, the expected folder, and how to get them; empty if none is missing."""
    config = missing_data(model)
    if config is None:
        return ""
    advice = suite.how_to_get or datasets.REGISTRY.get(config.dataset).layout
    return f"{ABSENT} ({config.dataset}: {datasets.root_of(config.dataset, config.data_root_dir)}): {advice}"


def existing_records(folder: Path) -> list[Record]:
    """Return the records in the suite ``folder``, in the order of their files; empty if it never ran."""
    if folder in records.suites(folder.parent) or records.unpacked(folder):
        return records.load(folder)
    return []


@dataclass(frozen=True)
class ResultsFolder:
    """The folder of a suite's records and tables."""

    path: Path
    reason: str = ""
    """Reason for not writing to the published folder; empty if the run writes there, or with ``--results``."""

    @property
    def published_folder(self) -> Path | None:
        """The published folder of the suite, whose rows are shown, too; None if the run writes there."""
        folder = records.published() / self.path.name
        is_other = self.path.parent == UNPUBLISHED
        return folder if is_other and folder in records.suites(folder.parent) else None

    @property
    def published(self) -> list[Record]:
        """The published records of the suite that are shown with those of the run."""
        return [] if self.published_folder is None else as_published(self.published_folder)


def as_published(folder: Path) -> list[Record]:
    """Load the records of a suite's published ``folder`` that are not from papers, with the source ``published``."""
    measured = [record for record in records.load(folder) if record.source != "paper"]
    return [record.model_copy(update={"source": PUBLISHED}) for record in measured]


def with_published(records: Sequence[Record], published: Sequence[Record]) -> list[Record]:
    """Return a user's records and the ``published`` ones of other cells.

    The published records of a network are left out if the user's have other weights, from training it again, or other
    images.
    """
    user_keys = {record.key for record in records}
    published_hashes = _hashes(published)
    replaced = set()
    for (network, seed), hashes in _hashes(records).items():
        if published_hashes.get((network, seed), hashes) != hashes:
            replaced.add(network)
    others = [record for record in published if record.key not in user_keys]
    return [*records, *(record for record in others if record.cell.key_of_network not in replaced)]


def _hashes(records: Sequence[Record]) -> dict[tuple[str, int | None], set[str]]:
    """Return network and training seed -> hashes of its checkpoints and images, for records with weights."""
    hashes: dict[tuple[str, int | None], set[str]] = {}
    for record in records:
        if record.checkpoints:
            run_hashes = hashes.setdefault((record.cell.key_of_network, record.cell.seed), set())
            run_hashes.update((*record.checkpoints, record.fingerprint))
    return hashes


def base(config: FolderFlags) -> Path:
    """Return the results folder of ``--results``, or the published one."""
    return RESULTS if config.results is None else Path(config.results)


def choose(suite: Suite, config: RunConfig) -> ResultsFolder:
    """Return ``--results`` if given, else ``results`` for a run of the published plan and ``runs/results`` for others.

    >>> from locus.benchmark.suite import plan
    >>> choose(plan.load("demo"), RunConfig(results="mine")).path.as_posix()
    'mine/demo'
    >>> choose(plan.load("demo"), RunConfig(checkpoint=("runs/x/best.ckpt",))).reason
    'runs/x/best.ckpt is not part of the published plan'
    """
    if config.results is not None:
        return ResultsFolder(base(config) / suite.name)
    reason = _difference(suite, config)
    return ResultsFolder((UNPUBLISHED if reason else RESULTS) / suite.name, reason)


def _difference(suite: Suite, config: RunConfig) -> str:
    """Describe the difference between a run and the published plan of its suite; empty if there is none."""
    if config.suites is not None and Path(config.suites).resolve() != SUITES.resolve():
        return "the suite is from another folder"
    if config.dataset is not None:
        return "the run has no suite"
    if RESULTS / suite.name not in records.suites(RESULTS):
        return f"{RESULTS / suite.name} has no published records"
    if config.data_root_dir not in (None, plan.load(suite.name).train.get("data_root_dir")):
        return f"{config.data_root_dir} may have other images than those of the published plan"
    if config.checkpoint or config.model:
        return f"{config.entry or config.model or ', '.join(config.checkpoint)} is not part of the published plan"
    planned = {
        *methods.expand(suite.all_words),
        *suite.all_words,
        *BASELINES_AND_UPPER_BOUND,
        *methods.GROUPS,
    }
    extra = [name for name in config.method if name not in planned]
    return f"{', '.join(extra)} is not part of the published plan" if extra else ""
