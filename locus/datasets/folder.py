"""Data set of a user's own images: a table of labels and an optional table of boxes.

``read_labels`` reads and checks the label table; ``Folder`` is the data set, and its docstring describes the two
tables. Checks of cells and paths that other data sets use, too, are in ``locus.datasets.io.tables``.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import BadValueError, DataError, examples
from locus.core.files import file_hash, json_hash
from locus.core.frames import area, as_boxes, xywh_to_xyxy
from locus.core.names import require_findings
from locus.datasets import splits
from locus.datasets.base import SPLITS, Request
from locus.datasets.files import BoxesByImage, FileDataset, TableRows, boxes_by_image, described, with_file
from locus.datasets.io import annotations as box_files
from locus.datasets.io import images, pd, tables
from locus.datasets.io.images import SUFFIXES

RESERVED = ("mean",)
"""Words that are not allowed as findings, because result tables use them; so are words that begin with _ or @."""
ABOUT = ("image", "patient", "split", "width", "height", "age", "sex", "view")
"""Columns of the label table that are not findings; all but the first are optional."""
LABELS = {"0": 0.0, "0.0": 0.0, "1": 1.0, "1.0": 1.0, "": np.nan, "nan": np.nan}
LAYOUT = (
    "expected labels.csv (columns: image; one per finding, each cell 0, 1 or empty; optionally patient and split), the "
    "PNG, JPEG or DICOM files named in its column image, and optionally boxes.csv (image,finding,x0,y0,x1,y1)"
)

BOXES_HINT = "give each box as x0, y0, x1, y1 (edges) or x, y, w, h (corner and size)"
log = logging.getLogger(__name__)


def read_labels(
    path: Path,
    root: Path,
    ignored: tuple[str, ...],
    columns: Mapping[str, str],
    listed: str,
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the table of images and the findings.

    ``columns``: column of the file -> its name here. ``listed``: column with the findings of an image, joined by ``|``;
    other columns are then ignored.

    Columns: ``patient``, ``split``, ``_path``, ``_frame`` (None: that of the file), other optional columns, and labels.
    Raises ``DataError`` for a path that leaves ``root``, duplicate images, and labels other than 0, 1 and empty.
    """
    needed = (*columns, *ignored, *([listed] if listed else []))
    raw = tables.read_csv(path, needed if "image" in columns.values() else ("image", *needed)).rename(columns=str.strip)
    raw = raw.apply(lambda cells: cells.str.strip())  # so that trailing spaces do not create new patients
    raw = raw.drop(columns=[name for name in columns.values() if name in raw]).rename(columns=dict(columns))
    raw = _without_list(path, raw, listed) if listed else raw
    for column, again in zip(raw.columns, raw.columns.duplicated(), strict=True):
        if again or str(column).startswith("Unnamed:") or str(column).rpartition(".")[0] in raw.columns:
            raise DataError(f"{path} has a duplicate column or one without a name ({column!r}): give each its own name")
    findings = tuple(str(column) for column in raw.columns if column not in (*ABOUT, *ignored))
    if not findings or not len(raw):
        counts = f"{len(raw)} images and {len(findings)} findings"
        raise DataError(f"{path} has {counts}: give one row per image and one column per finding")
    for finding in findings:
        if finding in RESERVED or finding.startswith(("_", "@")):
            advice = f"rename it or, if it is not a finding, use --dataset folder:ignore={finding}"
            raise DataError(f"{path} has the column {finding!r}, which is a reserved name: {advice}")
    require_findings(findings)
    image = raw["image"].map(lambda cell: image_name(cell, path))
    tables.refuse_duplicates(path, image)
    labels = {finding: _labels(path, raw[finding]) for finding in findings}
    files = [_file(cell, root, path) for cell in image]
    tables.check_links(files, root)
    return pd.DataFrame({**labels, **_described(path, raw, image), "_path": files}).set_axis(image, axis=0), findings


def _without_list(path: Path, raw: pd.DataFrame, listed: str) -> pd.DataFrame:
    """Return the table with a column of 0 and 1 for each finding in the lists of the column ``listed``."""
    marks = raw[listed].str.replace(r"\s*\|\s*", "|", regex=True).str.get_dummies("|").astype(str)
    marks = marks.drop(columns=[name for name in marks if str(name).lower() in ("", "no finding", "no_finding")])
    if reserved := [str(name) for name in marks if name in ABOUT]:
        raise DataError(f"{path} has the finding {reserved[0]!r} in {listed!r}, which is the name of a column")
    return raw[[name for name in ABOUT if name in raw]].join(marks)


