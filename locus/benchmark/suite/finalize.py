"""The end of a run of a suite: pack its records and write its tables; also with results that someone else made.

The imports are slow, so a dry run does without this module.
"""

import contextlib
import logging
import shlex
import shutil
import tempfile
from collections.abc import Sequence, Set
from dataclasses import replace
from functools import partial
from pathlib import Path

from locus import backbones, datasets
from locus.benchmark import checks, records
from locus.benchmark.inspect.results import accepted
from locus.benchmark.pictures import gallery
from locus.benchmark.pictures.gallery import typed_folder_flags
from locus.benchmark.records import Cell, Record
from locus.benchmark.records.record import CONTRIBUTED
from locus.benchmark.report import grouping, tables
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.report.page import DatasetTables, Description
from locus.benchmark.report.tables import EXAMPLES
from locus.benchmark.suite import cells, plan
from locus.benchmark.suite.cells import ModelTask, ResultsFolder, missing_data, with_published
from locus.benchmark.suite.plan import ModelPlan, Suite, settings_hash
from locus.benchmark.training import weights
from locus.benchmark.training.runs import WEIGHTS_FOLDER, done, load_split, weights_file
from locus.config import FolderFlags, RunConfig
from locus.core.errors import BadValueError, require_name
from locus.core.files import atomic
from locus.core.types import Sample
from locus.core.user_code import runs_code
from locus.scoring.statistics.resample import ONE_BLAS_THREAD

