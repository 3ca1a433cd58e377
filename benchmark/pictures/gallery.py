"""``python -m benchmark.gallery SUITE[/MODEL]``: draw the page from records and stored maps, without a network."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.maps.cases import CaseStore
from benchmark.pictures import selected_cases
from benchmark.pictures.gallery_page import MethodSummary, Page, Panel, ShownCase, data_url, packed_map, render_page
from benchmark.records import Record, cases
from benchmark.report import tables
from benchmark.report.entries.ranking import NOT_RANKED
from benchmark.report.html.suite import PAGE
from benchmark.report.select import images_in_words, is_method, main_score
from benchmark.scoring.protocols.base import FLAT, Case
from benchmark.suite import results_folder, selection
from benchmark.suite.explain import explain_model
from benchmark.suite.plan import Suite
from benchmark.suite.training_runs import recorded
from config import PageConfig
from core.files import write_text

NAME = tables.GALLERY
DRAWN = "phantom"
"""Data set with images drawn by code; pages of all others stay in ``--runs``."""


def run(config: PageConfig, report: Callable[[str], None]) -> int:
    """Write the gallery of ``config.suite`` and ``report`` its path; returns 0.

    Raises ``LocusError`` for an unknown suite or model, and if the maps of its records are not available.
    """
    opened = open_model(config)
    cell, suite_page = opened.records[0].cell, opened.folder / PAGE
    path = page_path(config, cell.dataset, opened.folder, opened.runs_dir)
    page = _page(opened, os.path.relpath(suite_page, path.parent) if suite_page.is_file() else "")
    write_text(path, render_page(page))
    report(f"gallery: {path} ({len(page.cases)} cases, {len(page.methods)} methods of {cell.model_id})")
    return 0


def page_path(config: PageConfig, dataset: str, folder: Path, runs_dir: Path) -> Path:
    """Return the path of the page: ``--output``, else in ``folder`` for drawn images, or in ``runs_dir``.

    Only the published page is next to published tables; that of another suite or model goes to ``runs_dir``.
    """
    if config.output is not None:
        return Path(config.output)
    beside = config.results is not None or ((folder / NAME).is_file() and "/" not in config.suite)
    return (folder if dataset == DRAWN and beside else runs_dir) / NAME


@dataclass(frozen=True)
class OpenedModel:
    """A model of a suite with its records and maps."""

    suite: Suite
    records: list[Record]
    """Records of its main column, best method first."""
    folder: Path
    """Folder of the rows per case."""
    runs_dir: Path
    store: CaseStore


def open_model(config: PageConfig) -> OpenedModel:
    """Open the model of ``config.suite``, by default the leader.

    Raises ``LocusError`` for an unknown suite or model, and if the maps of its records are not available.
    """
    name, _, model_id = config.suite.partition("/")
    suite = selection.read_suite(name, config)
    folder = results_folder.base(config) / name
    all_records = selection.existing_records(folder)
    planned = selection.planned_cells(suite, all_records)
    models = {cell.key: job.model for job in planned for cell in job.cells}
    existing = [record for record in all_records if record.key in models]
    chosen = selected_cases.of_model(existing, name, model_id)
    model = models[chosen[0].key]
    runs_dir = Path(config.runs) / (suite.trainings or name)
    digests = next(record.checkpoints for record in chosen if record.checkpoints)
    trained = recorded(model, digests, runs_dir)
    store = explain_model(model, trained, [r.cell.method for r in chosen if r.status == "ok"], runs_dir, None)
    return OpenedModel(suite, chosen, folder, runs_dir, store)


@dataclass
class MethodCases:
    """A method of the model with its rows and cases, by image and finding; empty without an answer."""

    record: Record
    rows: Mapping[tuple[str, str], Mapping[Any, Any]]
    cases: dict[tuple[str, str], Case]


def shown_methods(model: OpenedModel) -> list[MethodCases]:
    """Return each method of a model, best first, with its rows and cases.

    Both are empty for a method without an answer.
    """
    return [_shown(record, model) for record in model.records]


def _shown(record: Record, model: OpenedModel) -> MethodCases:
    if record.status != "ok":
        return MethodCases(record, {}, {})
    table = cases.read(record.cell, model.folder)
    rows = {(row["image"], row["finding"]): row for row in table.to_dict("records")}
    return MethodCases(record, rows, {(case.image_id, case.finding): case for case in model.store.cases(record.cell)})


def choices(shown: Sequence[MethodCases], findings: Sequence[str]) -> list[selected_cases.SelectedCase]:
    """Return the cases to show: see ``selected_cases.choose``; baselines are ignored."""
    tables = {s.record.cell.method: pd.DataFrame([*s.rows.values()]) for s in shown if is_method(s.record) and s.rows}
    return selected_cases.choose(tables, findings)


def _page(model: OpenedModel, suite_page: str) -> Page:
    shown, records, suite = shown_methods(model), model.records, model.suite.name
    chosen = choices(shown, model.store.findings)
    images = dict.fromkeys(choice.image for choice in chosen)
    numbers, maps = {image: number for number, image in enumerate(images)}, list[dict[str, Any]]()
    samples = {sample.image_id: sample for run in model.store.trained for sample in run.scorable_images}
    model_id = records[0].cell.model_id
    return Page(
        suite=suite,
        suite_page=suite_page,
        title=model.suite.title,
        model_id=model_id,
        basis=_basis(records),
        command=f"python -m benchmark.gallery {suite}/{model_id}",
        methods=[_summary(record) for record in records],
        cases=[_case(choice, shown, numbers[choice.image], maps) for choice in chosen],
        images=[data_url(samples[image].image) for image in numbers],
        maps=maps,
    )


def _case(
    choice: selected_cases.SelectedCase, shown: Sequence[MethodCases], image: int, maps: list[dict[str, Any]]
) -> ShownCase:
    key = choice.image, choice.finding
    case = next(method.cases[key] for method in shown if key in method.cases)
    return ShownCase(
        finding=choice.finding,
        rank=choice.rank,
        image_id=choice.image,
        patient_id=case.patient_id,
        mean_iou=choice.iou,
        probability=case.probability,
        image=image,
        frame=case.frame,
        truth=case.boxes.tolist(),
        panels=[_panel(method, key, maps) for method in shown],
    )


def _panel(shown: MethodCases, key: tuple[str, str], maps: list[dict[str, Any]]) -> Panel:
    """Return a method's panel of a case; appends its map to ``maps``."""
    row, case = shown.rows.get(key), shown.cases.get(key)
    if row is None or case is None:
        return Panel(shown.record.cell.method, None, None, None, False, shown.record.reason or "no such case")
    number = None
    if case.map is not None and row["reason"] in ("", FLAT):
        number = len(maps)
        maps.append(packed_map(np.asarray(case.map), case.grid))
    threshold = None if math.isnan(row["threshold"]) else float(row["threshold"])
    return Panel(shown.record.cell.method, number, threshold, float(row["iou"]), bool(row["hit@iou.3"]), row["reason"])


def _summary(record: Record) -> MethodSummary:
    score, kind = main_score(record), NOT_RANKED.get(record.cell.method, "")
    value, low, high = (None, None, None) if score is None else (score.value, score.low, score.high)
    reason = record.reason if record.status != "ok" else ""
    return MethodSummary(record.method, kind, value, low, high, f"{record.status}: {reason}" if reason else "")


def _basis(records: Sequence[Record]) -> str:
    rests_on = next(record.rests_on for record in records if record.rests_on)
    images = images_in_words(records) or rests_on.get("boxed images", "all")
    return f"{images} images with a truth box, {rests_on.get('cases', '')} cases"