def image_name(cell: str, path: Path) -> str:
    """Return a cell of the table at ``path`` as image name. Raises ``DataError`` for an unsupported extension.

    >>> image_name("part1/a.png", Path("labels.csv"))
    'part1/a.png'
    """
    if Path(cell).suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} has the image name {cell[:80]!r}: it must end in {', '.join(SUFFIXES)}")
    return Path(cell).as_posix()


def _file(cell: str, root: Path, table: Path) -> Path:
    """Return the path of the image in ``root``, or below its subfolder ``images``."""
    path = tables.below(root, cell, table)
    return path if path.exists() else root / "images" / cell


def _labels(path: Path, cells: pd.Series) -> pd.Series:
    text = cells.str.lower()
    wrong = cells[~text.isin(list(LABELS))].str[:40].unique()
    advice = f"; correct them or, if the column is not a finding, use --dataset folder:ignore={cells.name}"
    tables.raise_if_any(
        path, map(repr, wrong), f"labels other than 0, 1 and empty in the column {cells.name!r}", advice
    )
    return text.map(LABELS).astype(np.float32)


def _described(path: Path, raw: pd.DataFrame, image: pd.Series) -> dict[str, pd.Series]:
    """Return patient (default: the image itself), split, frame, and the other optional columns."""
    patient = raw.get("patient", image)
    if (patient == "").any():
        empty = f"{int((patient == '').sum())} rows with an empty 'patient' column"
        raise DataError(f"{path} has {empty}: fill it in or remove the column")
    columns = {"patient": patient, **{column: raw[column] for column in ("sex", "view") if column in raw}}
    if "age" in raw:
        columns["age"] = _ages(path, raw["age"])
    if "split" in raw:
        tables.refuse_unknown(path, raw["split"].str[:40], SPLITS, "split")
        columns["split"] = raw["split"]
    return {**columns, "_frame": pd.Series(_listed_frames(path, raw), index=raw.index, dtype=object)}


def _ages(path: Path, cells: pd.Series) -> pd.Series:
    ages = cells.map(tables.years).astype(float)
    wrong = cells[ages.isna() & (cells != "")].unique()
    tables.raise_if_any(path, map(repr, wrong), "invalid ages", "; leave unknown ages empty")
    return ages


def _listed_frames(path: Path, raw: pd.DataFrame) -> list[tuple[int, int] | None]:
    """Return (H, W) of each image if the table has both columns."""
    if not {"width", "height"} <= set(raw.columns):
        return [None] * len(raw)
    height, width = (_side(path, raw[side]).astype(int).tolist() for side in ("height", "width"))
    return list(zip(height, width, strict=True))


def _side(path: Path, cells: pd.Series) -> pd.Series:
    values = tables.numbers(path, cells)
    wrong = values[~values.between(1, 100_000)]
    tables.raise_if_any(path, wrong, f"invalid values of {cells.name}", "; give 1 to 100000 pixels")
    return values


