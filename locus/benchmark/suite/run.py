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
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from locus import methods
from locus.benchmark import records
from locus.benchmark.records import Cell, Record
from locus.benchmark.report.grouping import counted
from locus.benchmark.suite import cells
from locus.benchmark.suite.cells import ModelTask, ResultsFolder
from locus.benchmark.suite.executors import Executor, Step
from locus.benchmark.suite.plan import RunPlan, Suite
from locus.benchmark.training.runs import WEIGHTS_FOLDER, done
from locus.config import RunConfig, TrainConfig
from locus.core.errors import BadValueError, DataError, require_extra
from locus.core.files import remove_leftovers
from locus.core.names import CLASSIFIER, UNRANKED_METHODS, WITHOUT_MAP
from locus.core.registry import CHECKS
from locus.core.types import Echo

if TYPE_CHECKING:
    from locus.benchmark.report.page import DatasetTables

log = logging.getLogger(__name__)
Tasks = Sequence[ModelTask]
METHODS_PER_STEP = 4
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
        return [Step(f"score {name}", "score", "locus.benchmark.suite.score.score", (task, runs_dir, folder, flags))]
    threads = model.trainings[0].threads or flags.threads
    runs = model.runs(runs_dir, weights_folder(runs_dir, flags))
    start = model.start(runs_dir, weights_folder(runs_dir, flags)) if any(run.kind == "train" for run in runs) else None
    first = [] if start is None else [_learning(start, threads)]
    starts = tuple(step.id for step in first)
    learning = [_learning(run, threads, starts if run.kind == "train" else ()) for run in runs]
    trained = tuple(step.id for step in learning)

    def after(needs: tuple[str, ...], kind: Literal["explain", "score"], part: str, *arguments: object) -> Step:
        function = f"locus.benchmark.suite.score.{kind}"
        return Step(f"{kind} {name} ({part})", kind, function, arguments, needs, threads or 1)

    together, portions = _parts(task.cells)
    explaining = [after(trained, "explain", part, model, words, runs_dir, flags) for part, words in together.items()]
    maps = {word: step.id for step in explaining for word in step.arguments[1]}
    scoring = []
    for number, chosen in enumerate(portions, start=1):
        needs = tuple(dict.fromkeys(maps[cell.method] for cell in chosen if cell.method in maps)) or trained
        part, portion = f"{number} of {len(portions)}", ModelTask(model, tuple(chosen))
        scoring.append(after(needs, "score", part, portion, runs_dir, folder, flags))
    return [*first, *learning, *explaining, *scoring]


def check_parallel(tasks: Tasks, at_a_time: int, threads: int | None, minutes: float | None = None) -> None:
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


WRITERS = {
    "train": "locus.benchmark.training.fit",
    "restore": "locus.benchmark.training.weights.restore",
    "predict": "locus.benchmark.maps.runs.predict_held_out",
}
"""Kind of a run -> the function that writes it."""


def _learning(run: RunPlan, threads: int | None, needs: tuple[str, ...] = ()) -> Step:
    """Return the step that writes a run, with this number of ``threads`` unless the configuration sets one."""
    name, config = f"{run.kind} {run.folder.parent.name}/{short_name(run.folder.name)}", run.config
    config = replace(config, threads=config.threads or threads)
    arguments = (config, run.folder) if run.source is None else (run.source, config, run.folder)
    return Step(name, "train", WRITERS[run.kind], arguments, needs, config.threads or 1)


def short_name(folder: str) -> str:
    """Return the name of a run's folder with eight digits of the hash of its settings, for logs.

    >>> short_name("custom-AVG-fold0-0123456789abcdef-89abcdef")
    'custom-AVG-fold0-01234567'
    """
    return re.sub(r"-([0-9a-f]{8})[0-9a-f]*-[0-9a-f]{8}$", r"-\1", folder)


def weights_folder(runs_dir: Path, flags: RunConfig) -> Path | None:
    """Return the folder of the published weights of the suite of ``runs_dir``; None if ``flags`` request training."""
    return None if flags.published_weights == "never" else records.published() / runs_dir.name / WEIGHTS_FOLDER


def _parts(cells: Sequence[Cell]) -> tuple[dict[str, list[str]], list[list[Cell]]]:
    """Return name -> methods of an explaining step, and the cells of each scoring step.

    Fast methods are explained together, slow ones separately. A check generates the maps for all its cells at once.
    """
    if any(cell.protocol in CHECKS.names() for cell in cells):
        return {}, [list(cells)]
    words = list(dict.fromkeys(cell.method for cell in cells))
    slow = [word for word in words if word not in (CLASSIFIER, *UNRANKED_METHODS) and not methods.is_fast(word)]
    scored = [*(word for word in words if word not in slow), *slow]
    fast = [word for word in scored if word not in (CLASSIFIER, *WITHOUT_MAP, *slow)]
    together = {**({"fast methods": fast} if fast else {}), **{word: [word] for word in slow}}
    parts = [scored[start : start + METHODS_PER_STEP] for start in range(0, len(scored), METHODS_PER_STEP)]
    return together, [[cell for cell in cells if cell.method in part] for part in parts]


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
    if suite.joins:
        return _run_joined(suite, config, echo)
    name, folder, published = suite.name, cells.choose(suite, config), records.published()
    if folder.reason:
        rows = f", with the published rows of {folder.published_folder}" if folder.published_folder else ""
        echo(f"{name}: {folder.reason}, so records and tables are written to {folder.path}{rows}")
    if config.results and folder.path not in records.suites(folder.path.parent) and (published / name).is_dir():
        echo(f"{name}: {folder.path} has no records, so all cells run ({published / name} is not used)")
    planned, runs_dir, ran = cells.planned_cells(suite, config.method), suite.runs_dir(config.runs), False
    with contextlib.nullcontext() if config.dry_run else records.only_writer(records.unpacked_folder(folder.path)):
        existing, stopped = cells.existing_records(folder.path), dict[str, str]()
        for flags in (config, replace(config, overwrite="never")):  # twice: weights that are trained again add cells
            todo = _to_do(planned, runs_dir, flags, existing)
            if ran and not todo:
                break
            _say_plan(suite, planned, todo, existing, flags, echo)
            check_parallel(todo, executor.jobs, config.threads, executor.minutes)
            if config.dry_run:
                return Outcome((), existing, (), folder)
            if not todo:
                break
            _check_fit(todo, folder.path, flags)
            stopped |= _run_steps(todo, runs_dir, folder.path, flags, executor, echo)
            existing, ran = cells.existing_records(folder.path), True

        from locus.benchmark.suite.finalize import finalize  # slow imports, not for a dry run

        table_records, datasets = finalize(suite, planned, folder, existing, runs_dir if ran else None, config)
    reasons = tuple(f"{name}: {model}: {why}" for model, why in stopped.items())
    return Outcome(reasons, table_records, datasets, folder)


