"""Suites that were run before, opened from their records.

``open_model``   a model with its records and stored maps, to be drawn
``export_coco``  export the truth and one method's boxes in COCO's format

``truth.json`` lists all test images, also those without a box, and the truth boxes. Ids start at 1, because pycocotools
treats annotation 0 as no match. ``boxes.json`` is a list of results. Boxes are xywh in pixels of the image as
published. A hit is IoU >= t in COCO and IoU > t in Locus.
"""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from locus.benchmark.evaluation.network import stored_cases
from locus.benchmark.maps.runs import ModelRun, select_samples
from locus.benchmark.pictures.gallery import OpenedModel
from locus.benchmark.records import Cell, Record, cases
from locus.benchmark.report.grouping import is_method, main_value, ranked
from locus.benchmark.suite import cells, folders, request
from locus.benchmark.suite.missing import missing_data_message
from locus.benchmark.suite.plan import added_model
from locus.benchmark.suite.score import recorded, scored_model
from locus.config import ExportConfig, PageConfig
from locus.core.errors import BadValueError, DataError, UnknownNameError, examples
from locus.core.files import atomic, write_text
from locus.core.names import CLASSIFIER, MAIN_PROTOCOL, PEOPLE, duplicates
from locus.core.types import Echo, FloatArray, Sample
from locus.core.user_code import refuse_code
from locus.datasets.io.images import SUFFIXES

if TYPE_CHECKING:
    import pandas as pd

TRUTH = "truth.json"
BOXES = "boxes.json"
IMAGES = "data"
EDGES = ["x0", "y0", "x1", "y1"]
DETECTION = "detection"
"""Protocol whose rows per case have a confidence."""


def open_model(config: PageConfig) -> OpenedModel:
    """Open the model of ``config.suite``, by default the one with the best method.

    Raises ``LocusError`` for an unknown suite or model, and if the maps of its records are not available.
    """
    name, _, model_id = config.suite.partition("/")
    suite = request.read_suite(name, config)
    folder, all_records = _folder_and_records(config)
    recorded_methods = {record.cell.method for record in all_records} - {CLASSIFIER}
    planned = cells.planned_cells(suite, sorted(recorded_methods))
    model_by_key = {cell.key: task.model for task in planned for cell in task.cells}
    existing = [
        record
        for record in all_records
        if record.key in model_by_key or "weights" in record.cell.recipe
    ]
    chosen = of_model(existing, name, model_id)
    first = chosen[0].cell
    scored = [record for record in chosen if record.status == "ok"]
    if not any(map(is_method, scored)):
        raise DataError(f"no method of {first.model_id} has a score, so there are no maps to show")
    method_names = [record.cell.method for record in scored]
    if not config.trust:
        refuse_code(method_names, folder)
    runs_dir = suite.runs_dir(config.runs)
    model = model_by_key.get(chosen[0].key) or added_model(suite, first, runs_dir)
    digests = next(record.checkpoints for record in chosen if record.checkpoints)
    trained = recorded(model, digests, runs_dir)
    store = stored_cases(scored_model(model, trained, runs_dir), method_names, flags=None)
    samples = [sample for run in store.trained for sample in run.scorable_images]
    return OpenedModel(
        address=f"{name}/{first.model_id}",
        title=suite.title,
        network=first.network,
        records=chosen,
        folder=folder,
        runs_dir=runs_dir,
        findings=store.findings,
        cases_of=store.cases,
        samples={sample.image_id: sample for sample in samples},
    )


def _folder_and_records(config: PageConfig) -> tuple[Path, list[Record]]:
    """Return the folder of a suite and its records: the user's own, unless only the published ones have the model."""
    name, _, model_id = config.suite.partition("/")
    homes = (
        [folders.UNPUBLISHED, folders.RESULTS] if config.results is None else [Path(config.results)]
    )
    for home in homes:
        folder = home / name
        existing = folders.existing_records(folder)
        if any(model_id in ("", record.cell.model_id) for record in existing):
            break
    return folder, existing


