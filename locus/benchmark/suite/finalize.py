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
from locus.benchmark import records
from locus.benchmark.check.results import accepted
from locus.benchmark.evaluation import supervised
from locus.benchmark.pictures import gallery
from locus.benchmark.pictures.gallery import typed_folder_flags
from locus.benchmark.records import Cell, Record
from locus.benchmark.records.record import CONTRIBUTED
from locus.benchmark.report import grouping, tables
from locus.benchmark.report.case_columns import CaseFolders
from locus.benchmark.report.leaderboard import leaderboards
from locus.benchmark.report.page import DatasetTables, Description
from locus.benchmark.report.tables import EXAMPLES
from locus.benchmark.scoring.statistics.resample import ONE_BLAS_THREAD
from locus.benchmark.suite import cells, plan
from locus.benchmark.suite.cells import ModelTask, ResultsFolder, missing_data, with_published
from locus.benchmark.suite.plan import ModelPlan, Suite, settings_hash
from locus.benchmark.training import weights
from locus.benchmark.training.runs import WEIGHTS_FOLDER, done, load_split
from locus.benchmark.validity import REPORTS
from locus.config import FolderFlags, RunConfig
from locus.core.errors import BadValueError, require_shown
from locus.core.files import atomic
from locus.core.types import Sample
from locus.core.user_code import runs_code

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

    ``records_now``: those in ``folder``; ``runs_dir``: folder of the training runs, None if no cell ran; ``flags``: the
    folders, for the commands on the page; ``linked_from``: final folder of the tables, by default ``folder``. Raises
    ``DataError`` for invalid per-case rows, ``WriteError`` if a file cannot be written.
    """
    linked_from = linked_from or folder.path
    ran = runs_dir is not None
    changed = ran or bool(records.unpacked(folder.path))
    current = _drop_obsolete(suite, [cell for task in planned for cell in task.cells], records_now)
    run_records = [record for record in current if record.source == "run"]
    final = records.ordered([*(record for record in current if record.source != "paper"), *suite.published])
    if changed or (records_now and final != list(records_now)):
        records.pack(folder.path, final)
    if ran or (grouping.main_methods(run_records) and not (folder.path / EXAMPLES).is_file()):
        gallery.write_examples(final, folder.path, partial(_samples, planned))
    if runs_dir is not None and suite.training_runs_of is None:
        _publish_weights([task.model for task in planned], runs_dir, folder.path)
    table_records, folders = _shown(final, folder)
    description = replace(describe(suite, linked_from), listed=cells.keys(suite))
    if linked_from.parent.resolve() != records.published().resolve():  # published pages depend on their records alone
        description = _with_flags(description, flags, table_records)
    datasets = tables.write(folder.path, description, table_records, folders, linked_from)
    return table_records, datasets


def finalize_joined(suite: Suite, planned: Set[str], folder: ResultsFolder) -> tuple[list[Record], list[DatasetTables]]:
    """Pack the records of a joined suite whose keys are ``planned``, and write its tables; return both."""
    existing = cells.existing_records(folder.path)
    final = records.ordered([record for record in existing if record.key in planned])
    if records.unpacked(folder.path) or len(final) < len(existing):
        records.pack(folder.path, final)
    return final, tables.write(folder.path, describe(suite, folder.path), final, CaseFolders(folder.path))


def merge(config: RunConfig) -> tuple[Path, list[DatasetTables]]:
    """Check the results in ``config.merge``, add their rows to the suite's, and return the suite's folder and tables.

    All files are made in a temporary folder first, so that an error changes nothing. The same folder again changes
    nothing. Raises ``BadValueError`` for rows that the suite has from someone else and for an unfinished run, and
    ``DataError`` for results that are not accepted.
    """
    name, *more = config.suite or ("nih",)
    if more or not config.by.strip():
        raise BadValueError("--merge requires --by NAME, the name in the tables, and at most one --suite")
    require_shown(config.by)
    suite, folder = cells.read_suite(name, config), cells.base(config) / name
    with records.only_writer(records.unpacked_folder(folder)):
        if records.unpacked(folder):
            raise BadValueError(f"a run of {name} is not finished: finish it with --suite {name}, then merge")
        existing = cells.existing_records(folder)
        owners = {r.key: r.rests_on.get(CONTRIBUTED, "") for r in existing}
        checked = accepted(Path(config.merge or ""), folder)
        mark = f"{config.by.strip()}, {checked[0][0].created[:10]}"
        if others := {owners.get(record.key, mark) for record, _ in checked} - {mark}:
            raise BadValueError(f"{folder} already has rows of {config.merge}, by {min(map(str, others))}")
        with tempfile.TemporaryDirectory() as temporary:
            scratch = Path(temporary, name)
            shutil.copytree(folder, scratch, ignore=shutil.ignore_patterns(WEIGHTS_FOLDER))
            for record, rows in checked:
                made = {"source": "external", "rests_on": {**record.rests_on, CONTRIBUTED: mark}}
                records.cases.write(rows.to_dict("records"), record.cell, scratch)  # type: ignore[arg-type]
                records.write(record.model_copy(update=made), scratch)
            old = _corrected(existing, [record for record, _ in checked], config.by.strip())
            current = [record for record in records.load(scratch) if record.key not in old]
            planned = cells.planned_cells(suite)
            finalize(suite, planned, ResultsFolder(scratch), current, None, config, linked_from=folder)
            _replace_files(scratch, folder)
    return folder, tables_of(folder)


def _corrected(existing: Sequence[Record], merged: Sequence[Record], by: str) -> set[str]:
    """Return the keys of earlier rows of the ``merged`` entries, and of their baselines, by the same person."""
    keys, names = {record.key for record in merged}, {record.method for record in merged}
    theirs = [r for r in existing if str(r.rests_on.get(CONTRIBUTED, "")).rpartition(", ")[0] == by]
    external = (r for r in theirs if "external" in r.cell.recipe)
    return {r.key for r in external if r.cell.recipe["external"].get("entry") in names} - keys


def _replace_files(scratch: Path, folder: Path) -> None:
    """Replace the files of ``folder`` by those of ``scratch``; if one of them cannot be written, none is replaced."""
    with contextlib.ExitStack() as all_or_none:
        for file in sorted(path for path in scratch.iterdir() if path.is_file()):
            target = folder / file.name
            if not target.is_file() or target.read_bytes() != file.read_bytes():
                shutil.copyfile(file, all_or_none.enter_context(atomic(target)))


def _shown(run_records: Sequence[Record], folder: ResultsFolder) -> tuple[list[Record], CaseFolders]:
    """Return the records in the tables of a ``folder``, and the folders of their rows per case.

    They are its ``run_records`` and the published ones of other networks; without any, all published ones.
    """
    if folder.published_folder is not None and all(record.source == "paper" for record in run_records):
        return records.load(folder.published_folder), CaseFolders(folder.published_folder)
    return with_published(run_records, folder.published), CaseFolders(folder.path, folder.published_folder)


def _samples(planned: Sequence[ModelTask], record: Record) -> dict[str, Sample]:
    """Return image -> its sample, of the test images of a record's model; empty if its data are missing.

    Without NIH's images, its samples are those of the published lists.
    """
    model = next((task.model for task in planned if record.cell.key in {cell.key for cell in task.cells}), None)
    if model is None:
        return {}
    if (missing := missing_data(model)) is not None:
        listed = datasets.load("NIH", images=False) if missing.dataset == "NIH" else ()
        return {sample.image_id: sample for sample in listed}
    splits = (load_split(config, "test") for config in model.trainings)
    return {sample.image_id: sample for split in splits for sample in split}


def _publish_weights(models: Sequence[ModelPlan], runs_dir: Path, folder: Path) -> None:
    """Write the weights of all training runs in ``runs_dir`` that were rounded to float16, and a card about them.

    Initial weights of these runs are written as float32. Files of runs that are elsewhere stay; files of models that
    are no longer planned are removed.
    """
    folder, names = folder / WEIGHTS_FOLDER, set()
    trained = [model for model in models if model.external is None and model.grid is None]
    rounded = [model for model in trained if model.trainings[0].weights_dtype == "float16"]
    for model in rounded:
        pretrained_on = "" if model.init is None else model.init.dataset
        for (path, config), file in zip(model.run_configs(runs_dir).items(), model.weights_files(folder), strict=True):
            names.add(file.name)
            if done(path):
                weights.publish(path, file, settings_hash(config, model.init), pretrained_on)
        if (start := model.start(runs_dir, None)) is not None:
            file = folder / plan.initial_weights_file(start.config)
            names.add(file.name)
            if done(start.folder):
                weights.publish(start.folder, file, settings_hash(start.config, None))
    for file in [file for file in folder.glob(f"*{backbones.SUFFIX}") if trained and file.name not in names]:
        file.unlink()
    if (tuned := runs_dir / supervised.FOLDER).is_dir():
        shutil.copytree(tuned, folder / supervised.FOLDER, dirs_exist_ok=True)
    if any(folder.glob(f"*{backbones.SUFFIX}")):
        weights.write_card(folder)


@ONE_BLAS_THREAD
def tables_of(folder: Path) -> list[DatasetTables]:
    """Return the tables of a suite that was run before, from the records in its ``folder``."""
    results, name = ResultsFolder(folder), folder.name
    suite = plan.load(name) if name in plan.suites() else None
    is_primary = None if suite is None or suite.primary is None else suite.primary.has
    listed = None if suite is None or suite.joins else cells.keys(suite)
    known = () if suite is None else (suite.rank_methods, listed, is_primary)
    return [DatasetTables(board, REPORTS) for board in leaderboards(*_shown(records.load(folder), results), *known)]


def describe(suite: Suite, folder: Path) -> Description:
    """Return the texts on the pages of a suite in ``folder``."""
    other = folder.parent / (suite.training_runs_of or "")
    return Description(
        suite.title,
        suite.about,
        f"python -m benchmark.run --suite {suite.name}",
        tuple(suite.rank_methods),
        primary=suite.primary,
        maps_of=other if other in records.suites(folder.parent) else None,
        checks=REPORTS,
        answers_first=bool(suite.truths),
        can_be_run=not suite.truths and not suite.joins and not suite.private_images,
        pictures={path: words for path, words in suite.pictures.items() if (folder.parents[1] / path).is_file()},
    )


def _with_flags(description: Description, flags: FolderFlags, shown: Sequence[Record]) -> Description:
    """Add the folders of the run to the commands on its page, and ``--trust`` if a method of the gallery is a file."""
    names_code = any(runs_code(record.cell.method) for record in shown)
    of_gallery = typed_folder_flags(
        FolderFlags(
            suites=flags.suites,
            data_root_dir=flags.data_root_dir,
            runs=flags.runs,
            cache_dir=flags.cache_dir,
            trust=flags.trust or names_code,
        )
    )
    typed = typed_folder_flags(flags)
    return replace(
        description,
        command=" ".join([description.command, *map(shlex.quote, typed)]),
        gallery_flags="".join(f" {shlex.quote(word)}" for word in of_gallery),
    )


def _drop_obsolete(suite: Suite, planned: Sequence[Cell], records_now: Sequence[Record]) -> list[Record]:
    """Drop the records whose model, protocol, alignment or images are no longer in the suite.

    Records of methods added by ``--method`` and of models added by ``--checkpoint`` or ``--model`` stay.
    """
    wanted = {cell.key for cell in planned}
    unwanted = [record for record in records_now if record.source == "run" and record.key not in wanted]
    planned_keys = {cell.without_method.key for cell in planned} if unwanted else set()
    listed, models = {cell.method for cell in planned}, {cell.model_id for cell in planned}
    removed = set()
    for record in unwanted:
        cell = record.cell
        is_added = "weights" in cell.recipe and cell.model_id not in models  # by --checkpoint or --model
        of_added_method = cell.method not in listed and cell.without_method.key in planned_keys
        if not is_added and not of_added_method:
            log.warning("%s: record %s is removed: its cell is no longer in the suite", suite.name, record.key)
            removed.add(record.key)
    return [record for record in records_now if record.key not in removed]