def _run_joined(suite: Suite, config: RunConfig, echo: Echo) -> Outcome:
    """Join the records of the suite's parts that are missing, and write its tables."""
    from locus.benchmark.suite import join  # slow imports
    from locus.benchmark.suite.finalize import finalize_joined

    folder = cells.choose(suite, config)
    existing = cells.existing_records(folder.path)
    todo = join.missing(suite, existing, records.published())
    echo(f"{suite.name}: {counted(len(todo), 'record')} to join")
    if config.dry_run:
        return Outcome((), existing, (), folder)
    with records.only_writer(records.unpacked_folder(folder.path)):
        for of_parts in todo:
            record, rows = join.joined(suite, of_parts, records.published())
            records.cases.write(rows.to_dict("records"), record.cell, folder.path)  # type: ignore[arg-type]
            records.write(record, folder.path)
        planned = {join.cell_of(suite, of_parts).key for of_parts in join.parts(suite, records.published()).values()}
        table_records, datasets = finalize_joined(suite, planned, folder)
    return Outcome((), table_records, datasets, folder)


def _say_plan(
    suite: Suite, planned: Tasks, todo: Tasks, existing: Sequence[Record], config: RunConfig, echo: Echo
) -> None:
    """Say which models cannot run, and which cells will run after how many training runs.

    Raises ``DataError`` if no cell can run and none has a record.
    """
    if absent := cells.without_data(planned, existing):
        reason = cells.missing_data_message(suite, absent[0].model)
        if not todo and not existing:
            raise DataError(f"{suite.name}: {reason}")
        echo(f"{suite.name}: {counted(len(absent), 'model')} cannot run: {reason}")
    work = f" for {counted(len(todo), 'model')}" if todo else ", tables only"
    echo(f"{suite.name}: {counted(sum(len(task.cells) for task in todo), 'cell')} to run{work}")
    for task in todo:
        missing = _missing_runs(task, suite.runs_dir(config.runs), config)
        trained = f", after {counted(missing['train'], 'training run')}" if missing["train"] else ""
        restored = ", from published weights" if missing["restore"] else ""
        echo(f"  {task.model.id}: {counted(len(task.cells), 'cell')}{trained}{restored}")


def _log_training_images(todo: Tasks) -> None:
    """Log which test images the given models have seen. Raises ``LeakError`` if none is left for one of them."""
    if given := [(task.model.external, task.model.trainings) for task in todo if task.model.external is not None]:
        from locus.benchmark.maps.runs import log_training_images  # imports PyTorch

        log_training_images(given)


def _check_fit(todo: Tasks, folder: Path, flags: RunConfig) -> None:
    """Check the suite that ``todo`` is fitted on, if there is one, before anything runs. Raises ``DataError``."""
    if any(cell.fitted_on is not None for task in todo for cell in task.cells):
        from locus.benchmark.suite import fitted  # imports PyTorch

        fit = fitted.of_tasks(todo, folder, flags)
        if fit is not None:
            fitted.check(fit, [sample for task in todo for sample in fitted.scored_images(task.model)])


def _to_do(planned: Tasks, runs_dir: Path, config: RunConfig, existing: list[Record]) -> list[ModelTask]:
    """Return the missing cells of each model, without models that need training if only published weights are used."""
    todo = cells.missing_cells(planned, config, existing)
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
    """Run all steps of ``tasks``; return model -> reason for each model that failed, at least in part."""
    from locus.benchmark.suite.executors.base import run_with_progress  # slow import, not for a dry run

    if any(_missing_runs(task, runs_dir, config)["train"] for task in tasks):
        require_extra("train", "lightning", f"training for the suite {folder.name}")
    _log_training_images(tasks)
    remove_leftovers([*folder.parent.glob(".*"), *folder.rglob(".*"), *records.unpacked_folder(folder).rglob(".*")])
    steps = [step for task in tasks for step in model_steps(task, runs_dir, folder, config)]
    portions = {step.id: step.arguments[0] for step in steps if step.kind == "score"}
    stopped: dict[str, str] = {}
    with records.only_writer(runs_dir):
        remove_leftovers(runs_dir.rglob(".*"))
        for path in {path for task in tasks for path in task.model.folders(runs_dir) if config.overwrite == "always"}:
            shutil.rmtree(path, ignore_errors=True)
        executor.begin()
        for event in run_with_progress(steps, executor, echo):
            if event.reason and event.step.id in portions:
                task = portions[event.step.id]
                record_failure(task, event.reason, folder)
                stopped[task.model.id] = event.reason
    return stopped