class Folder(FileDataset):
    """Your own images: a CSV file with one column per finding, and an optional CSV file of boxes.

    ::

        root/  labels.csv   image,patient,split,Mass,Nodule        a.png,p1,train,1,
               boxes.csv    image,finding,x0,y0,x1,y1              a.png,Mass,10,20,110.5,220      (optional)
               a.png, images/b.png, any/folder/c.dcm               PNG or JPEG (8 or 16 bits) or DICOM

    ``image``: path of the file, relative to the root or its subfolder ``images``. Optional columns: ``patient`` (if
    missing, each image counts as a patient, with a warning), ``split`` (train, val or test: it defines the
    official partition; if no row has val, some train patients are moved to val), ``width`` and ``height`` of the
    published image if the file is a smaller copy, ``age``, ``sex``, ``view``. Every other column is a finding: 1, 0,
    or empty for unknown.

    Boxes are given by their edges, or by corner and size (columns x, y, w, h). x runs right and y runs down from the
    upper left corner. Their frame is the published image (``width`` and ``height``, or else the size of the image in
    the file). A box that extends beyond the image is clipped and counted; a box outside the image is an error.
    Absolute paths, ``..`` and links that lead out of the root are errors.

    Options: ``labels`` and ``boxes``, names of the two tables; ``ignore``, columns that are not findings (joined by +:
    ``note+hospital``); ``image``, ``patient`` and ``split``, names of these columns; ``findings``, a column with the
    findings of each image (``Mass|Nodule``). ``boxes`` may also be a COCO JSON file, or a folder of Pascal VOC or YOLO
    files that are named as the images. ``normalised=True``: the boxes of a table are fractions of the image's sides.
    The licence and citation are those of your data.
    """

    name = "folder"
    layout = LAYOUT

    def __init__(
        self, request: Request, labels: str | int = "labels.csv", boxes: str | int = "boxes.csv",
        ignore: str | int = "", image: str | int = "image", patient: str | int = "patient", split: str | int = "split",
        findings: str | int = "", normalised: bool = False,
    ) -> None:  # fmt: skip
        root, self.split = request.folder(LAYOUT), request.split
        paths = _tables(root, str(labels), str(boxes))
        renamed = {str(column): name for name, column in zip(ABOUT[:3], (image, patient, split), strict=True)}
        columns = {column: name for column, name in renamed.items() if column != name}
        ignored = tuple(str(ignore).split("+")) if ignore else ()
        table, self.findings = read_labels(paths[0], root, ignored, columns, str(findings))
        if request.findings not in (None, len(self.findings)):
            count = len(self.findings)
            advice = f"leave --num_classes out, or use --num_classes {count}"
            raise BadValueError(f"{paths[0]} has {count} findings, not {request.findings}: {advice}")
        if "split" not in table and request.partition == "official":
            _say_random_split(paths[0])
            request = dataclasses.replace(request, partition="patient")
        split_names = _split_names(table, request)
        splits.check_patients(table["patient"], split_names)
        files = {str(image): path for image, path in table["_path"].items() if path.is_file()}
        present = with_file(root, table.index[split_names == self.split], files, LAYOUT, self.split)
        marks = _marks(paths[1], str(image), normalised) if len(paths) > 1 else None
        truth, clipped = ({}, 0) if marks is None else _boxes(paths[1], marks, table, self.findings, set(present))
        table = table.loc[present]
        label_values, frames = table[list(self.findings)].to_numpy(np.float32), table["_frame"]
        self.rows = TableRows(table, label_values, files, lambda i: {"frame": frames[i], "boxes": truth.get(i, {})})
        without_file = int((split_names == self.split).sum()) - len(present)
        about: dict[str, Any] = {
            "patients_named": bool((table["patient"] != table.index).any()),
            "boxed_images": len(truth),
        }
        for folder in filter(Path.is_dir, paths):
            about["boxes"] = json_hash(
                [[str(file.relative_to(folder)), file_hash(file)] for file in sorted(folder.rglob("*.*"))]
            )
        self.describe = described(
            request.partition, present, without_file, clipped, filter(Path.is_file, paths), **about
        )


def _tables(root: Path, labels: str, boxes: str) -> list[Path]:
    """Return the paths of the label table and, if present, the box table. A table requested by name must exist."""
    paths = [tables.inside(root, name, root) for name in (labels, boxes)]
    for path, required in zip(paths, (True, boxes != "boxes.csv"), strict=True):
        if required and not path.exists():
            raise DataError(f"the table {path} is missing: {LAYOUT}")
    return [path for path in paths if path.exists()]


def _split_names(table: pd.DataFrame, request: Request) -> NDArray[np.str_]:
    """Return (N,) split names: the column ``split`` for the official partition, else a random split by patient."""
    patients = table["patient"].tolist()
    if request.partition != "official":
        return splits.assign(patients, request)
    names = table["split"].to_numpy(str)
    return names if "val" in names else splits.hold_out_val(patients, names == "train", request.seed)


@functools.cache
def _say_random_split(path: Path) -> None:
    """Log once that a table has no splits."""
    log.info("%s has no column 'split': patients are split at random (--partition patient)", path)