def of_model(records: Sequence[Record], suite: str, model_id: str) -> list[Record]:
    """Return the records of a model in the main table, best method first; without ``model_id``, of the leading model.

    Raises ``DataError`` for a suite without such records, ``UnknownNameError`` for an unknown model.
    """
    main = ranked(record for record in records if _is_in_main_table(record))
    counts = Counter(record.cell.model_id for record in main)  # some models have fewer methods
    complete = [record for record in main if counts[record.cell.model_id] == max(counts.values())]
    methods = [
        record for record in complete if is_method(record) and main_value(record) is not None
    ]
    if not methods:
        raise DataError(
            f"no method of the suite {suite!r} has a score by {MAIN_PROTOCOL}: run the suite first"
        )
    if model_id and model_id not in counts:
        raise UnknownNameError(f"model of the suite {suite!r}:", model_id, sorted(counts))
    chosen = model_id or methods[0].cell.model_id
    return [record for record in main if record.cell.model_id == chosen]


def _is_in_main_table(record: Record) -> bool:
    """Whether a record is of a run on the aligned grid, with cross-fitted thresholds, and not of people's boxes."""
    cell = record.cell
    if record.source != "run" or cell.protocol != MAIN_PROTOCOL or cell.method in PEOPLE:
        return False
    return cell.alignment == "aligned" and cell.fitted_on is None


def export_coco(config: ExportConfig, echo: Echo) -> None:
    """Write the export of ``config`` and ``echo`` the files. Raises ``LocusError`` if there are no boxes or images."""
    record, folder, trained = _chosen(config)
    table = _with_confidence(record, folder)
    selected_count = record.cell.images
    if selected_count is None:
        samples = [sample for run in trained for sample in run.data]
    else:
        samples = select_samples(trained, selected_count)
    output = Path(config.output or f"runs/export/{config.suite}")
    title = f"{config.suite}: {record.cell.model_id}, {record.method}"
    truth = truth_json(samples, trained[0].data.findings, title)
    results = boxes_json(table, truth)
    write_text(output / TRUTH, json.dumps(truth))
    write_text(output / BOXES, json.dumps(results))
    if config.images:
        _write_images(samples, output / IMAGES)
    counts = f"{len(truth['images'])} images, {len(truth['annotations'])} truth boxes, {len(results)} boxes"
    echo(f"{title}: {counts} in {output}")
    if selected_count is not None:
        echo(
            f"{config.suite} scores a part of the boxed images only: {TRUTH} lists these images alone"
        )
    if not results:
        echo(f"{BOXES} is empty: COCO.loadRes will raise IndexError")
    if (table["confidence"] == 1).all():
        echo(
            "all scores are 1.0, because these rows have no confidence: do not compute an average precision"
        )


def truth_json(samples: Sequence[Sample], findings: Sequence[str], title: str) -> dict[str, Any]:
    """Return COCO's dictionary of ``samples``: all images and the truth boxes of ``findings``; all ids start at 1.

    Raises ``DataError`` if an image occurs twice.
    """
    names = [file_name(sample.image_id) for sample in samples]
    repeated = duplicates(names)
    if repeated:
        raise DataError(
            f"{len(repeated)} images occur twice in this suite ({examples(repeated)}), which COCO does not allow"
        )
    images = []
    annotations: list[dict[str, Any]] = []
    for image_id, (name, sample) in enumerate(zip(names, samples, strict=True), start=1):
        height, width = sample.frame
        images.append({"id": image_id, "file_name": name, "height": height, "width": width})
        for category_id, finding in enumerate(findings, start=1):
            for box in sample.boxes.get(finding, ()):
                xywh = _xywh(box)
                annotation = {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": category_id,
                    "bbox": xywh,
                    "area": xywh[2] * xywh[3],
                    "iscrowd": 0,
                }
                annotations.append(annotation)
    categories = [
        {"id": number, "name": finding} for number, finding in enumerate(findings, start=1)
    ]
    return {
        "info": {"description": title},
        "images": images,
        "categories": categories,
        "annotations": annotations,
    }


