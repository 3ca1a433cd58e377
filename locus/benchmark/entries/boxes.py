"""Read and check the boxes with confidences of an entry, from CSV or COCO JSON."""

import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from locus.arrays import Frame, Pair
from locus.benchmark.entries.readings import PUBLISHED_FRAME
from locus.core.errors import BadValueError, DataError
from locus.core.frames import box_flaws, xywh_to_xyxy
from locus.core.types import FloatArray
from locus.datasets.io import annotations
from locus.datasets.io.annotations import BoxFormat, Names

log = logging.getLogger(__name__)
NEED = "a table of boxes needs the columns image, finding, score and x0, y0, x1, y1 (xyxy) or x, y, w, h (xywh)"
NUMBER_COLUMNS = ["a", "b", "c", "d", "score"]
"""Columns of a table of boxes: the four numbers in the format of the file, and the confidence."""
MAX_TIED_SHARE = 0.01
"""Largest share of equal scores that is not worth a warning."""
BoxesByCase = dict[Pair, FloatArray]
"""(image, finding) -> (M,5) boxes xyxy in the frame of the published image, and confidences."""


def read_boxes(
    file: Path,
    box_format: BoxFormat | None,
    names: Names,
    frames: Mapping[str, Frame],
    index: Path | None = None,
) -> BoxesByCase:
    """Read the boxes of a file.

    Args:
        file: CSV or COCO JSON.
        box_format: ``xyxy`` or ``xywh``; required for CSV, whose boxes are in pixels of the image as published.
        names: the images and findings of the data set.
        frames: image -> (H, W) as published, for all images of the split.
        index: the COCO file with images and categories of a list of results.

    Returns:
        (image, finding) -> (M,5) boxes xyxy and confidences.

    Raises:
        DataError: a broken file or invalid boxes.
        BadValueError: a CSV without ``box_format``, or a JSON with ``box_format`` xyxy.
    """
    if file.suffix.lower() == ".json":
        table = _from_json(file, box_format, index)
        return _by_case(table, "xywh", names, frames, file)
    table = _from_csv(file, box_format)
    return _by_case(table, box_format or "xyxy", names, frames, file)


def _by_case(
    table: pd.DataFrame,
    box_format: BoxFormat,
    names: Names,
    frames: Mapping[str, Frame],
    file: Path,
) -> BoxesByCase:
    """Return the boxes of a ``table`` with the columns image, finding and ``NUMBER_COLUMNS``; see ``read_boxes``."""
    if table.empty:
        raise DataError(f"{file} contains no boxes")
    images = names.resolve_images(table["image"].tolist(), "boxes")
    findings = {name: names.finding(name, str(file)) for name in table["finding"].unique()}
    box_frames = [frames[image] for image in images]
    if "width" in table:
        annotations.refuse_other_frames(table, box_frames, file)
    sizes = np.array([(width, height) for height, width in box_frames], dtype=np.float64)
    boxes = pd.DataFrame(_checked(table, box_format, sizes, file))
    cases = pd.DataFrame({"image": images, "finding": table["finding"].map(findings)})
    rows = pd.concat([cases, boxes], axis=1)
    _refuse_repeated(rows, file)
    is_tied = rows.duplicated(["finding", NUMBER_COLUMNS.index("score")], keep=False)
    if is_tied.mean() > MAX_TIED_SHARE:
        text = "%s: %d of %d scores are tied within their finding: see docs/protocols.md"
        log.warning(text, file, is_tied.sum(), len(rows))
    groups = boxes.groupby([cases["image"].to_numpy(), cases["finding"].to_numpy()])
    return {(str(image), str(finding)): group.to_numpy() for (image, finding), group in groups}


def _refuse_repeated(rows: pd.DataFrame, file: Path) -> None:
    """Raise ``DataError`` for two equal rows of image, finding, box and confidence."""
    repeated = rows.duplicated()
    if repeated.any():
        second = int(repeated.argmax())
        first = int((rows == rows.iloc[second]).all(axis=1).argmax())
        case = ", ".join(rows[["image", "finding"]].iloc[second])
        both = f"boxes {first + 1} and {second + 1} are identical ({case})"
        raise DataError(f"{file}: {both}: remove one of them")


