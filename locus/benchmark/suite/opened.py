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

from locus.benchmark.evaluation.scorer import stored_cases
from locus.benchmark.maps.runs import ModelRun, select_samples
from locus.benchmark.pictures.gallery import OpenedModel
from locus.benchmark.records import Cell, Record, cases
from locus.benchmark.report.grouping import is_method, main_value, network_words, ranked
from locus.benchmark.suite import cells
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


def open_model(config: PageConfig) -> OpenedModel:
    """Open the model of ``config.suite``, by default the one with the best method.

    Raises ``LocusError`` for an unknown suite or model, and if the maps of its records are not available.
    """
    name, _, model_id = config.suite.partition("/")
    suite = cells.read_suite(name, config)
    folder, all_records = _folder_and_records(config)
    planned = cells.planned_cells(suite, sorted({record.cell.method for record in all_records} - {CLASSIFIER}))
    models = {cell.key: job.model for job in planned for cell in job.cells}
    existing = [record for record in all_records if record.key in models or "weights" in record.cell.recipe]
    chosen = of_model(existing, name, model_id)
    scored = [record for record in chosen if record.status == "ok"]
    if not any(map(is_method, scored)):
        raise DataError(f"no method of {chosen[0].cell.model_id} has a score, so there are no maps to show")
    words = [record.cell.method for record in scored]
    if not config.trust:
        refuse_code(words, folder)
    runs_dir = suite.runs_dir(config.runs)
    model = models.get(chosen[0].key) or added_model(suite, chosen[0].cell, runs_dir)
    digests = next(record.checkpoints for record in chosen if record.checkpoints)
    trained = recorded(model, digests, runs_dir)
    store = stored_cases(scored_model(model, trained, runs_dir), words, None)
    samples = {sample.image_id: sample for run in store.trained for sample in run.scorable_images}
    address, shown_as = f"{name}/{chosen[0].cell.model_id}", network_words(chosen[0].cell)
    shown = address, suite.title, shown_as, chosen, folder, runs_dir
    return OpenedModel(*shown, store.findings, store.cases, samples)


def _folder_and_records(config: PageConfig) -> tuple[Path, list[Record]]:
    """Return the folder of a suite and its records: the user's own, unless only the published ones have the model."""
    name, _, model_id = config.suite.partition("/")
    homes = [cells.UNPUBLISHED, cells.RESULTS] if config.results is None else [Path(config.results)]
    folders = [(home / name, cells.existing_records(home / name)) for home in homes]
    with_model = (pair for pair in folders if any(model_id in ("", record.cell.model_id) for record in pair[1]))
    return next(with_model, folders[-1])


def of_model(records: Sequence[Record], suite: str, model_id: str) -> list[Record]:
    """Return the records of a model in the main table, best method first; without ``model_id``, of the leading model.

    Raises ``DataError`` for a suite without such records, ``UnknownNameError`` for an unknown model.
    """
    main = (r for r in records if (r.cell.protocol, r.source) == (MAIN_PROTOCOL, "run") and r.cell.method not in PEOPLE)
    aligned = ranked(r for r in main if r.cell.alignment == "aligned" and r.cell.fitted_on is None)
    counts = Counter(r.cell.model_id for r in aligned)  # some models have fewer methods
    methods = [r for r in aligned if is_method(r) and main_value(r) is not None]
    leader = next((r for r in methods if counts[r.cell.model_id] == max(counts.values())), None)
    if leader is None:
        raise DataError(f"no method of the suite {suite!r} has a score by {MAIN_PROTOCOL}: run the suite first")
    model_ids = sorted({r.cell.model_id for r in aligned})
    if model_id and model_id not in model_ids:
        raise UnknownNameError(f"model of the suite {suite!r}:", model_id, model_ids)
    return [r for r in aligned if r.cell.model_id == (model_id or leader.cell.model_id)]


TRUTH, BOXES, IMAGES = "truth.json", "boxes.json", "data"
EDGES = ["x0", "y0", "x1", "y1"]
DETECTION = "detection"
"""Protocol whose rows per case have a confidence."""


def export_coco(config: ExportConfig, echo: Echo) -> None:
    """Write the export of ``config`` and ``echo`` the files. Raises ``LocusError`` if there are no boxes or images."""
    record, folder, trained = _chosen(config)
    table = _with_confidence(record, folder)
    findings, part = trained[0].data.findings, record.cell.images
    samples = [sample for run in trained for sample in run.data] if part is None else select_samples(trained, part)
    output = Path(config.output or f"runs/export/{config.suite}")
    title = f"{config.suite}: {record.cell.model_id}, {record.method}"
    truth = truth_json(samples, findings, title)
    results = boxes_json(table, truth)
    write_text(output / TRUTH, json.dumps(truth))
    write_text(output / BOXES, json.dumps(results))
    if config.images:
        _write_images(samples, output / IMAGES)
    counts = f"{len(truth['images'])} images, {len(truth['annotations'])} truth boxes, {len(results)} boxes"
    echo(f"{title}: {counts} in {output}")
    if part is not None:
        echo(f"{config.suite} scores a part of the boxed images only: {TRUTH} lists these images alone")
    if not results:
        echo(f"{BOXES} is empty: COCO.loadRes will raise IndexError")
    if (table["confidence"] == 1).all():
        echo("all scores are 1.0, because these rows have no confidence: do not compute an average precision")