def boxes_json(table: "pd.DataFrame", truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Return COCO's results of rows per case; a case without a box has no result.

    Raises ``DataError`` for an image or a finding that ``truth`` does not list.
    """
    image_ids = {image["file_name"]: image["id"] for image in truth["images"]}
    category_ids = {category["name"]: category["id"] for category in truth["categories"]}
    boxes = table[EDGES].to_numpy(np.float64)
    has_box = np.isfinite(boxes).all(axis=1)
    boxed = table[has_box]
    unknown = [name for name in boxed["image"].unique() if file_name(name) not in image_ids]
    unknown += [name for name in boxed["finding"].unique() if name not in category_ids]
    if unknown:
        raise DataError(
            f"{len(unknown)} images or findings of the boxes are not in the data set: {examples(unknown)}"
        )
    confidences = boxed["confidence"].astype(float)
    rows = zip(boxed["image"], boxed["finding"], boxes[has_box], confidences, strict=True)
    return [
        {
            "image_id": image_ids[file_name(image)],
            "category_id": category_ids[finding],
            "bbox": _xywh(box),
            "score": confidence,
        }
        for image, finding, box, confidence in rows
    ]


def file_name(image: str) -> str:
    """Return the name of an image's file in an export: its own name, with .png added if it has no image suffix."""
    return image if image.lower().endswith(SUFFIXES) else f"{image}.png"


def _xywh(box: FloatArray) -> list[float]:
    """Return a box xyxy as xywh, with three decimals."""
    x0, y0, x1, y1 = (round(float(edge), 3) for edge in box)
    return [x0, y0, round(x1 - x0, 3), round(y1 - y0, 3)]


def _chosen(config: ExportConfig) -> tuple[Record, Path, list[ModelRun]]:
    """Return the record whose boxes are exported, the folder of its rows, and the runs with the scored images."""
    suite = request.read_suite(config.suite, config)
    folder = folders.results_folder(config.results) / suite.name
    model_by_key = {
        cell.key: task.model for task in cells.planned_cells(suite) for cell in task.cells
    }
    planned_records = [
        record for record in folders.existing_records(folder) if record.key in model_by_key
    ]
    record = _record(planned_records, suite.name, config)
    model = model_by_key[record.key]
    problem = missing_data_message(suite, model)
    if problem:
        raise DataError(problem)
    return record, folder, recorded(model, record.checkpoints, suite.runs_dir(config.runs))


def _record(records: Sequence[Record], suite: str, config: ExportConfig) -> Record:
    """Return the record of the method to export, by default the best one.

    Raises ``UnknownNameError`` for a method without a record.
    """
    model_records = of_model(records, suite, config.model_id)
    if not config.method:
        return model_records[0]
    for record in model_records:
        if record.cell.method == config.method:
            return record
    method_names = list(dict.fromkeys(record.cell.method for record in model_records))
    raise UnknownNameError(
        f"method of {model_records[0].cell.model_id}:", config.method, method_names
    )


def _with_confidence(record: Record, folder: Path) -> "pd.DataFrame":
    """Return the rows per case of a record, with the confidence from ``detection``, or 1 without it."""
    table = cases.read(record.cell, folder)
    if not {*EDGES} <= {*table.columns} or table[EDGES].isna().all(axis=None):
        stored = "which are stored only for models with the lowest seed of a suite"
        advice = f"use --model_id of such a model, or, if this is one, {cases.RUN_AGAIN}"
        raise BadValueError(
            f"{record.cell.model_id}, {record.method} in {folder} has no boxes, {stored}: {advice}"
        )
    detection: Cell = record.cell.model_copy(update={"protocol": DETECTION})
    if not cases.exist(detection, folder):
        return table.assign(confidence=1.0)
    confidence = cases.read(detection, folder)[["image", "finding", "confidence"]]
    return table.merge(confidence, on=["image", "finding"], how="left").fillna({"confidence": 0.0})


def _write_images(samples: Sequence[Sample], folder: Path) -> None:
    """Write each image as an 8-bit PNG under its name in ``truth.json``, in the size of its file."""
    from PIL import Image

    for sample in samples:
        with atomic(folder / file_name(sample.image_id)) as temporary:
            Image.fromarray(sample.image).save(temporary, "PNG")
