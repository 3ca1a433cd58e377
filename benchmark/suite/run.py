"""A suite is planned, and for each model trained, explained, scored and recorded; then its tables are written.

Nothing heavy is imported before a model has work to do: a suite whose records are all there costs seconds.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
from benchmark import records
from benchmark.records import Record
from benchmark.records.record import Status
from benchmark.report import tables
from benchmark.suite import plan, results_folder, selection
from benchmark.suite.plan import Suite
from benchmark.suite.results_folder import ResultsFolder
from benchmark.suite.selection import ModelJob
from config import RunConfig
from core.errors import LocusError, WriteError
from core.names import PAIRED

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Outcome:
    """How a suite ended."""

    counts: Counter[str]
    """Status -> number of records of runs, those of earlier runs among them; published ones do not count."""
    stopped: tuple[str, ...]
    """A sentence for each model that could not run."""
    records: list[Record]
    """All that the suite has now."""
    folder: ResultsFolder
    """Where they lie."""


def run(name: str, config: RunConfig, report: Callable[[str], None]) -> Outcome:
    """Run what is missing of suite ``name`` and write its tables.

    ``report`` gets one line per step. A model that cannot run gives its cells records with the reason, and the others
    go on. Raises ``LocusError`` for a bad suite and when the disk refuses.
    """
    suite = plan.load(name, selection.suites(config))
    folder = results_folder.choose(suite, config)
    selection.check_words(suite, config)
    if folder.reason:
        report(f"{name}: {folder.reason}: records and tables go to {folder.path}, the published rows beside them")
    existing = selection.existing_records(folder.path)
    todo = selection.missing_cells(suite, config, existing)
    total = sum(len(job.cells) for job in todo)
    report(f"{name}: {total} cells to run" + (f" for {len(todo)} models" if total else ", tables only"))
    stopped = []
    for job in todo:
        report(f"  {job.model.id}: {len(job.cells)} cells")
        if not config.dry_run:
            stopped += _run_model(suite, job, config, folder.path)
            if job is not todo[-1]:
                records.pack(folder.path)  # the last model's stay at work until what follows from them is packed too
    if not config.dry_run:
        existing = _finalize(suite, config, folder, existing, bool(todo))
    counts: Counter[str] = Counter(record.status for record in existing if record.source == "run")
    return Outcome(counts, tuple(stopped), existing, folder)


def _run_model(suite: Suite, job: ModelJob, config: RunConfig, folder: Path) -> list[str]:
    """Run the cells of one model; the sentence why it stopped, if it did."""
    if training := selection.absent(job.model):
        root = datasets.root_of(training.dataset, training.data_root_dir)
        _record_failure(job, "n/a", f"{selection.ABSENT} ({training.dataset}: {root}): {suite.how_to_get}", folder)
        return []
    from benchmark.suite.model import run_model  # torch, numba and the wings are imported when there is work for them

    try:
        run_model(job.model, job.cells, Path(config.runs) / (suite.trainings or suite.name), folder, config)
        return []
    except WriteError:
        raise
    except LocusError as error:
        _record_failure(job, "failed", str(error), folder)
        return [f"{suite.name}: {job.model.id}: {error}"]


def _record_failure(job: ModelJob, status: Status, reason: str, folder: Path) -> None:
    """Write a record with the reason for each cell without a result; what was measured stays."""
    measured = {record.key for record in selection.existing_records(folder) if record.status == "ok"}
    missing = [cell for cell in job.cells if cell.key not in measured]
    for cell in missing:
        records.write(Record(cell=cell, status=status, reason=reason), folder)
    if kept := len(job.cells) - len(missing):
        log.warning("%s: %d records of earlier runs stay as they are: %s", job.model.id, kept, reason)


def _finalize(
    suite: Suite, config: RunConfig, folder: ResultsFolder, existing: list[Record], ran: bool
) -> list[Record]:
    """Finalize the suite's records and write its tables from them; the records that the tables show."""
    # its statistics would slow the start of a dry run and of every answer
    from benchmark.suite.finalize import finalize

    planned = [cell for job in selection.planned_cells(suite, config) for cell in job.cells]
    changed = ran or bool(records.unpacked(folder.path)) or PAIRED in config.protocol
    current = selection.existing_records(folder.path) if ran else existing
    shown = _with_published(finalize(suite, planned, current, folder.path, changed), folder.published)
    tables.write(folder.path, suite.title, suite.about, shown, config.columns, folder.beside)
    return shown


def _with_published(records: Sequence[Record], published: Sequence[Record]) -> list[Record]:
    """A user's records and the published ones of other cells: those of the same cells are compared in words instead."""
    keys = {record.key for record in records}
    return [*records, *(record for record in published if record.key not in keys)]
