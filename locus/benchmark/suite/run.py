"""Run a suite: plan, train, explain, score, record, then write the tables.

``model_steps`` splits the work of a model into training runs, explanations and scoring; ``run`` gives the steps of all
models to an executor; ``record_failure`` records the reason for cells without a result.

Slow imports are delayed until a step needs them, so a suite whose records all exist takes only seconds. The steps
themselves are in ``locus.benchmark.training`` and ``score``, the tables at the end in ``finalize``.
"""

import contextlib
import logging
import re
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from locus import methods
from locus.benchmark import baselines, records
from locus.benchmark.executors import Executor, Step
from locus.benchmark.executors.base import run_with_progress
from locus.benchmark.records import Cell, Record
from locus.benchmark.report.grouping import counted
from locus.benchmark.suite import cells, folders, missing, work
from locus.benchmark.suite.cells import ModelTask
from locus.benchmark.suite.folders import ResultsFolder
from locus.benchmark.suite.plan import ModelPlan, RunPlan, Suite
from locus.benchmark.training.runs import WEIGHTS_FOLDER, done
from locus.config import RunConfig, TrainConfig
from locus.core.errors import BadValueError, DataError, require_extra
from locus.core.files import remove_leftovers
from locus.core.names import CLASSIFIER
from locus.core.registry import CHECKS
from locus.core.types import Echo

if TYPE_CHECKING:
    from locus.benchmark.report.page import DatasetTables

log = logging.getLogger(__name__)
Tasks = Sequence[ModelTask]
WRITERS: dict[str, Callable[..., None]] = {
    "train": work.train,
    "restore": work.restore,
    "predict": work.predict,
}
"""Kind of a run -> the function that writes it."""
METHODS_PER_STEP = 4
"""Methods per scoring step: enough to outweigh reading the images again, few enough to keep all jobs busy."""


def model_steps(task: ModelTask, runs_dir: Path, folder: Path, flags: RunConfig) -> list[Step]:
    """Return all steps from a model to the records of its cells; a step skips finished work when it runs.

    A step lists the steps that it needs; an executor may run all others at once.

    Args:
        task: the model and its cells.
        runs_dir: folder of the training runs and maps.
        folder: the results folder of the suite.
        flags: the flags of the command.

    Returns:
        The steps, in an order in which they can run one after another.

    Example:
        >>> from locus.benchmark.suite import cells, plan
        >>> suite = plan.load("demo")
        >>> model = plan.models(suite)[0]
        >>> task = ModelTask(model, tuple(cells.cells(suite, model)[:9]))
        >>> [step.kind for step in model_steps(task, Path("runs"), Path("results/demo"), RunConfig())]
        ['train', 'explain', 'score', 'score', 'score']
    """
    model = task.model
    name = f"{folder.name}/{model.id}"
    if model.grid is not None:  # there is no network to train or explain
        arguments = (task, runs_dir, folder, flags)
        return [Step(id=f"score {name}", kind="score", function=work.score, arguments=arguments)]
    threads = model.trainings[0].threads or flags.threads
    initial_steps, run_steps = _steps_of_runs(model, runs_dir, threads, flags)
    run_ids = tuple(step.id for step in run_steps)
    steps = [*initial_steps, *run_steps]
    map_steps: dict[str, str] = {}  # method -> the step that generates its maps
    for methods_text, method_names in _explained_together(task.cells).items():
        step = Step(
            id=f"explain {name} ({methods_text})",
            kind="explain",
            function=work.explain,
            arguments=(model, method_names, runs_dir, flags),
            needs=run_ids,
            threads=threads or 1,
        )
        steps.append(step)
        map_steps.update(dict.fromkeys(method_names, step.id))
    portions = _scored_together(task.cells)
    for number, portion in enumerate(portions, start=1):
        portion_task = ModelTask(model, tuple(portion))
        needed_maps = dict.fromkeys(
            map_steps[cell.method] for cell in portion if cell.method in map_steps
        )
        step = Step(
            id=f"score {name} ({number} of {len(portions)})",
            kind="score",
            function=work.score,
            arguments=(portion_task, runs_dir, folder, flags),
            needs=tuple(needed_maps) or run_ids,
            threads=threads or 1,
        )
        steps.append(step)
    return steps


