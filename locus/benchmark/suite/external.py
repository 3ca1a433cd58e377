"""Score an external entry and the baselines, and write records and tables; open it again for its gallery.

An external entry has maps or boxes made elsewhere, under one name.
"""

import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from locus.benchmark import baselines, records
from locus.benchmark.entries.entry import ExternalEntry, read
from locus.benchmark.entries.score import EntryCases, score
from locus.benchmark.evaluation.cell import Rows
from locus.benchmark.pictures import gallery
from locus.benchmark.pictures.gallery import OpenedModel
from locus.benchmark.records import Record
from locus.benchmark.records.record import EXTERNAL_MODEL
from locus.benchmark.report import tables
from locus.benchmark.report.case_columns import CaseFolders, read_columns
from locus.benchmark.report.grouping import ranked
from locus.benchmark.report.page import Description
from locus.benchmark.suite import folders
from locus.benchmark.suite.folders import published_records
from locus.config import PageConfig, ScoreConfig
from locus.core.errors import BadValueError, DataError
from locus.core.files import csv_text, remove_leftovers, write_json, write_text
from locus.core.names import FIXED_BOX, MAIN_PROTOCOL
from locus.core.types import Echo
from locus.core.user_code import refuse_code, runs_code
from locus.flags import cli

SOURCES = "sources.csv"
"""Table of the files with the first 16 hex digits of their SHA-256."""
FLAGS = "config.yaml"
"""The flags of the command, next to the unpacked records, from which the gallery reads the maps again."""


def run(config: ScoreConfig, entry: ExternalEntry, echo: Echo) -> int:
    """Score the ``entry`` of the flags and write its folder. ``echo`` prints a line for the user.

    Returns 1 if cases failed. Everything is scored before anything is written. Raises ``LocusError``.
    """
    folder = _folder(entry.name, Path(config.results))
    with records.only_writer(records.unpacked_folder(folder)):
        remove_leftovers(folder.rglob(".*"))
        _say_missing(entry, echo)
        scored = score(entry, baselines.without_training(), config.protocol)
        all_records = _recorded(folder, entry, scored)
        flags = dataclasses.asdict(config)
        flags = {name: value for name, value in flags.items() if value not in (None, ())}
        write_json(records.unpacked_folder(folder) / FLAGS, flags)
        samples = {sample.image_id: sample for sample in entry.samples}
        gallery.write_examples(all_records, folder, lambda _: samples)
        suite, published = _published(entry.name, all_records, folder)
        origin = "No published suite has the same cases."
        if suite is not None:
            origin = f"The published rows are from {suite}."
        names_code = any(map(runs_code, flags.values()))
        description = Description(
            title=entry.name,
            about=f"{entry.about} {origin}",
            listed=frozenset(record.key for record in published),
            can_be_run=entry.boxes is None,
            gallery_flags=" --trust True" if names_code else "",
        )
        datasets = tables.write(
            folder, description, [*all_records, *published], folders=CaseFolders(folder, suite)
        )
    echo(tables.headline(datasets))
    echo(f"\n{tables.terminal(datasets)}")
    echo(f"results: {folder / tables.PAGE}, with leaderboard.md")
    return 1 if any(record.status == "failed" for record in all_records) else 0


def _say_missing(entry: ExternalEntry, echo: Echo) -> None:
    """Say how many cases have no map and how many images no box, and whether these are misses."""
    treatment = "left out" if entry.missing == "skip" else "counted as misses"
    if entry.missing_maps:
        echo(f"{len(entry.missing_maps)} cases have no map: {treatment}")
    if entry.boxless:
        boxed_count = sum(bool(sample.boxes) for sample in entry.data)
        echo(
            f"{len(entry.boxless)} of {boxed_count} images with a truth box have no box: {treatment}"
        )


def open_entry(config: PageConfig) -> OpenedModel | None:
    """Open the entry in the folder ``config.suite`` with its maps; None if the folder has no entry.

    Raises ``LocusError`` for an entry of boxes, and if its maps are missing or differ from the scored ones.
    """
    name = config.suite.removesuffix(f"/{EXTERNAL_MODEL}")
    folder = Path(config.results or folders.UNPUBLISHED) / name
    all_records = folders.existing_records(folder) if name else []
    main_records = [record for record in all_records if record.cell.protocol == MAIN_PROTOCOL]
    main = next((record for record in main_records if record.source == "external"), None)
    if main is None:
        return None
    entry = _read_again(config, main, records.unpacked_folder(folder) / FLAGS)
    cases = EntryCases(entry)
    samples = {sample.image_id: sample for sample in entry.samples}
    is_drawn = main.cell.dataset == gallery.DRAWN
    return OpenedModel(
        address=name,
        title="Scored maps",
        network=entry.name,
        records=ranked(main_records),
        folder=folder,
        runs_dir=folder if is_drawn else Path(config.runs) / name,
        findings=cases.findings,
        cases_of=cases.cases,
        samples=samples,
    )


