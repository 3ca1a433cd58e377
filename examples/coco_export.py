"""Export the truth and the boxes of one method of a suite in COCO's format, for other tools.

    python examples/coco_export.py demo --images True --output runs/export/demo

``truth.json`` lists all test images, also those without a box, and the truth boxes. Ids start at 1, because pycocotools
treats annotation 0 as no match. ``boxes.json`` is a list of results. Boxes are xywh in pixels of the image as
published. A hit is IoU >= t in COCO and IoU > t in Locus.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from locus.benchmark.maps.runs import ModelRun, select_samples
from locus.benchmark.records import Cell, Record, cases
from locus.benchmark.suite import cells, folders, request
from locus.benchmark.suite.missing import missing_data_message
from locus.benchmark.suite.opened import of_model
from locus.benchmark.suite.score import recorded
from locus.config import FolderFlags
from locus.core.errors import BadValueError, DataError, UnknownNameError, examples
from locus.core.files import atomic, write_text
from locus.core.names import duplicates
from locus.core.types import Echo, FloatArray, Sample
from locus.datasets.io.images import SUFFIXES
from locus.flags import cli

if TYPE_CHECKING:
    import pandas as pd

TRUTH = "truth.json"
BOXES = "boxes.json"
IMAGES = "data"
EDGES = ["x0", "y0", "x1", "y1"]
DETECTION = "detection"
"""Protocol whose rows per case have a confidence."""


@dataclass(frozen=True)
class CocoConfig(FolderFlags):
    """Export boxes for other tools: ``python examples/coco_export.py SUITE``."""

    suite: str = ""
    """Name of a suite that was run. Required."""
    model_id: str = ""
    """Model whose boxes are exported, named as in the records. Default: the model of the best row."""
    method: str = ""
    """Method whose boxes are exported. Default: the best method of the model."""
    images: bool = False
    """Also write the images as 8-bit PNG files to the subfolder data of --output."""
    output: str | None = None
    """Output folder. Default: runs/export/<suite>."""


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Write the files and print their folder; exit code 2 for invalid input."""
    flags = cli.first_as_flag("--suite", argv)
    config, _ = cli.parse(CocoConfig, flags, "python examples/coco_export.py SUITE")
    export_coco(config, cli.say)


def export_coco(config: CocoConfig, echo: Echo) -> None:
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


def _chosen(config: CocoConfig) -> tuple[Record, Path, list[ModelRun]]:
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


def _record(records: Sequence[Record], suite: str, config: CocoConfig) -> Record:
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
    for sample in samples:
        with atomic(folder / file_name(sample.image_id)) as temporary:
            Image.fromarray(sample.image).save(temporary, "PNG")


if __name__ == "__main__":
    sys.exit(main())
