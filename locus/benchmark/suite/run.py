"""Run a suite: plan, train, explain, score, record, then write the tables.

``model_steps`` splits the work of a model into training runs, explanations and scoring; ``run`` gives the steps of all
models to an executor. ``Pending`` tracks the cells that have no record yet and packs the records of finished models;
``record_failure`` records the reason for cells without a result.

Slow imports are delayed until a step needs them, so a suite whose records all exist takes only seconds. The steps
themselves are in ``locus.benchmark.training`` and ``score``, the tables at the end in ``finalize``.
"""

import contextlib
import logging
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from locus import backbones, methods
from locus.benchmark import records
from locus.benchmark.records import Cell, Record
from locus.benchmark.report.select import counted
from locus.benchmark.suite import cells
from locus.benchmark.suite.cells import ModelTask, ResultsFolder
from locus.benchmark.suite.executors import Event, Executor, Step
from locus.benchmark.suite.plan import ModelPlan, Suite, folder_name, settings_hash
from locus.benchmark.training import weights
from locus.config import CHECKS, RunConfig, TrainConfig
from locus.core.errors import BadValueError, DataError
from locus.core.files import remove_leftovers
from locus.core.names import CLASSIFIER, UNRANKED_METHODS, WITHOUT_MAP
from locus.core.types import Echo

if TYPE_CHECKING:
    from locus.benchmark.report.page import DatasetTables

log = logging.getLogger(__name__)
PORTION = 4
"""Methods per scoring step: enough to outweigh reading the images again, few enough to keep all jobs busy."""


def model_steps(task: ModelTask, runs_dir: Path, folder: Path, flags: RunConfig) -> list[Step]:
    """Return all steps from a model to the records of its cells; a step skips finished work when it runs.

    Training runs and maps are in ``runs_dir``, records below the suite's ``folder``. A step lists the steps that it
    needs; an executor may run all others at once.

    >>> from locus.benchmark.suite import cells, plan
    >>> suite = plan.load("demo")
    >>> model = plan.models(suite)[0]
    >>> task = ModelTask(model, tuple(cells.cells(suite, model)[:9]))
    >>> [step.kind for step in model_steps(task, Path("runs"), Path("results/demo"), RunConfig())]
    ['train', 'explain', 'score', 'score', 'score']
    """
    model, name = task.model, f"{folder.name}/{task.model.id}"
    if model.grid is not None:
        work = "locus.benchmark.suite.score.score_without_network"
        return [Step(f"score {name}", "score", work, (task, folder, flags))]
    threads = model.trainings[0].threads or flags.threads
    configs, files = model.run_configs(runs_dir), published_weights(model, runs_dir, flags)
    first = []
    if model.init is not None and len(files) < len(configs):
        first = [_training(model.init, runs_dir / folder_name(model.init, None), threads)]
    starts = tuple(step.id for step in first)
    learning = []
    for path, config in configs.items():
        step = _training(config, path, threads, () if path in files else starts)
        if path in files:
            step = _instead(step, "restore", "locus.benchmark.training.evaluate.restore", files[path])
        elif model.external is not None:
            step = _instead(step, "predict", "locus.benchmark.maps.runs.predict_held_out", model.external)
        learning.append(step)
    trained = tuple(step.id for step in learning)

    def after(needs: tuple[str, ...], kind: Literal["explain", "score"], part: str, *arguments: object) -> Step:
        return Step(
            f"{kind} {name} ({part})", kind, f"locus.benchmark.suite.score.{kind}", arguments, needs, threads or 1
        )

    together, portions = _parts(task.cells)
    explaining = [after(trained, "explain", part, model, words, runs_dir, flags) for part, words in together.items()]
    maps = {word: step.id for step in explaining for word in step.arguments[1]}
    scoring = []
    for number, chosen in enumerate(portions, start=1):
        needs = tuple(dict.fromkeys(maps[cell.method] for cell in chosen if cell.method in maps)) or trained
        part, portion = f"{number} of {len(portions)}", ModelTask(model, tuple(chosen))
        scoring.append(after(needs, "score", part, portion, runs_dir, folder, flags))
    return [*first, *learning, *explaining, *scoring]