def truth_json(samples: Sequence[Sample], findings: Sequence[str], title: str) -> dict[str, Any]:
    """Return COCO's dictionary of ``samples``: all images and the truth boxes of ``findings``; all ids start at 1.

    Raises ``DataError`` if an image occurs twice.
    """
    names = [file_name(sample.image_id) for sample in samples]
    if twice := duplicates(names):
        raise DataError(f"{len(twice)} images occur twice in this suite ({examples(twice)}), which COCO does not allow")
    images = [
        {"id": n, "file_name": name, "height": sample.frame[0], "width": sample.frame[1]}
        for n, (name, sample) in enumerate(zip(names, samples, strict=True), 1)
    ]
    boxes = [
        (image, category, _xywh(box))
        for image, sample in enumerate(samples, 1)
        for category, finding in enumerate(findings, 1)
        for box in sample.boxes.get(finding, ())
    ]
    annotations = [
        {"id": n, "image_id": i, "category_id": c, "bbox": box, "area": box[2] * box[3], "iscrowd": 0}
        for n, (i, c, box) in enumerate(boxes, 1)
    ]
    categories = [{"id": n, "name": finding} for n, finding in enumerate(findings, 1)]
    return {"info": {"description": title}, "images": images, "categories": categories, "annotations": annotations}


def boxes_json(table: "pd.DataFrame", truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Return COCO's results of rows per case; a case without a box has no result.

    Raises ``DataError`` for an image or a finding that ``truth`` does not list.
    """
    images = {image["file_name"]: image["id"] for image in truth["images"]}
    categories = {category["name"]: category["id"] for category in truth["categories"]}
    boxed = table[np.isfinite(table[EDGES].to_numpy(np.float64)).all(1)]
    unknown = [name for name in dict.fromkeys(boxed["image"]) if file_name(name) not in images]
    unknown += [name for name in dict.fromkeys(boxed["finding"]) if name not in categories]
    if unknown:
        raise DataError(f"{len(unknown)} images or findings of the boxes are not in the data set: {examples(unknown)}")
    numbers = boxed[EDGES].to_numpy(np.float64)
    rows = zip(boxed["image"], boxed["finding"], map(_xywh, numbers), boxed["confidence"].astype(float), strict=True)
    return [
        {"image_id": images[file_name(image)], "category_id": categories[finding], "bbox": box, "score": score}
        for image, finding, box, score in rows
    ]


def file_name(image: str) -> str:
    """Return the name of an image's file in an export: its own name, with .png added if it has no image suffix."""
    return image if image.lower().endswith(SUFFIXES) else f"{image}.png"


def _xywh(box: FloatArray) -> list[float]:
    x0, y0, x1, y1 = (round(float(edge), 3) for edge in box)
    return [x0, y0, round(x1 - x0, 3), round(y1 - y0, 3)]


def _chosen(config: ExportConfig) -> tuple[Record, Path, list[ModelRun]]:
    """Return the record whose boxes are exported, the folder of its rows, and the runs with the scored images."""
    suite = cells.read_suite(config.suite, config)
    folder = cells.base(config) / suite.name
    planned, all_records = cells.planned_cells(suite), cells.existing_records(folder)
    models = {cell.key: job.model for job in planned for cell in job.cells}
    record = _record([r for r in all_records if r.key in models], suite.name, config)
    model = models[record.key]
    if (reason := cells.missing_data_message(suite, model)) != "":
        raise DataError(reason)
    return record, folder, recorded(model, record.checkpoints, suite.runs_dir(config.runs))


def _record(records: Sequence[Record], suite: str, config: ExportConfig) -> Record:
    """Return the record of the method to export, by default the best one.

    Raises ``UnknownNameError`` for a method without a record.
    """
    rows = of_model(records, suite, config.model_id)
    named = [record for record in rows if record.cell.method == config.method] if config.method else rows
    if not named:
        methods = list(dict.fromkeys(record.cell.method for record in rows))
        raise UnknownNameError(f"method of {rows[0].cell.model_id}:", config.method, methods)
    return named[0]


def _with_confidence(record: Record, folder: Path) -> "pd.DataFrame":
    """Return the rows per case of a record, with the confidence from ``detection``, or 1 without it."""
    table = cases.read(record.cell, folder)
    if not {*EDGES} <= {*table.columns} or table[EDGES].isna().all(axis=None):
        stored = "which are stored only for models with the lowest seed of a suite"
        advice = f"use --model_id of such a model, or, if this is one, {cases.RUN_AGAIN}"
        raise BadValueError(f"{record.cell.model_id}, {record.method} in {folder} has no boxes, {stored}: {advice}")
    other: Cell = record.cell.model_copy(update={"protocol": DETECTION})
    if not cases.exist(other, folder):
        return table.assign(confidence=1.0)
    confidence = cases.read(other, folder)[["image", "finding", "confidence"]]
    return table.merge(confidence, on=["image", "finding"], how="left").fillna({"confidence": 0.0})


def _write_images(samples: Sequence[Sample], folder: Path) -> None:
    """Write each image as an 8-bit PNG under its name in ``truth.json``, in the size of its file."""
    from PIL import Image

    for sample in samples:
        with atomic(folder / file_name(sample.image_id)) as temporary:
            Image.fromarray(sample.image).save(temporary, "PNG")
