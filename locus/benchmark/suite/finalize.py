"""The end of a run of a suite: pack its records, draw examples, publish weights, and write its tables.

``finalize``, ``finalize_joined``  do this for the records in a suite's folder
``tables_of``  the tables of a suite that was run before

The imports are slow, so a dry run does without this module.
"""

import logging
import shlex
from collections.abc import Sequence, Set
from dataclasses import replace
from functools import partial
from pathlib import Path

from locus import datasets
from locus.benchmark import checks, records
from locus.benchmark.audit.grounding import GroundingSection
from locus.benchmark.audit.literature import PublishedResults
from locus.benchmark.pictures import gallery
from locus.benchmark.records import Cell, Record
from locus.benchmark.report import grouping, tables
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.report.page import DatasetTables, Description
from locus.benchmark.report.section import Reports
from locus.benchmark.suite import cells, folders, plan
from locus.benchmark.suite.cells import ModelTask
from locus.benchmark.suite.folders import ResultsFolder, with_published
from locus.benchmark.suite.missing import missing_data
from locus.benchmark.suite.plan import ModelPlan, Suite
from locus.benchmark.suite.publish import publish_weights
from locus.config import FolderFlags
from locus.core.types import Sample
from locus.core.user_code import runs_code
from locus.scoring.statistics.resample import ONE_BLAS_THREAD

log = logging.getLogger(__name__)


def finalize(
    suite: Suite,
    planned: Sequence[ModelTask],
    folder: ResultsFolder,
    records_now: Sequence[Record],
    runs_dir: Path | None,
    flags: FolderFlags,
    linked_from: Path | None = None,
) -> tuple[list[Record], list[DatasetTables]]:
    """Pack the suite's records and write its tables; return the records in the tables, and the tables.

    Args:
        suite: the suite.
        planned: all its cells, by model. Records of other cells are dropped, but not those of added methods and models.
        folder: folder of the records and tables.
        records_now: the records in ``folder``.
        runs_dir: folder of the training runs; None if no cell ran.
        flags: the folders, for the commands on the page.
        linked_from: final folder of the tables, by default ``folder``.

    Raises:
        DataError: invalid per-case rows.
        WriteError: a file cannot be written.
    """
    is_run = runs_dir is not None
    has_unpacked = bool(records.unpacked(folder.path))
    planned_cells = [cell for task in planned for cell in task.cells]
    current = _drop_obsolete(suite, planned_cells, records_now)
    measured = [record for record in current if record.source != "paper"]
    final = records.ordered([*measured, *suite.published])
    differs = bool(records_now) and final != list(records_now)
    if is_run or has_unpacked or differs:
        records.pack(folder.path, final)
    if is_run or _lacks_examples(folder.path, current):
        gallery.write_examples(final, folder.path, partial(_samples, planned))
    if runs_dir is not None and suite.training_runs_of is None:
        models = [task.model for task in planned]
        publish_weights(models, runs_dir=runs_dir, folder=folder.path)
    linked_from = linked_from or folder.path
    table_records, case_folders = _records_in_tables(final, folder)
    description = replace(describe(suite, linked_from), listed=cells.keys(suite))
    # published pages depend on their records alone
    if linked_from.parent.resolve() != records.published().resolve():
        description = _with_flags(description, flags, table_records)
    dataset_tables = tables.write(
        folder.path, description, table_records, case_folders, linked_from
    )
    return table_records, dataset_tables


def _lacks_examples(folder: Path, current: Sequence[Record]) -> bool:
    """Whether a suite's ``folder`` has no pictures of examples, although a method of its own was run."""
    own_records = [record for record in current if record.source == "run"]
    return bool(grouping.main_methods(own_records)) and not (folder / tables.EXAMPLES).is_file()


def finalize_joined(
    suite: Suite, planned: Set[str], folder: ResultsFolder
) -> tuple[list[Record], list[DatasetTables]]:
    """Pack the records of a joined suite whose keys are ``planned``, and write its tables; return both."""
    existing = folders.existing_records(folder.path)
    final = records.ordered([record for record in existing if record.key in planned])
    if records.unpacked(folder.path) or len(final) < len(existing):
        records.pack(folder.path, final)
    description = describe(suite, folder.path)
    return final, tables.write(folder.path, description, final, CaseFolders(folder.path))


