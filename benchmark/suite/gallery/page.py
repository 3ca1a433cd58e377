"""``python -m benchmark.gallery SUITE[/MODEL]``: write an HTML page of selected cases with each method's map and box.

The page is made from records and stored maps, without a network.
"""

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmark.maps.cases import CaseStore
from benchmark.pictures import selected_cases
from benchmark.pictures.gallery_page import data_url, packed_map, render_page
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
from core.types import Echo

NAME = tables.GALLERY
DRAWN = "phantom"
"""Data set with images drawn by code; pages of other data sets are written to ``--runs``."""


def run(config: PageConfig, echo: Echo) -> int:
    """Write the gallery of ``config.suite`` and ``echo`` its path; returns 0.

    Raises ``LocusError`` for an unknown suite or model, and if the maps of its records are not available.
    """
    opened = open_model(config)
    cell, suite_page = opened.records[0].cell, opened.folder / PAGE
    path = page_path(config, cell.dataset, opened.folder, opened.runs_dir)
    page = _page(opened, os.path.relpath(suite_page, path.parent) if suite_page.is_file() else "")
    write_text(path, render_page(page))
    echo(f"gallery: {path} ({len(page['cases'])} cases, {len(page['methods'])} methods of {cell.model_id})")
    return 0


def page_path(config: PageConfig, dataset: str, folder: Path, runs_dir: Path) -> Path:
    """Return the path of the page: ``--output``, else in ``folder`` for synthetic images, else in ``runs_dir``.

    Only published pages are next to published tables; pages of other suites or models are in ``runs_dir``.
    """
    if config.output is not None:
        return Path(config.output)
    next_to_tables = config.results is not None or ((folder / NAME).is_file() and "/" not in config.suite)
    return (folder if dataset == DRAWN and next_to_tables else runs_dir) / NAME


@dataclass(frozen=True)
class OpenedModel:
    """A model of a suite with its records and maps."""

    suite: Suite
    records: list[Record]
    """Records of the main table, best method first."""
    folder: Path
    """Folder of the per-case rows."""
    runs_dir: Path
    store: CaseStore


def open_model(config: PageConfig) -> OpenedModel:
    """Open the model of ``config.suite``, by default the one with the best method.

    Raises ``LocusError`` for an unknown suite or model, and if the maps of its records are not available.
    """
    name, _, model_id = config.suite.partition("/")
    suite = selection.read_suite(name, config)
    folder = results_folder.base(config) / name
    all_records = selection.existing_records(folder)
    planned = selection.planned_cells(suite)
    models = {cell.key: job.model for job in planned for cell in job.cells}
    existing = [record for record in all_records if record.key in models]
    chosen = selected_cases.of_model(existing, name, model_id)
    model = models[chosen[0].key]
    runs_dir = Path(config.runs) / (suite.training_runs_of or name)
    digests = next(record.checkpoints for record in chosen if record.checkpoints)
    trained = recorded(model, digests, runs_dir)
    store = explain_model(model, trained, [r.cell.method for r in chosen if r.status == "ok"], runs_dir, None)
    return OpenedModel(suite, chosen, folder, runs_dir, store)


@dataclass
class MethodCases:
    """A method of the model with its per-case rows and cases by (image, finding); both empty if it has no score."""

    record: Record
    rows: Mapping[tuple[str, str], Mapping[Any, Any]]
    cases: dict[tuple[str, str], Case]


def method_cases(model: OpenedModel) -> list[MethodCases]:
    """Return the methods of a model, best first, with their rows and cases."""
    return [_method_cases(record, model) for record in model.records]


def _method_cases(record: Record, model: OpenedModel) -> MethodCases:
    if record.status != "ok":
        return MethodCases(record, {}, {})
    table = cases.read(record.cell, model.folder)
    rows = {(row["image"], row["finding"]): row for row in table.to_dict("records")}
    return MethodCases(record, rows, {(case.image_id, case.finding): case for case in model.store.cases(record.cell)})


def choices(methods: Sequence[MethodCases], findings: Sequence[str]) -> list[selected_cases.SelectedCase]:
    """Select the cases of the page, ignoring baselines: see ``selected_cases.choose``."""
    ranked = [method for method in methods if is_method(method.record) and method.rows]
    tables = {method.record.cell.method: pd.DataFrame([*method.rows.values()]) for method in ranked}
    return selected_cases.choose(tables, findings)


def _page(model: OpenedModel, suite_page: str) -> dict[str, Any]:
    """Select the cases of ``model`` and return everything its page shows: see ``render_page``."""
    methods, records, suite = method_cases(model), model.records, model.suite.name
    chosen = choices(methods, model.store.findings)
    images = dict.fromkeys(choice.image for choice in chosen)
    numbers, maps = {image: number for number, image in enumerate(images)}, list[dict[str, Any]]()
    samples = {sample.image_id: sample for run in model.store.trained for sample in run.scorable_images}
    model_id = records[0].cell.model_id
    return {
        "suite": suite,
        "suite_page": suite_page,
        "title": model.suite.title,
        "model_id": model_id,
        "basis": _basis(records),
        "command": f"python -m benchmark.gallery {suite}/{model_id}",
        "methods": [_summary(record) for record in records],
        "cases": [_case(choice, methods, numbers[choice.image], maps) for choice in chosen],
        "images": [data_url(samples[image].image) for image in numbers],
        "maps": maps,
    }


def _case(
    choice: selected_cases.SelectedCase, methods: Sequence[MethodCases], image: int, maps: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return one case with a panel per method; each map is appended to ``maps``. ``image``: index of its picture."""
    key = choice.image, choice.finding
    case = next(method.cases[key] for method in methods if key in method.cases)
    return {
        "finding": choice.finding,
        "rank": choice.rank,
        "image_id": choice.image,
        "mean_iou": choice.iou,
        "probability": case.probability,
        "image": image,
        "frame": case.frame,
        "truth": case.boxes.tolist(),
        "panels": [_panel(method, key, maps) for method in methods],
    }


def _panel(method: MethodCases, key: tuple[str, str], maps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the panel of a method for a case, and append its map to ``maps``; without a box it has the reason."""
    row, case, name = method.rows.get(key), method.cases.get(key), method.record.cell.method
    if row is None or case is None:
        reason = method.record.reason or "the method has no such case"
        return {"method": name, "map": None, "iou": None, "hit": False, "reason": reason}
    number = None
    if case.map is not None and row["reason"] in ("", FLAT):
        number = len(maps)
        maps.append(packed_map(np.asarray(case.map), case.grid))
    threshold = None if math.isnan(row["threshold"]) else float(row["threshold"])
    result = {"threshold": threshold, "iou": float(row["iou"]), "hit": bool(row["hit@iou.3"]), "reason": row["reason"]}
    return {"method": name, "map": number, **result}


def _summary(record: Record) -> dict[str, Any]:
    """Return the row of a method above the cases: its score, and why it has none or is not ranked."""
    score, kind = main_score(record), NOT_RANKED.get(record.cell.method, "")
    reason = f"{record.status}: {record.reason}" if record.status != "ok" and record.reason else ""
    value, low, high = (None, None, None) if score is None else (score.value, score.low, score.high)
    return {"word": record.method, "kind": kind, "score": value, "low": low, "high": high, "reason": reason}


def _basis(records: Sequence[Record]) -> str:
    rests_on = next(record.rests_on for record in records if record.rests_on)
    images = images_in_words(records) or rests_on.get("boxed images", "all")
    return f"{images} images with a truth box, {rests_on.get('cases', '')} cases"