log = logging.getLogger(__name__)
PUBLISHED_SEED = 0
"""Training seed of the networks whose weights are published; the records of the others stay, their weights do not."""


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
        planned: all its cells, by model; records of other cells are dropped.
        folder: folder of the records and tables.
        records_now: the records in ``folder``.
        runs_dir: folder of the training runs; None if no cell ran.
        flags: the folders, for the commands on the page.
        linked_from: final folder of the tables, by default ``folder``.

    Raises:
        DataError: invalid per-case rows.
        WriteError: a file cannot be written.
    """
    has_unpacked = bool(records.unpacked(folder.path))
    current = _drop_obsolete(suite, [cell for task in planned for cell in task.cells], records_now)
    measured = [record for record in current if record.source != "paper"]
    final = records.ordered([*measured, *suite.published])
    if runs_dir is not None or has_unpacked or (records_now and final != list(records_now)):
        records.pack(folder.path, final)
    has_methods = bool(
        grouping.main_methods([record for record in current if record.source == "run"])
    )
    if runs_dir is not None or (has_methods and not (folder.path / EXAMPLES).is_file()):
        gallery.write_examples(final, folder.path, partial(_samples, planned))
    if runs_dir is not None and suite.training_runs_of is None:
        _publish_weights([task.model for task in planned], runs_dir, folder.path)
    linked_from = linked_from or folder.path
    table_records, folders = _shown(final, folder)
    description = replace(describe(suite, linked_from), listed=cells.keys(suite))
    if (
        linked_from.parent.resolve() != records.published().resolve()
    ):  # published pages depend on their records alone
        description = _with_flags(description, flags, table_records)
    datasets = tables.write(folder.path, description, table_records, folders, linked_from)
    return table_records, datasets


def finalize_joined(
    suite: Suite, planned: Set[str], folder: ResultsFolder
) -> tuple[list[Record], list[DatasetTables]]:
    """Pack the records of a joined suite whose keys are ``planned``, and write its tables; return both."""
    existing = cells.existing_records(folder.path)
    final = records.ordered([record for record in existing if record.key in planned])
    if records.unpacked(folder.path) or len(final) < len(existing):
        records.pack(folder.path, final)
    return final, tables.write(
        folder.path, describe(suite, folder.path), final, CaseFolders(folder.path)
    )


def merge(config: RunConfig) -> tuple[Path, list[DatasetTables]]:
    """Check the results in ``config.merge``, add their rows to the suite's, and return the suite's folder and tables.

    All files are made in a temporary folder first, so that an error changes nothing. The same folder again changes
    nothing. Raises ``BadValueError`` for rows that the suite has from someone else and for an unfinished run, and
    ``DataError`` for results that are not accepted.
    """
    author = config.by.strip()
    if len(config.suite) > 1 or not author:
        raise BadValueError(
            "--merge requires --by NAME, the name in the tables, and at most one --suite"
        )
    require_name(config.by)
    name = config.suite[0] if config.suite else "nih"
    suite = cells.read_suite(name, config)
    folder = cells.base(config) / name
    with records.only_writer(records.unpacked_folder(folder)):
        if records.unpacked(folder):
            raise BadValueError(
                f"a run of {name} is not finished: finish it with --suite {name}, then merge"
            )
        existing = cells.existing_records(folder)
        checked = accepted(Path(config.merge or ""), folder)
        merged = [record for record, _ in checked]
        mark = f"{author}, {merged[0].created[:10]}"
        owners = {record.key: record.rests_on.get(CONTRIBUTED, "") for record in existing}
        others = {str(owners.get(record.key, mark)) for record in merged} - {mark}
        if others:
            raise BadValueError(f"{folder} already has rows of {config.merge}, by {min(others)}")
        with tempfile.TemporaryDirectory() as temporary:
            scratch = Path(temporary, name)
            shutil.copytree(folder, scratch, ignore=shutil.ignore_patterns(WEIGHTS_FOLDER))
            for record, rows in checked:
                made = {"source": "external", "rests_on": {**record.rests_on, CONTRIBUTED: mark}}
                records.cases.write(rows.to_dict("records"), record.cell, scratch)  # type: ignore[arg-type]
                records.write(record.model_copy(update=made), scratch)
            old_keys = _corrected(existing, merged, author)
            current = [record for record in records.load(scratch) if record.key not in old_keys]
            planned = cells.planned_cells(suite)
            finalize(
                suite, planned, ResultsFolder(scratch), current, None, config, linked_from=folder
            )
            _replace_files(scratch, folder)
    return folder, tables_of(folder)


def _corrected(existing: Sequence[Record], merged: Sequence[Record], author: str) -> set[str]:
    """Return the keys of earlier rows of the ``merged`` entries, and of their baselines, by the same author."""
    entries = {record.method for record in merged}
    keys = set()
    for record in existing:
        owner = str(record.rests_on.get(CONTRIBUTED, "")).rpartition(", ")[0]
        external = record.cell.recipe.get("external")
        if owner == author and external is not None and external.get("entry") in entries:
            keys.add(record.key)
    return keys - {record.key for record in merged}


def _replace_files(scratch: Path, folder: Path) -> None:
    """Replace the files of ``folder`` by those of ``scratch``; if one of them cannot be written, none is replaced."""
    with contextlib.ExitStack() as all_or_none:
        for file in sorted(path for path in scratch.iterdir() if path.is_file()):
            target = folder / file.name
            if not target.is_file() or target.read_bytes() != file.read_bytes():
                shutil.copyfile(file, all_or_none.enter_context(atomic(target)))


def _shown(
    run_records: Sequence[Record], folder: ResultsFolder
) -> tuple[list[Record], CaseFolders]:
    """Return the records in the tables of a ``folder``, and the folders of their rows per case.

    They are its ``run_records`` and the published ones of other networks; without any, all published ones.
    """
    if folder.published_folder is not None and all(
        record.source == "paper" for record in run_records
    ):
        return records.load(folder.published_folder), CaseFolders(folder.published_folder)
    return with_published(run_records, folder.published), CaseFolders(
        folder.path, folder.published_folder
    )


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
        splits = [load_split(config, "test") for config in model.trainings]
        return {sample.image_id: sample for split in splits for sample in split}
    if missing.dataset == "NIH":
        return {sample.image_id: sample for sample in datasets.load("NIH", images=False)}
    return {}


def _publish_weights(models: Sequence[ModelPlan], runs_dir: Path, folder: Path) -> None:
    """Write the weights of the training runs in ``runs_dir`` that were rounded to float16, and a card about them.

    Only those with ``PUBLISHED_SEED`` are published. Their initial weights are written as float32. Files of runs that
    are elsewhere and of networks trained on all images stay; files of models that are no longer planned are removed.
    """
    weights_folder = folder / WEIGHTS_FOLDER
    trained = [model for model in models if model.external is None and model.grid is None]
    names = set()
    for model in trained:
        config = model.trainings[0]
        if config.weights_dtype != "float16" or config.seed != PUBLISHED_SEED:
            continue
        pretrained_on = "" if model.init is None else model.init.dataset
        for run, config in model.run_configs(runs_dir).items():
            file = weights_folder / weights_file(config)
            names.add(file.name)
            if done(run):
                weights.publish(run, file, settings_hash(config, model.init), pretrained_on)
        start = model.start(runs_dir, None)
        if start is not None:
            file = weights_folder / plan.initial_weights_file(start.config)
            names.add(file.name)
            if done(start.folder):
                weights.publish(start.folder, file, settings_hash(start.config, None))
    if trained:
        for file in list(weights_folder.glob(f"*{backbones.SUFFIX}")):
            if file.name not in names and not file.name.startswith(plan.FINAL):
                file.unlink()
    if any(weights_folder.glob(f"*{backbones.SUFFIX}")):
        weights.write_card(weights_folder)


@ONE_BLAS_THREAD
def tables_of(folder: Path) -> list[DatasetTables]:
    """Return the tables of a suite that was run before, from the records in its ``folder``."""
    table_records, folders = _shown(records.load(folder), ResultsFolder(folder))
    if folder.name not in plan.suites():
        boards = leaderboards(table_records, folders)
    else:
        suite = plan.load(folder.name)
        boards = leaderboards(
            table_records,
            folders,
            rank_methods=suite.rank_methods,
            listed=None if suite.joins else cells.keys(suite),
            is_primary=None if suite.primary is None else suite.primary.has,
        )
    return [DatasetTables(board, checks.reports()) for board in boards]


def describe(suite: Suite, folder: Path) -> Description:
    """Return the texts on the pages of a suite in ``folder``."""
    other = folder.parent / (suite.training_runs_of or "")
    maps_of = other if other in records.suites(folder.parent) else None
    checkout = folder.parents[1]
    return Description(
        title=suite.title,
        about=suite.about,
        command=f"python -m benchmark.run --suite {suite.name}",
        rank_methods=tuple(suite.rank_methods),
        primary=suite.primary,
        maps_of=maps_of,
        checks=checks.reports(),
        answers_first=bool(suite.truths),
        can_be_run=not suite.truths and not suite.joins and not suite.private_images,
        pictures={
            path: caption for path, caption in suite.pictures.items() if (checkout / path).is_file()
        },
    )


def _with_flags(
    description: Description, flags: FolderFlags, shown: Sequence[Record]
) -> Description:
    """Add the folders of the run to the commands on its page, and ``--trust`` if a method of the gallery is a file."""
    names_code = any(runs_code(record.cell.method) for record in shown)
    gallery_flags = typed_folder_flags(
        replace(flags, results=None, trust=flags.trust or names_code)
    )
    return replace(
        description,
        command=" ".join([description.command, *map(shlex.quote, typed_folder_flags(flags))]),
        gallery_flags="".join(f" {shlex.quote(word)}" for word in gallery_flags),
    )


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