def _from_csv(file: Path, box_format: BoxFormat | None) -> pd.DataFrame:
    table = annotations.read_table(file)
    columns = ", ".join(map(str, table))
    if "score" not in table:
        raise DataError(f"{file} has the columns {columns}: {NEED}")
    if box_format is None:
        raise BadValueError(
            "--boxes with a CSV file requires --box_format: xyxy (corners) or xywh (corner and size)"
        )
    present = [edges for edges in annotations.EDGES[box_format] if {*edges} <= {*table.columns}]
    if not present:
        raise DataError(
            f"{file} has the columns {columns} and --box_format is {box_format}: {NEED}"
        )
    edges = present[0]
    numbers = table[[*edges, "score"]].apply(pd.to_numeric, errors="coerce")
    numbers.columns = pd.Index(NUMBER_COLUMNS)
    sizes = annotations.image_sizes(file, table, edges)
    return table[["image", "finding"]].join(numbers).assign(**sizes)


def _from_json(file: Path, box_format: BoxFormat | None, index: Path | None) -> pd.DataFrame:
    if box_format == "xyxy":
        raise BadValueError(
            f"{file} is COCO JSON, whose boxes are xywh: leave out --box_format xyxy"
        )
    new_names = dict(zip("xywh", NUMBER_COLUMNS, strict=False))
    return annotations.read_coco(file, index).rename(columns=new_names)


@np.errstate(over="ignore", invalid="ignore")
def _checked(
    table: pd.DataFrame, box_format: BoxFormat, sizes: FloatArray, file: Path
) -> FloatArray:
    """Return the boxes (M,5) as xyxy, clipped to their images of ``sizes`` (M,2) as (width, height), with confidences.

    Boxes that are only partly outside their image are an error if all boxes fit in the other format, else clipped.
    """
    values = table[NUMBER_COLUMNS].to_numpy(dtype=np.float64)
    scores = values[:, 4]
    limits = np.tile(sizes, 2)
    if box_format == "xywh":
        boxes = xywh_to_xyxy(values[:, :4])
        other_boxes = values[:, :4]
        other_format = "xyxy"
    else:
        boxes = values[:, :4]
        other_boxes = xywh_to_xyxy(values[:, :4])
        other_format = "xywh"
    is_outside = _is_outside(boxes, limits)
    other_flaws = [_is_outside(other_boxes, limits), *box_flaws(other_boxes, limits).values()]
    other_fits = not any(flaw.any() for flaw in other_flaws)
    advice = ""
    if other_fits:
        advice = f" (if the file has {other_format}, use --box_format {other_format})"
    problems = {
        "without a score between 0 and 1; correct it": ~((scores >= 0) & (scores <= 1)),
        **box_flaws(boxes, limits),
        "partly outside their image; correct them": is_outside & other_fits,
    }
    for problem_and_fix, is_wrong in problems.items():
        if is_wrong.any():
            problem, _, fix = problem_and_fix.partition("; ")
            first = int(is_wrong.argmax())
            numbers = ", ".join(f"{number:g}" for number in values[first])
            box = f"{table['image'][first]}, {table['finding'][first]}: {numbers}"
            count = f"{int(is_wrong.sum())} of {len(values)} boxes are {problem} when read as {box_format}{advice}"
            raise DataError(
                f"{file}: {count}, first box {first + 1} ({box}): {fix}; boxes must be in {PUBLISHED_FRAME}"
            )
    if is_outside.any():
        text = "%s: clipped %d of %d boxes at the edge of their image"
        log.warning(text, file, int(is_outside.sum()), len(values))
    return np.column_stack([np.clip(boxes, 0, limits), scores])


def _is_outside(boxes: FloatArray, limits: FloatArray) -> NDArray[np.bool_]:
    """Return (M,) whether boxes (M,4) reach beyond their images; ``limits`` (M,4): largest values."""
    return np.asarray(((boxes < 0) | (boxes > limits)).any(axis=1))