def _marks(path: Path, image: str, normalised: bool) -> pd.DataFrame:
    """Return a row per box of a table, a COCO file, or a folder of Pascal VOC or YOLO files: ``box_files.ROW``.

    The column ``fractions`` is True if edges are fractions of the image's sides.
    """
    if path.is_dir():
        is_voc = next(path.rglob("*.xml"), None) is not None
        return (box_files.read_voc if is_voc else box_files.read_yolo)(path).assign(fractions=not is_voc)
    if path.suffix.lower() == ".json":
        raw = box_files.read_coco(path)
        edges = xywh_to_xyxy(raw[["x", "y", "w", "h"]].to_numpy(np.float64))
    else:
        raw = tables.read_csv(path, ("finding",))
        raw = raw.rename(columns={image: "image"}) if "image" not in raw else raw
        choices = [(kind, names) for kind, several in box_files.EDGES.items() for names in several]
        kind, columns = next((choice for choice in choices if {*choice[1]} <= {*raw.columns}), ("", ()))
        if not kind or "image" not in raw:
            raise DataError(f"{path} has the columns {', '.join(map(str, raw))}: {BOXES_HINT}, with image and finding")
        values = np.stack([tables.numbers(path, raw[column]) for column in columns], axis=1)
        edges, raw = xywh_to_xyxy(values) if kind == "xywh" else values, raw.assign(width=np.nan, height=np.nan)
    rows = dict(zip(box_files.ROW[2:6], edges.T, strict=True))
    return raw[["image", "finding", "width", "height"]].assign(**rows, fractions=normalised)


def _boxes(
    path: Path, marks: pd.DataFrame, table: pd.DataFrame, findings: tuple[str, ...], wanted: set[str]
) -> tuple[BoxesByImage, int]:
    """Return the boxes of the ``wanted`` images and count the clipped ones. Unreadable images get no boxes.

    Raises ``DataError`` for images and findings that the label ``table`` lacks, duplicate rows, images of another size
    than stated, and boxes that are empty or outside the image.
    """
    stems: dict[str, list[str]] = {}
    for name in map(str, table.index):
        stems.setdefault(_stem(name), []).append(name)
    if several := [names for names in stems.values() if len(names) > 1 and path.is_dir()]:
        raise DataError(f"{path}: {examples(several[0])} have the same name without suffix: rename one of them")
    image = marks["image"].map(lambda name: stems.get(name, [name])[0] if path.is_dir() else Path(name).as_posix())
    unlisted = image[~image.isin(table.index)].str[:80].unique()
    tables.raise_if_any(
        path, unlisted, "images that the label table does not list", "; add them there, or remove their boxes"
    )
    tables.refuse_unknown(path, marks["finding"], findings)
    text = marks[["finding", *box_files.ROW[2:6]]].astype(str).agg(" ".join, axis=1)
    tables.refuse_duplicates(path, image.str.cat(text, sep=" ") if len(image) else image)
    edges = as_boxes(marks[[*box_files.ROW[2:6]]].to_numpy(np.float64))
    empty = np.flatnonzero(~(area(edges) > 0)).tolist()
    named = (f"{image[i]} {marks['finding'][i]} {edges[i].tolist()}" for i in empty)
    tables.raise_if_any(path, named, "boxes with zero area", "; x0 < x1 and y0 < y1 are required")
    frames = _frames(table.loc[[i for i in image.unique() if i in wanted]])
    chosen = image.isin(list(frames)).to_numpy()
    image, marks, edges = image[chosen], marks[chosen], edges[chosen]
    sizes = [frames[name] for name in image]
    box_files.refuse_other_frames(marks.assign(image=image).reset_index(), sizes, path)
    sides = np.array(sizes, np.float64).reshape(-1, 2)[:, [1, 0, 1, 0]]
    edges = np.where(marks[["fractions"]].to_numpy(bool), edges * sides, edges)
    return boxes_by_image(path, zip(image, marks["finding"], edges, strict=True), frames)


def _stem(name: str) -> str:
    """Return an image's name without suffix and without the folder ``images``, as the files of its boxes are named."""
    return Path(name).with_suffix("").as_posix().removeprefix("images/")


def _frames(table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return image -> (H, W) as published, from the table or the file; unreadable files are skipped."""
    frames = {}
    for image, path, frame in zip(table.index, table["_path"], table["_frame"], strict=True):
        try:
            frames[str(image)] = frame or images.frame(path)
        except DataError:  # the error is reported later, when the file is decoded
            continue
    return frames