def check_parallel(
    tasks: Tasks, at_a_time: int, threads: int | None, minutes: float | None = None
) -> None:
    """Check that the steps of tasks can run at the same time, or be stopped.

    Args:
        tasks: the models with their cells.
        at_a_time: number of steps that run at the same time.
        threads: threads of each step; None: not fixed.
        minutes: time after which a step is stopped; None: never.

    Raises:
        BadValueError: the results would depend on the number of threads, or a training run needs several devices.
    """
    if at_a_time > 1:
        flag = f"--jobs {at_a_time}"
        advice = "use --jobs 1"
    elif minutes is not None:
        flag = "--step_minutes"
        advice = "leave it out"
    else:
        return
    configs: list[TrainConfig] = []
    for task in tasks:
        if task.model.init is not None:
            configs.append(task.model.init)
        configs += task.model.trainings
    if threads is None and any(config.threads is None for config in configs):
        reason = "because results depend on that number"
        raise BadValueError(f"{flag} requires a fixed number of threads, {reason}: add --threads 1")
    if any(map(_uses_several_devices, configs)):
        raise BadValueError(
            f"{flag} requires training runs on a single device: {advice} for this suite"
        )


def _uses_several_devices(config: TrainConfig) -> bool:
    """Whether a training run needs more than one device; ``auto`` is the first one (``hardware.device_indices``)."""
    return config.num_nodes > 1 or re.fullmatch(r"auto|1|\d+,", config.devices) is None


def _steps_of_runs(
    model: ModelPlan, runs_dir: Path, threads: int | None, flags: RunConfig
) -> tuple[list[Step], list[Step]]:
    """Return the step that provides the initial weights, if a run needs it, and the steps that write the runs."""
    published = weights_folder(runs_dir, flags)
    runs = model.runs(runs_dir, published)
    initial_steps = []
    if any(run.kind == "train" for run in runs):
        initial_run = model.start(runs_dir, published)
        if initial_run is not None:
            initial_steps.append(_step_of_run(initial_run, threads))
    initial_ids = tuple(step.id for step in initial_steps)
    run_steps = []
    for run in runs:
        needed_steps = initial_ids if run.kind == "train" else ()
        run_steps.append(_step_of_run(run, threads, needed_steps))
    return initial_steps, run_steps


def _step_of_run(run: RunPlan, threads: int | None, needed_steps: tuple[str, ...] = ()) -> Step:
    """Return the step that writes a run, with this number of ``threads`` unless the configuration sets one."""
    config = replace(run.config, threads=run.config.threads or threads)
    source = () if run.source is None else (run.source,)
    name = f"{run.folder.parent.name}/{short_name(run.folder.name)}"
    return Step(
        id=f"{run.kind} {name}",
        kind="train",
        function=WRITERS[run.kind],
        arguments=(*source, config, run.folder),
        needs=needed_steps,
        threads=config.threads or 1,
    )


def short_name(folder: str) -> str:
    """Return the name of a run's folder with eight digits of the hash of its settings, for logs.

    >>> short_name("custom-AVG-fold0-0123456789abcdef-89abcdef")
    'custom-AVG-fold0-01234567'
    """
    return re.sub(r"-([0-9a-f]{8})[0-9a-f]*-[0-9a-f]{8}$", r"-\1", folder)


def weights_folder(runs_dir: Path, flags: RunConfig) -> Path | None:
    """Return the folder of the published weights of the suite of ``runs_dir``; None if ``flags`` request training."""
    if flags.published_weights == "never":
        return None
    return records.published() / runs_dir.name / WEIGHTS_FOLDER


def _explained_together(model_cells: Sequence[Cell]) -> dict[str, list[str]]:
    """Return name -> methods of each explaining step: the fast ones together, each slow one separately.

    There are none for a check, which generates the maps for all its cells at once.
    """
    if _are_of_check(model_cells):
        return {}
    fast, slow = _fast_and_slow(model_cells)
    fast = [name for name in fast if name != CLASSIFIER and baselines.has_stored_map(name)]
    together = {"fast methods": fast} if fast else {}
    together.update({name: [name] for name in slow})
    return together


def _scored_together(model_cells: Sequence[Cell]) -> list[list[Cell]]:
    """Return the cells of each scoring step, those of slow methods last; all cells of a check are in one step."""
    if _are_of_check(model_cells):
        return [list(model_cells)]
    fast, slow = _fast_and_slow(model_cells)
    names = [*fast, *slow]
    portions = []
    for start in range(0, len(names), METHODS_PER_STEP):
        names_of_step = names[start : start + METHODS_PER_STEP]
        portions.append([cell for cell in model_cells if cell.method in names_of_step])
    return portions


def _are_of_check(model_cells: Sequence[Cell]) -> bool:
    return any(cell.protocol in CHECKS.names() for cell in model_cells)


def _fast_and_slow(model_cells: Sequence[Cell]) -> tuple[list[str], list[str]]:
    """Return the names of the fast methods and the other rows of the cells, then the names of the slow methods."""
    names = list(dict.fromkeys(cell.method for cell in model_cells))
    method_names = [
        name for name in names if name != CLASSIFIER and not baselines.is_baseline(name)
    ]
    slow = [name for name in method_names if not methods.is_fast(name)]
    return [name for name in names if name not in slow], slow