def check_parallel(
    tasks: Sequence[ModelTask], at_a_time: int, threads: int | None, minutes: float | None = None
) -> None:
    """Raise ``BadValueError`` if ``tasks`` cannot run at the same time or be stopped after ``minutes``."""
    if at_a_time == 1 and minutes is None:
        return
    flag, instead = (f"--jobs {at_a_time}", "use --jobs 1") if at_a_time > 1 else ("--step_minutes", "leave it out")
    starts = [task.model.init for task in tasks if task.model.init is not None]
    configs = [*starts, *(config for task in tasks for config in task.model.trainings)]
    if threads is None and any(config.threads is None for config in configs):
        reason = "because results depend on that number"
        raise BadValueError(f"{flag} requires a fixed number of threads, {reason}: add --threads 1")
    if any(map(_uses_several_devices, configs)):
        raise BadValueError(f"{flag} requires training runs on a single device: {instead} for this suite")


def _uses_several_devices(config: TrainConfig) -> bool:
    return config.num_nodes > 1 or re.fullmatch(r"auto|1|\d+,", config.devices) is None


def _training(config: TrainConfig, folder: Path, threads: int | None, needs: tuple[str, ...] = ()) -> Step:
    """Return a training step with this number of ``threads``, unless the configuration sets one."""
    name, config = f"train {folder.parent.name}/{folder.name}", replace(config, threads=config.threads or threads)
    return Step(name, "train", "locus.benchmark.training.fit", (config, folder), needs, config.threads or 1)


def _instead(training: Step, word: str, function: str, source: object) -> Step:
    """Return a step that writes the run of a ``training`` step from a ``source``, without training."""
    name, arguments = training.id.replace("train", word, 1), (source, *training.arguments)
    return replace(training, id=name, function=function, arguments=arguments)


def published_weights(model: ModelPlan, runs_dir: Path, flags: RunConfig) -> dict[Path, Path]:
    """Return run folder in ``runs_dir`` -> published file of its weights, for training runs with the same settings.

    It is empty if ``flags`` request training.
    """
    if flags.published_weights == "never" or model.external is not None or model.grid is not None:
        return {}
    files = model.weights_files(cells.published() / runs_dir.name / weights.FOLDER)
    runs = zip(model.run_configs(runs_dir).items(), files, strict=True)
    existing = [(path, settings_hash(config, model.init), file) for (path, config), file in runs if file.is_file()]
    return {path: file for path, settings, file in existing if backbones.described(file).get("settings") == settings}


def _parts(cells: Sequence[Cell]) -> tuple[dict[str, list[str]], list[list[Cell]]]:
    """Return name -> methods of an explaining step, and the cells of each scoring step.

    Fast methods are explained together, slow ones separately. A check generates the maps for all its cells at once.
    """
    if any(cell.protocol in CHECKS for cell in cells):
        return {}, [list(cells)]
    words = list(dict.fromkeys(cell.method for cell in cells))
    slow = [word for word in words if word not in (CLASSIFIER, *UNRANKED_METHODS) and not methods.is_fast(word)]
    scored = [*(word for word in words if word not in slow), *slow]
    fast = [word for word in scored if word not in (CLASSIFIER, *WITHOUT_MAP, *slow)]
    together = {**({"fast methods": fast} if fast else {}), **{word: [word] for word in slow}}
    parts = [scored[start : start + PORTION] for start in range(0, len(scored), PORTION)]
    return together, [[cell for cell in cells if cell.method in part] for part in parts]


PACKED_PER_NEW = 10
"""Records are packed when at most this number is already packed for each new one."""


