"""Merge results that someone else made into those of a suite: ``python -m benchmark.run --merge FOLDER --by NAME``."""

import contextlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from locus.benchmark import records
from locus.benchmark.inspect.results import accepted
from locus.benchmark.records import Record
from locus.benchmark.records.record import CONTRIBUTED
from locus.benchmark.report.page import DatasetTables
from locus.benchmark.suite import cells, folders, request
from locus.benchmark.suite.finalize import finalize, tables_of
from locus.benchmark.suite.folders import ResultsFolder
from locus.benchmark.training.runs import WEIGHTS_FOLDER
from locus.config import FolderFlags
from locus.core.errors import BadValueError, require_name
from locus.core.files import atomic

DEFAULT_SUITE = "nih"
"""Suite of contributed results if the flags name none."""


def merge(
    contribution: Path, author: str, suites: Sequence[str], flags: FolderFlags
) -> tuple[Path, list[DatasetTables]]:
    """Check results that someone else made and add their rows to those of a suite.

    All files are made in a temporary folder first, so that an error changes nothing. The same folder again changes
    nothing.

    Args:
        contribution: folder of the results.
        author: their author, as shown in the tables.
        suites: one name of a suite; empty for ``DEFAULT_SUITE``.
        flags: folders of the suites and results.

    Returns:
        The folder of the suite's results, and its tables.

    Raises:
        BadValueError: no author, several suites, the suite has these rows by someone else or of another day, or its run
            is unfinished.
        DataError: the results are not accepted.
    """
    if len(suites) > 1 or not author.strip():
        raise BadValueError(
            "--merge requires --by NAME, the name in the tables, and at most one --suite"
        )
    require_name(author)
    name = suites[0] if suites else DEFAULT_SUITE
    suite = request.read_suite(name, flags)
    folder = folders.results_folder(flags.results) / name
    with records.only_writer(records.unpacked_folder(folder)):
        if records.unpacked(folder):
            raise BadValueError(
                f"a run of {name} is not finished: finish it with --suite {name}, then merge"
            )
        existing = folders.existing_records(folder)
        checked = accepted(contribution, folder)
        merged = [record for record, _ in checked]
        author_and_date = f"{author.strip()}, {merged[0].created[:10]}"
        other_owners = _authors_and_dates(existing, merged) - {author_and_date}
        if other_owners:
            owner = min(other_owners) or "the maintainers"
            raise BadValueError(f"{folder} already has rows of {contribution}, by {owner}")
        with tempfile.TemporaryDirectory() as temporary:
            scratch = Path(temporary, name)
            shutil.copytree(folder, scratch, ignore=shutil.ignore_patterns(WEIGHTS_FOLDER))
            for record, rows in checked:
                records.cases.write(rows.to_dict("records"), record.cell, scratch)  # type: ignore[arg-type]
                rests_on = {**record.rests_on, CONTRIBUTED: author_and_date}
                updated = {"source": "external", "rests_on": rests_on}
                records.write(record.model_copy(update=updated), scratch)
            old_keys = _replaced_keys(existing=existing, merged=merged, author=author.strip())
            merged_records = [
                record for record in records.load(scratch) if record.key not in old_keys
            ]
            finalize(
                suite,
                cells.planned_cells(suite),
                ResultsFolder(scratch),
                merged_records,
                runs_dir=None,
                flags=flags,
                linked_from=folder,
            )
            _replace_files(scratch=scratch, folder=folder)
    return folder, tables_of(folder)


def _authors_and_dates(existing: Sequence[Record], merged: Sequence[Record]) -> set[str]:
    """Return the authors with dates of the ``existing`` records that the ``merged`` ones would replace."""
    keys = {record.key for record in merged}
    return {str(record.rests_on.get(CONTRIBUTED, "")) for record in existing if record.key in keys}


def _replaced_keys(existing: Sequence[Record], merged: Sequence[Record], author: str) -> set[str]:
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