def _drop_obsolete(
    suite: Suite, planned: Sequence[Cell], records_now: Sequence[Record]
) -> list[Record]:
    """Drop the records whose model, protocol, alignment or images are no longer in the suite.

    Records of methods added by ``--method`` and of models added by ``--checkpoint`` or ``--model`` stay.
    """
    planned_keys = {cell.key for cell in planned}
    unplanned = [
        record
        for record in records_now
        if record.source == "run" and record.key not in planned_keys
    ]
    if not unplanned:
        return list(records_now)
    keys_without_method = {cell.without_method.key for cell in planned}
    planned_methods = {cell.method for cell in planned}
    planned_models = {cell.model_id for cell in planned}
    removed = set()
    for record in unplanned:
        cell = record.cell
        is_added_model = "weights" in cell.recipe and cell.model_id not in planned_models
        is_added_method = (
            cell.method not in planned_methods and cell.without_method.key in keys_without_method
        )
        if not is_added_model and not is_added_method:
            log.warning(
                "%s: record %s is removed: its cell is no longer in the suite",
                suite.name,
                record.key,
            )
            removed.add(record.key)
    return [record for record in records_now if record.key not in removed]


def _records_in_tables(
    suite_records: Sequence[Record], folder: ResultsFolder
) -> tuple[list[Record], CaseFolders]:
    """Return the records in the tables of a ``folder``, and the folders of their rows per case.

    They are its ``suite_records`` and the published ones of other networks; without any, all published ones.
    """
    published_folder = folder.published_folder
    if published_folder is not None and all(record.source == "paper" for record in suite_records):
        return records.load(published_folder), CaseFolders(published_folder)
    table_records = with_published(suite_records, published=folder.published)
    return table_records, CaseFolders(folder.path, published_folder)


def _samples(planned: Sequence[ModelTask], record: Record) -> dict[str, Sample]:
    """Return image -> its sample, of the test images of a record's model; empty if its data are missing.

    Without NIH's images, its samples are those of the published lists.
    """
    for task in planned:
        if any(cell.key == record.cell.key for cell in task.cells):
            return _test_samples(task.model)
    return {}


def _test_samples(model: ModelPlan) -> dict[str, Sample]:
    missing = missing_data(model)
    if missing is None:
        splits = [datasets.load_split(config, "test") for config in model.trainings]
        return {sample.image_id: sample for split in splits for sample in split}
    if missing.dataset == "NIH":
        listed = datasets.load("NIH", split="test", images=False)
        return {sample.image_id: sample for sample in listed}
    return {}


@ONE_BLAS_THREAD
def tables_of(folder: Path) -> list[DatasetTables]:
    """Return the tables of a suite that was run before, from the records in its ``folder``."""
    table_records, case_folders = _records_in_tables(records.load(folder), ResultsFolder(folder))
    if folder.name not in plan.suites():
        boards = leaderboards(table_records, case_folders)
    else:
        suite = plan.load(folder.name)
        boards = leaderboards(
            table_records,
            case_folders,
            rank_methods=suite.rank_methods,
            listed=None if suite.joins else cells.keys(suite),
            is_primary=None if suite.primary is None else suite.primary.is_tested_first,
        )
    return [DatasetTables(board, reports()) for board in boards]


def reports() -> Reports:
    """Return the reports on the pages of a suite: of validity checks and of published results."""
    return Reports(
        checks=checks.reports(), published=PublishedResults, sections=(GroundingSection,)
    )


def describe(suite: Suite, folder: Path) -> Description:
    """Return the texts on the pages of a suite in ``folder``."""
    maps_of: Path | None = None
    if suite.training_runs_of is not None:
        source_folder = folder.parent / suite.training_runs_of
        if source_folder in records.suites(folder.parent):
            maps_of = source_folder
    picture_root = folder.resolve().parents[1]
    pictures = {
        path: caption for path, caption in suite.pictures.items() if (picture_root / path).is_file()
    }
    is_measured = not suite.truths and not suite.joins
    command = f"python -m benchmark.run --suite {suite.name}"
    return Description(
        title=suite.title,
        about=suite.about,
        command=command,
        rank_methods=tuple(suite.rank_methods),
        primary=suite.primary,
        maps_of=maps_of,
        reports=reports(),
        answers_first=bool(suite.truths),
        can_be_run=is_measured and not suite.private_images,
        pictures=pictures,
    )


def _with_flags(
    description: Description, flags: FolderFlags, table_records: Sequence[Record]
) -> Description:
    """Add the folders of the run to the commands on its page, and ``--trust`` if a method of the gallery is a file."""
    has_method_file = any(runs_code(record.cell.method) for record in table_records)
    command_flags = gallery.typed_folder_flags(flags)
    gallery_flags = gallery.typed_folder_flags(
        replace(flags, results=None, trust=flags.trust or has_method_file)
    )
    return replace(
        description,
        command=" ".join([description.command, *map(shlex.quote, command_flags)]),
        gallery_flags="".join(f" {shlex.quote(flag)}" for flag in gallery_flags),
    )