def record_failure(task: ModelTask, reason: str, folder: Path) -> None:
    """Write a record with the reason for each cell without a result of the present code; earlier results stay."""
    planned_keys = {cell.key for cell in task.cells}
    existing = folders.existing_records(folder)
    measured = [
        record for record in existing if record.key in planned_keys and record.status == "ok"
    ]
    kept_keys = {record.key for record in measured} - missing.changed_keys(task.model, measured)
    for cell in task.cells:
        if cell.key not in kept_keys:
            records.write(Record(cell=cell, status="failed", reason=reason), folder)
    if kept_keys:
        log.warning(
            "%s: %s (existing records that are kept: %d)", task.model.id, reason, len(kept_keys)
        )


@dataclass(frozen=True)
class Outcome:
    """The result of running a suite."""

    stopped: tuple[str, ...]
    """``suite: model: reason`` for each model that failed."""
    records: list[Record]
    """All records of the suite, with the published ones that its tables show."""
    tables: "Sequence[DatasetTables]"
    """The tables of each data set; empty in a dry run."""
    folder: ResultsFolder
    """The folder of the records."""

    @property
    def own_records(self) -> list[Record]:
        """The records of the suite's own cells: no numbers from papers and no records from the published folder."""
        return [record for record in self.records if record.source == "run"]


def run(suite: Suite, config: RunConfig, echo: Echo, executor: Executor) -> Outcome:
    """Run the missing cells of a suite and write its tables.

    If a model fails, its cells get records with the reason, and the other models continue.

    Args:
        suite: the suite.
        config: the flags of the command.
        echo: receives the lines of the plan and of each step.
        executor: runs the steps.

    Returns:
        The records, the tables and their folder, and the models that failed.

    Raises:
        LocusError: a file cannot be written, or another process uses the suite's records or training runs.
    """
    if suite.joins:
        return _run_joined(suite, config, echo)
    folder = folders.choose(suite, config)
    _say_folder(suite.name, folder, config, echo)
    planned = cells.planned_cells(suite, config.method)
    runs_dir = suite.runs_dir(config.runs)
    stopped: dict[str, str] = {}
    with (
        contextlib.nullcontext()
        if config.dry_run
        else records.only_writer(records.unpacked_folder(folder.path))
    ):
        existing = folders.existing_records(folder.path)
        has_run = False
        # A network that was trained again has new weights, and all its other records are of the old ones: they are made
        # in a second pass. ``never`` keeps the records of the first one, also those of models that failed.
        for pass_config in (config, replace(config, overwrite="never")):
            todo = _to_do(planned, runs_dir, pass_config, existing)
            if has_run and not todo:
                break
            _say_plan(
                suite,
                planned=planned,
                todo=todo,
                existing=existing,
                config=pass_config,
                echo=echo,
            )
            check_parallel(todo, executor.jobs, config.threads, executor.minutes)
            if config.dry_run:
                return Outcome((), existing, (), folder)
            if not todo:
                break
            stopped |= _run_steps(todo, runs_dir, folder.path, pass_config, executor, echo)
            existing = folders.existing_records(folder.path)
            has_run = True

        from locus.benchmark.suite.finalize import finalize  # slow imports, not for a dry run

        table_records, dataset_tables = finalize(
            suite, planned, folder, existing, runs_dir=runs_dir if has_run else None, flags=config
        )
    reasons = tuple(f"{suite.name}: {model}: {reason}" for model, reason in stopped.items())
    return Outcome(reasons, table_records, dataset_tables, folder)


def _say_folder(name: str, folder: ResultsFolder, config: RunConfig, echo: Echo) -> None:
    """Say where the records are written if not to the published folder, and that the published records are not used."""
    if folder.reason:
        rows = (
            f", with the published rows of {folder.published_folder}"
            if folder.published_folder
            else ""
        )
        echo(f"{name}: {folder.reason}, so records and tables are written to {folder.path}{rows}")
    published = records.published() / name
    if (
        config.results
        and folder.path not in records.suites(folder.path.parent)
        and published.is_dir()
    ):
        echo(f"{name}: {folder.path} has no records, so all cells run ({published} is not used)")


def _run_joined(suite: Suite, config: RunConfig, echo: Echo) -> Outcome:
    """Write the missing records of a suite that joins others, from the records of its parts, and its tables."""
    from locus.benchmark.suite import join  # slow imports
    from locus.benchmark.suite.finalize import finalize_joined

    folder = folders.choose(suite, config)
    existing = folders.existing_records(folder.path)
    published = records.published()
    todo = join.missing_rows(suite, existing, published)
    echo(f"{suite.name}: {counted(len(todo), 'record')} to join")
    if config.dry_run:
        return Outcome((), existing, (), folder)
    with records.only_writer(records.unpacked_folder(folder.path)):
        for row_parts in todo:
            record, rows = join.joined(suite, row_parts, published)
            records.cases.write(rows.to_dict("records"), record.cell, folder.path)  # type: ignore[arg-type]
            records.write(record, folder.path)
        planned_keys = {
            join.cell_of(suite, row_parts).key
            for row_parts in join.parts(suite, published).values()
        }
        table_records, dataset_tables = finalize_joined(suite, planned_keys, folder)
    return Outcome((), table_records, dataset_tables, folder)


