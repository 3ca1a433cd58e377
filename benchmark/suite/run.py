"""Run a suite: plan, train, explain, score, record, then write the tables.

The work of a model is split into steps, which an executor runs. Slow imports are delayed until a step needs them, so a
suite whose records all exist takes only seconds.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import records
from benchmark.records import Record
from benchmark.report.sentences import counted
from benchmark.suite import results_folder, selection
from benchmark.suite.executors import Executor
from benchmark.suite.pending import Pending, record_failure
from benchmark.suite.plan import Suite
from benchmark.suite.results_folder import ResultsFolder
from benchmark.suite.selection import ModelTask
from benchmark.suite.steps import check_parallel, model_steps
from config import RunConfig
from core.files import remove_leftovers
from core.types import Echo

if TYPE_CHECKING:
    from benchmark.report.leaderboard.dataset_tables import DatasetTables


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
    name, folder, published = suite.name, results_folder.choose(suite, config), results_folder.published()
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
        planned = selection.planned_cells(suite, config.method)
        if not selection.missing_cells(planned, rest_config, outcome.own_records):
            return outcome
        rest = _run_missing(suite, folder, rest_config, echo, executor)
        return replace(rest, stopped=(*outcome.stopped, *rest.stopped))


def _run_missing(suite: Suite, folder: ResultsFolder, config: RunConfig, echo: Echo, executor: Executor) -> Outcome:
    """Run the cells without a record. The caller makes sure that no other run writes to the folder."""
    existing, runs_dir = _existing(folder), Path(config.runs) / (suite.training_runs_of or suite.name)
    planned = selection.planned_cells(suite, config.method)
    todo = selection.missing_cells(planned, config, existing)
    check_parallel(todo, executor.jobs, config.threads, executor.minutes)
    total = sum(len(task.cells) for task in todo)
    echo(
        f"{suite.name}: {counted(total, 'cell')} to run"
        + (f" for {counted(len(todo), 'model')}" if total else ", tables only")
    )
    for task in todo:
        echo(f"  {task.model.id}: {counted(len(task.cells), 'cell')}{_to_train(task, runs_dir)}")
    if config.dry_run:
        return Outcome((), existing, (), folder, ran=False)
    remove_leftovers([*folder.path.parent.glob(".*"), *folder.path.rglob(".*")])
    remove_leftovers(records.unpacked_folder(folder.path).rglob(".*"))
    missing_data = {task.model.id: selection.missing_data_message(suite, task.model) for task in todo}
    for task in todo:
        if reason := missing_data[task.model.id]:
            record_failure(task, "n/a", reason, folder.path)
    present = [task for task in todo if not missing_data[task.model.id]]
    stopped = _run_steps(present, runs_dir, folder.path, config, executor, echo) if present else {}
    from benchmark.suite.finalize import finalize  # slow imports, not for a dry run

    table_records, datasets = finalize(suite, planned, config, folder, existing, bool(todo))
    reasons = tuple(f"{suite.name}: {model}: {why}" for model, why in stopped.items())
    return Outcome(reasons, table_records, datasets, folder, ran=bool(todo))


def _to_train(task: ModelTask, runs_dir: Path) -> str:
    """Say how many training runs of a model are missing from ``runs_dir``; an empty string if none are missing."""
    if task.model.given is not None or selection.missing_data(task.model) is not None:
        return ""
    count = sum(not (folder / "metrics.json").is_file() for folder in task.model.run_configs(runs_dir))
    return f", after {counted(count, 'training run')}" if count else ""


def _existing(folder: ResultsFolder) -> list[Record]:
    """Return the records of the folder. If only tables are requested, add the published records."""
    own_records = selection.existing_records(folder.path)
    if folder.reason != results_folder.OTHER_COLUMNS or folder.published_folder is None:
        return own_records
    return records.ordered(results_folder.with_published(own_records, records.load(folder.published_folder)))


def _run_steps(
    tasks: Sequence[ModelTask], runs_dir: Path, folder: Path, config: RunConfig, executor: Executor, echo: Echo
) -> dict[str, str]:
    """Run all steps of ``tasks``; return model -> reason for each model that failed, at least in part."""
    from benchmark.suite.executors.view import run_with_progress  # slow import, not for a dry run

    steps = [step for task in tasks for step in model_steps(task, runs_dir, folder, config)]
    pending = Pending.of(steps, folder)
    with records.only_writer(runs_dir):
        remove_leftovers(runs_dir.rglob(".*"))
        executor.begin()
        for event in run_with_progress(steps, executor, echo):
            pending.take(event)
    return pending.stopped