@dataclass
class Pending:
    """Cells whose records the steps of a suite have not yet written to its ``folder``.

    Each step writes one file per record. This class merges them into the packed file, after a model is finished and
    while no step is writing. Packing rewrites all records, so it waits until the new ones are a tenth of those already
    packed.
    """

    folder: Path
    cells: dict[str, ModelTask]
    """Name of a step -> the cells that it scores."""
    stopped: dict[str, str] = field(default_factory=dict)
    """Model -> the reason why it failed, at least in part."""
    _writing: set[str] = field(default_factory=set)
    _model_finished: bool = False
    _n_packed: int = 0

    @classmethod
    def of(cls, steps: Sequence[Step], folder: Path) -> "Pending":
        """Build it from ``steps``; the first argument of a scoring step contains its cells."""
        return cls(folder, {step.id: step.arguments[0] for step in steps if step.kind == "score"})

    def take(self, event: Event) -> None:
        """Process an event of a step."""
        if event.step.id not in self.cells:
            return
        if event.kind == "started":
            self._writing.add(event.step.id)
            return
        task = self.cells.pop(event.step.id)
        self._writing.discard(event.step.id)
        if event.reason:
            record_failure(task, event.reason, self.folder)
            self.stopped[task.model.id] = event.reason
        self._model_finished |= all(other.model.id != task.model.id for other in self.cells.values())
        # the last model's records are packed at the end of the run
        if self._model_finished and self.cells and not self._writing:
            unpacked = len(records.unpacked(self.folder))
            if PACKED_PER_NEW * unpacked >= self._n_packed:
                records.pack(self.folder)
                self._n_packed += unpacked
            self._model_finished = False


def record_failure(task: ModelTask, reason: str, folder: Path) -> None:
    """Write a record with the reason for each cell without a result of the present code; earlier results stay."""
    keys = {cell.key for cell in task.cells}
    measured = [r for r in cells.existing_records(folder) if r.key in keys and r.status == "ok"]
    measured_keys = {record.key for record in measured} - cells.changed_keys(task.model, measured)
    missing = [cell for cell in task.cells if cell.key not in measured_keys]
    for cell in missing:
        records.write(Record(cell=cell, status="failed", reason=reason), folder)
    if n_existing := len(task.cells) - len(missing):
        log.warning("%s: %s (existing records that are kept: %d)", task.model.id, reason, n_existing)


@dataclass(frozen=True)
class Outcome:
    """The result of running a suite."""

    stopped: tuple[str, ...]
    """One sentence for each model that failed."""
    records: list[Record]
    """All records of the suite, with the published ones that its tables show."""
    tables: "Sequence[DatasetTables]"
    """The tables of each data set; empty in a dry run."""
    folder: ResultsFolder
    """The folder of the records."""
    ran: bool
    """True if at least one cell was run."""

    @property
    def own_records(self) -> list[Record]:
        """The records of the suite's own cells: no numbers from papers and no records from the published folder."""
        return [record for record in self.records if record.source == "run"]


def run(suite: Suite, config: RunConfig, echo: Echo, executor: Executor) -> Outcome:
    """Run the missing cells of ``suite`` with ``executor`` and write its tables.

    ``echo`` receives the lines of the plan and of each step. If a model fails, its cells get records with the reason,
    and the other models continue. Raises ``LocusError`` if a file cannot be written or if another process is using
    the suite's records or training runs.
    """
    name, folder, published = suite.name, cells.choose(suite, config), cells.published()
    if folder.reason:
        rows = f", with the published rows of {folder.published_folder}" if folder.published_folder else ""
        echo(f"{name}: {folder.reason}, so records and tables are written to {folder.path}{rows}")
    if config.results and folder.path not in records.suites(folder.path.parent) and (published / name).is_dir():
        echo(f"{name}: {folder.path} has no records, so all cells run ({published / name} is not used)")
    with contextlib.nullcontext() if config.dry_run else records.only_writer(records.unpacked_folder(folder.path)):
        outcome = _run_missing(suite, folder, config, echo, executor)
        if not outcome.ran:
            return outcome
        # The first pass adds cells if it trains new weights.
        rest_config = replace(config, overwrite="never")
        planned = cells.planned_cells(suite, config.method)
        if not _to_do(planned, _runs_dir(suite, config), rest_config, outcome.own_records):
            return outcome
        rest = _run_missing(suite, folder, rest_config, echo, executor)
        return replace(rest, stopped=(*outcome.stopped, *rest.stopped))