def _say_plan(
    suite: Suite,
    planned: Tasks,
    todo: Tasks,
    existing: Sequence[Record],
    config: RunConfig,
    echo: Echo,
) -> None:
    """Say which models cannot run, and which cells will run after how many training runs.

    Raises ``DataError`` if no cell can run and none has a record.
    """
    absent = missing.without_data(planned, existing)
    if absent:
        reason = missing.missing_data_message(suite, absent[0].model)
        if not todo and not existing:
            raise DataError(f"{suite.name}: {reason}")
        echo(f"{suite.name}: {counted(len(absent), 'model')} cannot run: {reason}")
    cell_count = sum(len(task.cells) for task in todo)
    scope = f" for {counted(len(todo), 'model')}" if todo else ", tables only"
    echo(f"{suite.name}: {counted(cell_count, 'cell')} to run{scope}")
    for task in todo:
        missing_runs = _missing_runs(task, suite.runs_dir(config.runs), config)
        after_training = ""
        if missing_runs["train"]:
            after_training = f", after {counted(missing_runs['train'], 'training run')}"
        from_weights = ", from published weights" if missing_runs["restore"] else ""
        echo(f"  {task.model.id}: {counted(len(task.cells), 'cell')}{after_training}{from_weights}")


def _log_training_images(todo: Tasks) -> None:
    """Log which test images the given models have seen. Raises ``LeakError`` if none is left for one of them."""
    models = [task.model for task in todo]
    external = [(model.external, model.trainings) for model in models if model.external is not None]
    if external:
        from locus.benchmark.maps.runs import log_training_images  # imports PyTorch

        log_training_images(external)


def _check_fit(todo: Tasks, folder: Path, flags: RunConfig) -> None:
    """Check the suite that ``todo`` is fitted on, if there is one, before anything runs. Raises ``DataError``."""
    if all(cell.fitted_on is None for task in todo for cell in task.cells):
        return
    from locus.benchmark.suite import fitted  # imports PyTorch

    fit = fitted.of_tasks(todo, folder, flags)
    if fit is not None:
        fitted.check(fit, [sample for task in todo for sample in fitted.scored_images(task.model)])


def _to_do(
    planned: Tasks, runs_dir: Path, config: RunConfig, existing: list[Record]
) -> list[ModelTask]:
    """Return the missing cells of each model, without models that need training if only published weights are used."""
    todo = missing.missing_cells(planned, config, existing)
    if config.published_weights != "only":
        return todo
    return [task for task in todo if not _missing_runs(task, runs_dir, config)["train"]]


def _missing_runs(task: ModelTask, runs_dir: Path, config: RunConfig) -> Counter[str]:
    """Count the runs of a model that are not in ``runs_dir``: trained, restored from published weights."""
    runs = task.model.runs(runs_dir, weights_folder(runs_dir, config))
    return Counter(run.kind for run in runs if not done(run.folder))


def _run_steps(
    tasks: Tasks, runs_dir: Path, folder: Path, config: RunConfig, executor: Executor, echo: Echo
) -> dict[str, str]:
    """Run all steps of ``tasks``; return model -> reason for each model that failed, at least in part.

    Raises ``DataError`` if the suite that they are fitted on lacks records.
    """
    _check_fit(tasks, folder, config)
    if any(_missing_runs(task, runs_dir, config)["train"] for task in tasks):
        require_extra("train", "lightning", f"training for the suite {folder.name}")
    _log_training_images(tasks)
    # The folder of all results, too: temporary files that another process is writing there are locked, so they stay.
    remove_leftovers(
        [
            *folder.parent.glob(".*"),
            *folder.rglob(".*"),
            *records.unpacked_folder(folder).rglob(".*"),
        ]
    )
    steps: list[Step] = []
    for task in tasks:
        steps += model_steps(task, runs_dir=runs_dir, folder=folder, flags=config)
    stopped: dict[str, str] = {}
    with records.only_writer(runs_dir):
        remove_leftovers(runs_dir.rglob(".*"))
        if config.overwrite == "always":
            for path in {path for task in tasks for path in task.model.folders(runs_dir)}:
                shutil.rmtree(path, ignore_errors=True)
        executor.begin()
        for event in run_with_progress(steps, executor, echo):
            if event.reason and event.step.kind == "score":
                task = event.step.arguments[0]
                record_failure(task, event.reason, folder)
                stopped[task.model.id] = event.reason
    return stopped
