"""A suite is planned, each of its models trained, explained, scored and recorded; then its tables are written.

What a model needs are steps, which an executor runs, several at a time where it may. Nothing heavy is imported before a
step has work to do: a suite whose records are all there costs seconds.
"""

import contextlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmark import records
from benchmark.executors import Executor
from benchmark.records import Record
from benchmark.report.leaderboard.entries import COMPARISONS
from benchmark.suite import estimate, plan, results_folder, selection
from benchmark.suite.cli_models import with_models
from benchmark.suite.pending import Pending, record_failure
from benchmark.suite.plan import Suite
from benchmark.suite.results_folder import ResultsFolder
from benchmark.suite.selection import ModelJob
from benchmark.suite.steps import check_jobs, model_steps, trainings
from config import RunConfig
from core.files import remove_leftovers

Report = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """How a suite ended."""

    stopped: tuple[str, ...]
    """A sentence for each model that could not run."""
    records: list[Record]
    """All that the suite has now, and the entries of its tables."""
    folder: ResultsFolder
    """Where they lie."""
    ran: bool
    """Whether there was anything to run."""

    @property
    def counts(self) -> Counter[str]:
        """Status -> number of records of runs, those of earlier runs among them; published ones do not count."""
        return Counter(record.status for record in self.of_runs)

    @property
    def of_runs(self) -> list[Record]:
        """The records of the suite's own cells: not of entries, papers or the published folder."""
        return [record for record in self.records if record.source == "run" and record.cell.protocol not in COMPARISONS]


def run(name: str, config: RunConfig, report: Report, executor: Executor) -> Outcome:
    """Run what is missing of suite ``name`` by ``executor`` and write its tables.

    ``report`` gets the lines of the plan and of each step. A model that cannot run gives its cells records with the
    reason, and the others go on. Raises ``LocusError`` for a bad suite, when the disk refuses, and where another run
    writes the suite's records or trains its models: it says which.
    """
    suite = plan.load(name, selection.suites_folder(config), config.trust)
    folder = results_folder.choose(suite, config)
    selection.check_words(suite, config)
    suite = with_models(suite, config)
    if folder.reason:
        report(f"{name}: {folder.reason}: records and tables go to {folder.path}, the published rows beside them")
    published = results_folder.published()
    if config.results and folder.path not in records.suites(folder.path.parent) and (published / name).is_dir():
        report(f"{name}: {folder.path} has no records: all cells run; those of {published / name} do not count there")
    with contextlib.nullcontext() if config.dry_run else records.only_writer(records.unpacked_folder(folder.path)):
        outcome = _run_missing(suite, folder, config, report, executor)
        kept = replace(config, overwrite="never")  # only now is known what inner folds chose, and what weights came out
        if not outcome.ran or not _missing(suite, kept, outcome.of_runs):
            return outcome
        rest = _run_missing(suite, folder, kept, report, executor)
        return replace(rest, stopped=(*outcome.stopped, *rest.stopped))


def _missing(suite: Suite, config: RunConfig, existing: Sequence[Record]) -> list[ModelJob]:
    return selection.missing_cells(selection.planned_cells(suite, config, existing, config.method), config, existing)


def _run_missing(suite: Suite, folder: ResultsFolder, config: RunConfig, report: Report, executor: Executor) -> Outcome:
    """Run the cells that lack a record; nobody else writes any meanwhile."""
    if not config.dry_run:
        remove_leftovers([*folder.path.parent.glob(".*"), *folder.path.rglob(".*")])
        remove_leftovers(records.unpacked_folder(folder.path).rglob(".*"))
    existing, runs_dir = _existing(folder), Path(config.runs) / (suite.trainings or suite.name)
    planned = selection.planned_cells(suite, config, existing, config.method)
    todo = selection.missing_cells(planned, config, existing)
    check_jobs(todo, executor.jobs, config.threads, executor.minutes)
    total = sum(len(job.cells) for job in todo)
    report(f"{suite.name}: {total} cells to run" + (f" for {len(todo)} models" if total else ", tables only"))
    for job in todo:
        report(f"  {job.model.id}: {len(job.cells)} cells{_to_train(job, runs_dir)}")
    stopped: dict[str, str] = {}
    if config.dry_run:
        for line in estimate.lines(todo or selection.waiting_for_data(planned, existing), runs_dir):
            report(line)
    else:
        present = []
        for job in todo:
            if reason := selection.missing_data_message(suite, job.model):
                record_failure(job, "n/a", reason, folder.path)
            else:
                present.append(job)
        stopped = _run_steps(present, runs_dir, folder.path, config, executor, report) if present else {}
        if config.costs:
            from benchmark.suite import costs  # torch, for which no other run without steps waits

            costs.measure(planned, runs_dir, folder.path, config, report)
        from benchmark.suite.finalize import finalize  # statistics and charts, which would slow a dry run's start

        existing = finalize(suite, planned, config, folder, existing, bool(todo))
    reasons = tuple(f"{suite.name}: {model}: {why}" for model, why in stopped.items())
    return Outcome(reasons, existing, folder, bool(todo) and not config.dry_run)


def _to_train(job: ModelJob, runs_dir: Path) -> str:
    """How many training runs of a model come first, as they are not below ``runs_dir``; nothing where none do."""
    if job.model.finished is not None or selection.absent(job.model) is not None:
        return ""
    count = sum(not (folder / "metrics.json").is_file() for folder in trainings(job.model, runs_dir))
    return f", after {count} training run{'s' * (count > 1)}" if count else ""


def _existing(folder: ResultsFolder) -> list[Record]:
    """The records of the folder; the published ones too where nothing but their tables or costs is asked for."""
    stated = selection.existing_records(folder.path)
    if folder.reason not in results_folder.RUN_NOTHING or folder.beside is None:
        return stated
    return records.ordered(results_folder.with_published(stated, records.load(folder.beside)))


def _run_steps(
    jobs: Sequence[ModelJob], runs_dir: Path, folder: Path, config: RunConfig, executor: Executor, report: Report
) -> dict[str, str]:
    """Run all steps of the models of ``jobs``; model -> why it, or a part of it, could not run."""
    from benchmark.executors.view import run_with_progress  # bars, for which no dry run waits

    steps = [step for job in jobs for step in model_steps(job, runs_dir, folder, config)]
    pending = Pending.of(steps, folder)
    with records.only_writer(runs_dir):
        remove_leftovers(runs_dir.rglob(".*"))
        executor.begin(runs_dir, steps)
        for event in run_with_progress(steps, executor, report):
            pending.take(event)
    return pending.stopped
