"""Read and check boxes with confidences (CSV or COCO JSON), and a classifier's probabilities."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmark.external.columns import NEED, BoxFormat, edges_of
from benchmark.external.names import Names
from core.boxes import xywh_to_xyxy
from core.errors import BadValueError, DataError, examples
from core.types import FloatArray
from datasets.io import limits
from datasets.io.tables import read_csv, refuse_duplicates

PIXELS = " (boxes must be in pixels of the image as published)"
SLACK = 1.0
"""Boxes may exceed the image by this many pixels; they are clipped."""
BoxesByCase = dict[tuple[str, str], FloatArray]
"""(image, finding) -> (M,5) boxes xyxy in the frame of the published image, and confidences."""


@dataclass(frozen=True)
class Rows:
    """The boxes of a file, unchecked."""

    images: list[str]
    findings: list[str]
    numbers: FloatArray
    """(M,5) four numbers of each box, and its confidence."""
    box_format: BoxFormat


def read(file: Path, box_format: BoxFormat | None, names: Names, frames: Mapping[str, tuple[int, int]]) -> BoxesByCase:
    """Read the boxes of a file by image and finding; ``frames``: image -> (H, W), for all images of the split.

    Raises ``DataError`` for broken files and invalid boxes, ``BadValueError`` for a CSV without ``box_format`` or a
    JSON with ``box_format`` xyxy.
    """
    rows = _from_json(file, box_format) if file.suffix == ".json" else _from_csv(file, box_format)
    if not rows.images:
        raise DataError(f"{file} contains no boxes")
    images = names.resolve_images(rows.images, "boxes")
    words = {word: names.finding(word, str(file)) for word in dict.fromkeys(rows.findings)}
    size = np.array([frames[image][::-1] for image in images], dtype=np.float64).reshape(-1, 2)
    boxes = _checked(rows, size, file)
    findings = [words[word] for word in rows.findings]
    _refuse_repeated([(*pair, *box) for *pair, box in zip(images, findings, boxes.tolist(), strict=True)], file)
    out: dict[tuple[str, str], list[FloatArray]] = {}
    for image, finding, box in zip(images, findings, boxes, strict=True):
        out.setdefault((image, finding), []).append(box)
    return {key: np.stack(boxes_of_case) for key, boxes_of_case in out.items()}


def images_without_boxes(
    file: Path, boxes: BoxesByCase, truth: Sequence[str], missing: Literal["error", "miss", "skip"]
) -> frozenset[str]:
    """Return the images of ``truth`` (those with a truth box) that have no box in ``file``.

    Raises ``DataError`` if there are such images and ``missing`` is error.
    """
    images = {image for image, _ in boxes}
    absent = [image for image in truth if image not in images]
    if absent and missing == "error":
        raise DataError(
            f"{file} has no box for {len(absent)} of {len(truth)} images with a truth box ({examples(absent)}): "
            "add their boxes, or write --missing miss (count them as misses) or --missing skip (leave them out)"
        )
    return frozenset(absent)


def _from_csv(file: Path, box_format: BoxFormat | None) -> Rows:
    table = read_csv(file, ("image", "finding", "score"), NEED)
    edges = edges_of(file, list(table.columns), box_format)
    numbers = table[[*edges, "score"]].apply(pd.to_numeric, errors="coerce").to_numpy(dtype=np.float64)
    return Rows(table["image"].tolist(), table["finding"].tolist(), numbers, box_format or "xyxy")


def _from_json(file: Path, box_format: BoxFormat | None) -> Rows:
    """Read ``images`` (id, file_name), ``categories`` (id, name), ``annotations`` (image_id, category_id, bbox, score).

    A list of annotations has names instead of ids.
    """
    if box_format == "xyxy":
        raise BadValueError(f"{file} is COCO JSON, whose boxes are xywh: leave out --box_format xyxy")
    try:
        content: Any = json.loads(limits.require_size(file).read_text(encoding="utf-8"))
        listed = isinstance(content, list)
        images = {} if listed else {one["id"]: str(one["file_name"]) for one in content["images"]}
        words = {} if listed else {one["id"]: str(one["name"]) for one in content["categories"]}
        rows = content if listed else content["annotations"]
        return Rows(
            [images.get(row["image_id"], str(row["image_id"])) for row in rows],
            [words.get(row["category_id"], str(row["category_id"])) for row in rows],
            np.array([[*row["bbox"], row["score"]] for row in rows], dtype=np.float64).reshape(-1, 5),
            "xywh",
        )
    except (ValueError, TypeError, KeyError, OSError, OverflowError, RecursionError) as error:
        raise DataError(
            f"{file} is not COCO JSON of boxes ({type(error).__name__}: {error}): it must have images, categories and "
            "annotations with image_id, category_id, bbox (xywh) and score"
        ) from error


@np.errstate(over="ignore", invalid="ignore")
def _checked(rows: Rows, size: FloatArray, file: Path) -> FloatArray:
    """Return the boxes (M,5) as xyxy, clipped to their images of ``size`` (M,2), with confidences."""
    readings = {"xyxy": rows.numbers[:, :4], "xywh": xywh_to_xyxy(rows.numbers[:, :4])}
    boxes, score = readings[rows.box_format], rows.numbers[:, 4]
    cut, (empty, outside) = np.clip(boxes, 0, np.tile(size, 2)), _impossible(boxes, size)
    other = "xywh" if rows.box_format == "xyxy" else "xyxy"
    fits = not np.any(_impossible(readings[other], size))
    advice = f" (if it is {other}, write --box_format {other})" if fits else ""
    flaws: dict[str, Any] = {
        "does not have four finite numbers": ~np.isfinite(rows.numbers[:, :4]).all(1),
        "has a score that is not between 0 and 1": ~((score >= 0) & (score <= 1)),
        f"is empty or inverted as {rows.box_format}{advice}": empty,
        f"exceeds the edge of its image as {rows.box_format}{advice or PIXELS}": outside,
        f"is below one pixel{PIXELS}": (cut[:, 2:] - cut[:, :2] < 1).any(1),
    }
    for what, wrong in flaws.items():
        if wrong.any():
            n = int(wrong.argmax())
            numbers = ", ".join(f"{number:g}" for number in rows.numbers[n])
            raise DataError(
                f"{file}: {int(wrong.sum())} of {len(wrong)} boxes are invalid: box {n + 1} ({rows.images[n]}, "
                f"{rows.findings[n]}: {numbers}) {what}"
            )
    return np.column_stack([cut, score])


def _impossible(boxes: FloatArray, size: FloatArray) -> NDArray[np.bool_]:
    """Return masks (2,M) of the boxes that are empty or inverted, and that exceed their images of ``size`` (M,2)."""
    outside = (boxes < -SLACK) | (boxes > np.tile(size, 2) + SLACK)
    return np.stack([(boxes[:, 2:] <= boxes[:, :2]).any(1), outside.any(1)])


def _refuse_repeated(rows: Sequence[tuple[Any, ...]], file: Path) -> None:
    first: dict[tuple[Any, ...], int] = {}
    for n, row in enumerate(rows, 1):
        if first.setdefault(row, n) != n:
            raise DataError(f"{file}: boxes {first[row]} and {n} are equal ({row[0]}, {row[1]}): remove one of them")


def read_probabilities(file: Path, names: Names) -> dict[tuple[str, str], float]:
    """Return (image, finding) -> probability in [0,1], from a table with a row per image and a column per finding.

    Raises ``DataError`` for unknown images or findings and invalid numbers.
    """
    table = read_csv(file, ("image",), "write a row per image and a column of probabilities per finding")
    images = names.resolve_images(table.pop("image").tolist(), "rows")
    refuse_duplicates(file, pd.Series(images, dtype=str))
    findings = [names.finding(str(word), str(file)) for word in table]
    refuse_duplicates(file, pd.Series(findings, dtype=str))
    out: dict[tuple[str, str], float] = {}
    for finding, column in zip(findings, table, strict=True):
        probabilities = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        if not ((probabilities >= 0) & (probabilities <= 1)).all():
            raise DataError(f"{file}: the column {column} has values outside 0 to 1: write probabilities, not logits")
        out |= {(image, finding): value for image, value in zip(images, probabilities.tolist(), strict=True)}
    return out