def _read_again(config: PageConfig, main: Record, path: Path) -> ExternalEntry:
    """Read the entry of a ``main`` record by the flags in ``path``."""
    if main.cell.recipe["external"]["kind"] == "boxes":
        raise DataError(
            f"{main.cell.method} has boxes but no heat maps, so there is no gallery to draw"
        )
    again = f"score {main.cell.method} again with python -m benchmark.score, then draw its gallery"
    if not path.is_file():
        raise DataError(f"{path} not found: {again}")
    values = cli.read_yaml(path)
    if not config.trust:
        refuse_code(values.values(), path)
    entry = read(cli.build(ScoreConfig, values))
    if entry.recipe != main.cell.recipe:
        raise DataError(f"the files of {main.cell.method} changed since they were scored: {again}")
    return entry


def _folder(entry: str, results: Path) -> Path:
    """Return the folder of an ``entry``. Raises ``BadValueError`` for an invalid name or other results there."""
    name = re.sub(r"[^\w.=+-]+", "-", entry).strip("-.").lower()
    if not name:
        raise BadValueError(f"--entry {entry!r} is not a valid name: use letters or digits")
    folder = results / name
    existing = records.load(folder) if folder.is_dir() else []
    if any(record.cell.model_id != EXTERNAL_MODEL for record in existing):
        raise BadValueError(
            f"{folder} contains the results of a suite: choose another --entry or --results"
        )
    for record in existing:
        if record.source == "external" and record.cell.method != entry:
            raise BadValueError(
                f"{folder} has the entry {record.cell.method!r}: choose another name than {entry!r}"
            )
    return folder


def _published(
    name: str, entry_records: Sequence[Record], folder: Path
) -> tuple[Path | None, list[Record]]:
    """Return the published rows with the same cases as the entry ``name`` in ``folder``, and their folder.

    They are of the suite with most of them; without such a suite, None and no record.
    """
    main = {
        record.cell.method: record
        for record in entry_records
        if record.cell.protocol == MAIN_PROTOCOL
    }
    best_suite: Path | None = None
    best_records: list[Record] = []
    most_rows = 0
    for suite in records.suites(records.published()):
        similar = [
            record
            for record in published_records(suite)
            if record.scores and record.may_have_cases_of(main[name])
        ]
        rows = [record for record in similar if record.cell.protocol == MAIN_PROTOCOL]
        models = _models_on_the_same_cases(
            main[name], main.get(FIXED_BOX), rows, CaseFolders(folder, suite)
        )
        row_count = sum(record.cell.model_key in models for record in rows)
        if row_count > most_rows:
            most_rows = row_count
            best_suite = suite
            best_records = [record for record in similar if record.cell.model_key in models]
    return best_suite, best_records


def _models_on_the_same_cases(
    main: Record, fixed_box: Record | None, rows: Sequence[Record], folders: CaseFolders
) -> set[tuple[object, ...]]:
    """Return the keys of the models of published ``rows`` that were scored on the cases of the ``main`` record.

    ``fixed_box`` depends on the truth alone, so other overlaps show other truth boxes: then there are no models.
    """
    published_box = next((record for record in rows if record.cell.method == FIXED_BOX), None)
    boxes = [] if fixed_box is None or published_box is None else [fixed_box, published_box]
    record_of_model = {record.cell.model_key: record for record in rows}
    compared = list(dict.fromkeys((main, *boxes, *record_of_model.values())))
    cases = read_columns(compared, folders, ("iou",))
    ious = np.round(
        cases.wide([record.key for record in boxes if record.key in cases.columns], "iou"), 4
    )
    if not np.array_equal(ious[:, :1], ious[:, -1:], equal_nan=True):
        return set()
    entry_cases = cases.case_sets.get(main.key)
    if not entry_cases:
        return set()
    return {
        key
        for key, record in record_of_model.items()
        if cases.case_sets.get(record.key) == entry_cases
    }


def _recorded(
    folder: Path, entry: ExternalEntry, results: list[tuple[Record, Rows]]
) -> list[Record]:
    """Write all records of an entry to ``folder`` with the hashes of its files."""
    for record, rows in results:
        if rows:
            records.cases.write(rows, record.cell, folder)
    all_records = records.ordered([record for record, _ in results])
    records.pack(folder, all_records)
    write_text(folder / SOURCES, csv_text([("file", "sha256"), *entry.hashes.items()]))
    return all_records