def _run_missing(suite: Suite, folder: ResultsFolder, config: RunConfig, echo: Echo, executor: Executor) -> Outcome:
    """Run the cells without a record. The caller makes sure that no other run writes to the folder."""
    existing, runs_dir = _existing(folder), _runs_dir(suite, config)
    planned = cells.planned_cells(suite, config.method)
    todo = _to_do(planned, runs_dir, config, existing)
    if absent := cells.without_data(planned, existing):
        reason = cells.missing_data_message(suite, absent[0].model)
        if not todo and not existing:
            raise DataError(f"{suite.name}: {reason}")
        echo(f"{suite.name}: {counted(len(absent), 'model')} cannot run: {reason}")
    check_parallel(todo, executor.jobs, config.threads, executor.minutes)
    total = sum(len(task.cells) for task in todo)
    echo(
        f"{suite.name}: {counted(total, 'cell')} to run"
        + (f" for {counted(len(todo), 'model')}" if total else ", tables only")
    )
    for task in todo:
        echo(f"  {task.model.id}: {counted(len(task.cells), 'cell')}{_to_train(task, runs_dir, config)}")
    if config.dry_run:
        return Outcome((), existing, (), folder, ran=False)
    _log_training_images(todo)
    remove_leftovers([*folder.path.parent.glob(".*"), *folder.path.rglob(".*")])
    remove_leftovers(records.unpacked_folder(folder.path).rglob(".*"))
    stopped = _run_steps(todo, runs_dir, folder.path, config, executor, echo) if todo else {}

    from locus.benchmark.suite.finalize import finalize  # slow imports, not for a dry run

    table_records, datasets = finalize(suite, planned, config, folder, existing, bool(todo))
    reasons = tuple(f"{suite.name}: {model}: {why}" for model, why in stopped.items())
    return Outcome(reasons, table_records, datasets, folder, ran=bool(todo))


def _log_training_images(todo: Sequence[ModelTask]) -> None:
    """Log which test images the given models have seen. Raises ``LeakError`` if none is left for one of them."""
    if given := [(task.model.external, task.model.trainings) for task in todo if task.model.external is not None]:
        from locus.benchmark.maps.runs import log_training_images  # imports PyTorch

        log_training_images(given)


def _runs_dir(suite: Suite, config: RunConfig) -> Path:
    return Path(config.runs) / (suite.training_runs_of or suite.name)


def _to_do(planned: Sequence[ModelTask], runs_dir: Path, config: RunConfig, existing: list[Record]) -> list[ModelTask]:
    """Return the missing cells of each model, without models that need training if only published weights are used."""
    todo = cells.missing_cells(planned, config, existing)
    if config.published_weights != "only":
        return todo
    return [task for task in todo if not _missing_runs(task, runs_dir, config)[0]]


def _missing_runs(task: ModelTask, runs_dir: Path, config: RunConfig) -> tuple[int, int]:
    """Count the runs of a model that are not in ``runs_dir``: without and with published weights."""
    if task.model.external is not None or task.model.grid is not None:
        return 0, 0
    missing = [path for path in task.model.run_configs(runs_dir) if not (path / "metrics.json").is_file()]
    files = published_weights(task.model, runs_dir, config)
    restored = len([path for path in missing if path in files])
    return len(missing) - restored, restored


def _to_train(task: ModelTask, runs_dir: Path, config: RunConfig) -> str:
    """Say how many training runs of a model are missing from ``runs_dir``; an empty string if none are missing."""
    count, restored = _missing_runs(task, runs_dir, config)
    trained = f", after {counted(count, 'training run')}" if count else ""
    return trained + (", from published weights" if restored else "")


def _existing(folder: ResultsFolder) -> list[Record]:
    """Return the records of the folder. If only tables are requested, add the published records."""
    own_records = cells.existing_records(folder.path)
    if folder.reason != cells.OTHER_COLUMNS:
        return own_records
    return records.ordered(cells.with_published(own_records, folder.published))


def _run_steps(
    tasks: Sequence[ModelTask], runs_dir: Path, folder: Path, config: RunConfig, executor: Executor, echo: Echo
) -> dict[str, str]:
    """Run all steps of ``tasks``; return model -> reason for each model that failed, at least in part."""
    from locus.benchmark.suite.executors.base import run_with_progress  # slow import, not for a dry run

    steps = [step for task in tasks for step in model_steps(task, runs_dir, folder, config)]
    pending = Pending.of(steps, folder)
    with records.only_writer(runs_dir):
        remove_leftovers(runs_dir.rglob(".*"))
        for path in {path for task in tasks for path in task.model.folders(runs_dir) if config.overwrite == "always"}:
            shutil.rmtree(path, ignore_errors=True)
        executor.begin()
        for event in run_with_progress(steps, executor, echo):
            pending.take(event)
    return pending.stopped
