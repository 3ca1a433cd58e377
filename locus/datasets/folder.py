"""Data set of a user's own images: a table of labels and an optional table of boxes.

``read_labels`` reads and checks the label table; ``Folder`` is the data set, and its docstring describes the two
tables. Checks of cells and paths that other data sets use, too, are in ``locus.datasets.io.tables``.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import itertools
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from locus.core.errors import BadValueError, DataError
from locus.core.files import file_hash, json_hash
from locus.core.names import canonical_finding, identity, require_findings
from locus.core.types import FloatArray
from locus.datasets import _files, splits
from locus.datasets.base import SPLITS, About, Request
from locus.datasets.io import images, pd, tables
from locus.datasets.io.annotations import (
    NO_FINDING_WORDS,
    READERS,
    ROW,
    Names,
    read_boxes,
    refuse_other_frames,
)
from locus.datasets.io.images import SUFFIXES
from locus.datasets.io.shapes import Polygons, Shape
from locus.datasets.vindr_cxr import agreed

RESERVED = ("mean",)
"""Words that are not allowed as findings, because result tables use them; so are words that begin with _ or @."""
ABOUT = ("image", "patient", "split", "width", "height", "age", "sex", "view")
"""Columns of the label table that are not findings; all but the first are optional."""
LABELS = {"0": 0.0, "0.0": 0.0, "1": 1.0, "1.0": 1.0, "": np.nan, "nan": np.nan}
LAYOUT = (
    "expected labels.csv (columns: image; one per finding, each cell 0, 1 or empty; optionally patient and split), the "
    "PNG, JPEG or DICOM files named in its column image, and optionally boxes.csv (image,finding,x0,y0,x1,y1)"
)

log = logging.getLogger(__name__)


def read_labels(
    path: Path, root: Path, ignored: tuple[str, ...], columns: Mapping[str, str], listed: str
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Read the table of images and their labels.

    Args:
        path: the CSV file.
        root: folder of the images.
        ignored: columns that are no findings.
        columns: column of the file -> its name here.
        listed: column with the findings of an image, joined by ``|``; other columns are then ignored. Empty: one column
            per finding.

    Returns:
        The table and the findings. The table has the columns ``patient``, ``split``, ``_path``, ``_frame`` (None: that
        of the file), other optional columns, and labels.

    Raises:
        DataError: a path that leaves ``root``, duplicate images, or labels other than 0, 1 and empty.
    """
    needed = (*columns, *ignored, *([listed] if listed else []))
    raw = tables.read_csv(path, needed if "image" in columns.values() else ("image", *needed))
    raw = raw.drop(columns=[name for name in columns.values() if name in raw]).rename(
        columns=dict(columns)
    )
    files = [_file(cell.strip(), root, path) for cell in raw["image"]]
    raw = raw.apply(
        lambda cells: cells.map(identity)
    )  # so that trailing spaces do not create new patients
    raw = _without_list(path, raw, listed) if listed else raw
    for column in filter(re.compile("Unnamed: ").match, raw):
        raise DataError(f"{path} has a column without a name ({column!r}): give each its own name")
    findings = tuple(str(column) for column in raw.columns if column not in (*ABOUT, *ignored))
    if not findings or not len(raw):
        counts = f"{len(raw)} images and {len(findings)} findings"
        raise DataError(f"{path} has {counts}: give one row per image and one column per finding")
    for finding in findings:
        if finding in RESERVED or finding.startswith(("_", "@")):
            advice = f"rename it or, if it is not a finding, use --dataset folder:ignore={finding}"
            raise DataError(
                f"{path} has the column {finding!r}, which is a reserved name: {advice}"
            )
    require_findings(findings)
    image = raw["image"].map(lambda cell: image_name(cell, path))
    tables.refuse_duplicates(path, image)
    tables.refuse_duplicates(path, pd.Series(map(str, files)))  # a.png and images/a.png
    labels = {finding: _labels(path, raw[finding]) for finding in findings}
    _refuse_no_finding_beside_finding(path, pd.DataFrame(labels), image)
    tables.check_links(files, root)
    return pd.DataFrame({**labels, **_described(path, raw, image), "_path": files}).set_axis(
        image, axis=0
    ), findings


def _is_no_finding(finding: str) -> bool:
    """Return whether a name means that the image has no finding."""
    return canonical_finding(finding) in map(canonical_finding, NO_FINDING_WORDS)


def _refuse_no_finding_beside_finding(path: Path, labels: pd.DataFrame, image: pd.Series) -> None:
    """Raise ``DataError`` if an image with a finding also has the label 1 in a column such as No Finding."""
    columns = [str(name) for name in labels if _is_no_finding(str(name))]
    is_normal = (labels[columns] == 1).any(axis=1)
    has_finding = (labels.drop(columns=columns) == 1).any(axis=1)
    both = image[is_normal & has_finding]
    what = f"images with {' and '.join(columns)} beside a finding"
    tables.raise_if_any(path, both, what, "; correct their labels")


def _without_list(path: Path, raw: pd.DataFrame, listed: str) -> pd.DataFrame:
    """Return the table with a column of 0 and 1 for each finding in the lists of the column ``listed``."""
    lists = [_listed(path, cell) for cell in raw[listed]]
    both = [
        cell
        for cell, row_findings in zip(raw[listed], lists, strict=True)
        if _contradicts(row_findings)
    ]
    tables.raise_if_any(
        path, both, "cells with a word for no finding beside a finding", "; correct them"
    )
    listed_findings = [finding for row_findings in lists for finding in row_findings]
    findings = dict.fromkeys(finding for finding in listed_findings if not _is_no_finding(finding))
    for finding, mark in itertools.product(findings, (r"[^\w\s]+", r"\band\b", r"\s+")):
        pieces = [piece.strip() for piece in re.split(mark, finding)]
        if len(pieces) > 1 and findings.keys() >= {*pieces}:
            raise DataError(
                f"{path} has the finding {finding[:80]!r}, which joins others: write {'|'.join(pieces)[:80]}"
            )
    reserved = [finding for finding in findings if finding in ABOUT]
    if reserved:
        raise DataError(
            f"{path} has the finding {reserved[0]!r} in {listed!r}, which is the name of a column"
        )
    marks = {
        finding: [str(int(finding in row_findings)) for row_findings in lists]
        for finding in sorted(findings)
    }
    return raw[[name for name in ABOUT if name in raw]].assign(**marks)


def _contradicts(findings: Sequence[str]) -> bool:
    """Return whether a list has a word for no finding beside a finding."""
    named_findings = [finding for finding in findings if finding]
    are_none = [_is_no_finding(finding) for finding in named_findings]
    return any(are_none) and not all(are_none)


def _listed(path: Path, cell: str) -> list[str]:
    """Return the findings in a cell, separated by ``|``, ``;``, commas, tabs or new lines, or in a Python list.

    >>> _listed(Path("labels.csv"), "Mass; Nodule"), _listed(Path("labels.csv"), "['Mass', 'Nodule']")
    (['Mass', 'Nodule'], ['Mass', 'Nodule'])
    """
    if cell.startswith("[") and not re.search(
        r"""['"]\s*['"]""", cell
    ):  # no comma: Python would join both
        try:
            return [
                identity(finding)
                for finding in TypeAdapter(list[str]).validate_python(ast.literal_eval(cell))
            ]
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            pass
    if re.search(r"[\[\]{}\"]|'(?!\w)|(?<!\w)'", cell):
        raise DataError(
            f"{path} has the findings {cell[:80]!r}: write Mass|Nodule or ['Mass', 'Nodule']"
        )
    return [identity(finding) for finding in re.split(r"[|;,\t\n；，、]", cell)]


def image_name(cell: str, path: Path) -> str:
    """Return a cell of the table at ``path`` as image name. Raises ``DataError`` for an unsupported extension.

    >>> image_name("part1/a.png", Path("labels.csv"))
    'part1/a.png'
    """
    if Path(cell).suffix.lower() not in SUFFIXES:
        raise DataError(
            f"{path} has the image name {cell[:80]!r}: it must end in {', '.join(SUFFIXES)}"
        )
    return Path(cell).as_posix()


def _file(cell: str, root: Path, table: Path) -> Path:
    """Return the path of the image in ``root``, or below its subfolder ``images``."""
    path = tables.below(root, cell, table)
    return path if path.exists() else root / "images" / cell


def _labels(path: Path, cells: pd.Series) -> pd.Series:
    text = cells.str.lower()
    wrong = cells[~text.isin(list(LABELS))].str[:40].unique()
    advice = f"; correct them or, if the column is not a finding, use --dataset folder:ignore={cells.name}"
    what = f"labels other than 0, 1 and empty in the column {cells.name!r}"
    tables.raise_if_any(path, map(repr, wrong), what, advice)
    return text.map(LABELS).astype(np.float32)


def _described(path: Path, raw: pd.DataFrame, image: pd.Series) -> dict[str, pd.Series]:
    """Return patient (default: the image itself), split, frame, and the other optional columns."""
    patient = raw.get("patient", image)
    if (patient == "").any():
        empty = f"{int((patient == '').sum())} rows with an empty 'patient' column"
        raise DataError(f"{path} has {empty}: fill it in or remove the column")
    columns = {
        "patient": patient,
        **{column: raw[column] for column in ("sex", "view") if column in raw},
    }
    if "age" in raw:
        columns["age"] = _ages(path, raw["age"])
    if "split" in raw:
        tables.refuse_unknown(path, raw["split"].str[:40], SPLITS, "split")
        columns["split"] = raw["split"]
    return {
        **columns,
        "_frame": pd.Series(_listed_frames(path, raw), index=raw.index, dtype=object),
    }


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


class Folder(_files.FileDataset):
    """Your own images: a CSV file with one column per finding, and an optional CSV file of boxes.

    ::

        root/  labels.csv   image,patient,split,Mass,Nodule        a.png,p1,train,1,
               boxes.csv    image,finding,x0,y0,x1,y1              a.png,Mass,10,20,110.5,220      (optional)
                  or with   image,finding,mask                     a.png,Mass,masks/a.png          (also rle)
                  or with   image,finding,polygon,ellipse          a.png,Mass,10 20 110 20 60 220, (cx cy rx ry angle)
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

    Outlines: a row of the table of boxes may have a ``mask`` (path of a PNG file of the size of the image, in which the
    finding is above 0), run lengths of COCO (``rle``), a ``polygon`` (x y x y …) or an ``ellipse`` (cx cy rx ry, angle
    in degrees) in place of edges or beside them; COCO's ``segmentation`` is read, too. Without edges, a mask gets a box
    for each connected part, other outlines one box. ``Sample.masks`` has the outlines; a box without one is filled.

    Several readers: with ``readers=True``, the column ``reader`` names who drew a box. The truth then is what at least
    ``votes`` readers marked, with their overlapping boxes averaged, and suites have the row ``readers``.

    Options: ``labels`` and ``boxes``, names of the two tables; ``ignore``, columns that are not findings (joined by +:
    ``note+hospital``); ``image``, ``patient`` and ``split``, names of these columns; ``findings``, a column with the
    findings of each image (``Mass|Nodule``, ``Mass; Nodule`` or ``['Mass', 'Nodule']``). ``boxes`` may also be a COCO
    JSON file, a folder of Pascal VOC or YOLO files that are named as the images, or a table of NIH, VinBigData or RSNA.
    ``normalised=True``: the boxes are fractions of the image's sides. ``skip_unknown=True``: annotations that are not
    read, such as COCO's regions to ignore (iscrowd), are left out with a warning; otherwise they are an error.
    The licence and citation are those of your data.
    """

    name = "folder"
    about = About(
        title="Your own images",
        size="as many as you have",
        access="yours",
        licence="that of your data",
        citation="that of your data",
        boxes="what you marked: edges, masks, run lengths, polygons or ellipses",
    )
    layout = LAYOUT
    has_readings = "readers"
    """The option with which it has the boxes of each reader."""

    def __init__(
        self, request: Request, labels: str | int = "labels.csv", boxes: str | int = "boxes.csv",
        ignore: str | int = "", image: str | int = "image", patient: str | int = "patient", split: str | int = "split",
        findings: str | int = "", normalised: bool = False, skip_unknown: bool = False, readers: bool = False,
        votes: int = 2,
    ) -> None:  # fmt: skip
        root = request.folder(LAYOUT)
        self.split = request.split
        paths = _tables(root, str(labels), str(boxes))
        renamed = {
            str(column): name
            for name, column in zip(ABOUT[:3], (image, patient, split), strict=True)
        }
        columns = {column: name for column, name in renamed.items() if column != name}
        ignored = tuple(str(ignore).split("+")) if ignore else ()
        table, self.findings = read_labels(paths[0], root, ignored, columns, str(findings))
        if request.findings not in (None, len(self.findings)):
            count = len(self.findings)
            advice = f"leave --num_classes out, or use --num_classes {count}"
            raise BadValueError(
                f"{paths[0]} has {count} findings, not {request.findings}: {advice}"
            )
        if "split" not in table and request.partition == "official":
            _say_random_split(paths[0])
            request = dataclasses.replace(request, partition="patient")
        split_names = _split_names(table, request)
        splits.check_patients(table["patient"], split_names)
        files = {str(image): path for image, path in table["_path"].items() if path.is_file()}
        present = _files.with_file(
            root, table.index[split_names == self.split], files, LAYOUT, self.split
        )
        marks = (
            read_boxes(paths[1], str(image), skip_unknown, root, readers)
            if len(paths) > 1
            else None
        )
        if marks is not None:
            _require_reader(paths[1], marks, readers, votes)
        if normalised and marks is not None:
            marks["fractions"] = True
        marked = (
            Marked({}, 0)
            if marks is None
            else _boxes(paths[1], marks, table, self.findings, set(present))
        )
        truth = marked.boxes
        clipped = marked.clipped
        self._outlines = marked.outlines
        if readers:
            self._readings = _readings(truth)
            truth = {
                image: _agreed(of_image, self.findings, votes)
                for image, of_image in self._readings.items()
            }
        table = table.loc[present]
        values = table[list(self.findings)].to_numpy(np.float32)
        frames = table["_frame"]
        self._frames = frames.to_dict()
        self._truth = truth
        self.rows = _files.TableRows(table, values, files, self._truth_of)
        patients_named = bool((table["patient"] != table.index).any())
        about: dict[str, Any] = {"patients_named": patients_named, "boxed_images": len(truth)}
        for folder in filter(Path.is_dir, paths):
            of_folder = sorted(file for file in folder.rglob("*.*") if file.is_file())
            hashes = [[str(file.relative_to(folder)), file_hash(file)] for file in of_folder]
            about["boxes"] = json_hash(hashes)
        without_file = int((split_names == self.split).sum()) - len(present)
        csv_files = filter(Path.is_file, paths)
        self.describe = _files.described(
            request.partition, present, without_file, clipped, csv_files, **about
        )

    def _truth_of(self, image: str) -> dict[str, Any]:
        """Return the frame of an image, None if the table does not state it, and its boxes."""
        truth = {"frame": self._frames[image], "boxes": self._truth.get(image, {})}
        if image in self._outlines:
            truth["read_masks"] = functools.partial(_masks, *self._outlines[image])
        return truth

    def readings(self, index: int) -> Mapping[str, Mapping[str, FloatArray]]:
        """Return each reader's boxes on the image at ``index``: reader -> finding -> (M,4); with ``readers=True``."""
        return self._readings.get(self.rows[index].image_id, {})


@dataclasses.dataclass(frozen=True)
class Marked:
    """The marks of a table, by image."""

    boxes: _files.BoxesByImage
    """With several readers, the findings are ``FINDING, reader READER``."""
    clipped: int
    outlines: Mapping[str, tuple[tuple[int, int], list[tuple[str, Shape]]]] = dataclasses.field(
        default_factory=dict
    )
    """Image -> its frame (H, W), and the finding and shape of each mark; only images with an outline."""


OF_READER = ", reader "
"""Between a finding and its reader, while boxes of several readers are read."""


def _require_reader(path: Path, marks: pd.DataFrame, readers: bool, votes: int) -> None:
    """Raise for boxes whose reader is unknown, and for outlines of several readers, which cannot be merged."""
    if not readers:
        return
    if votes < 1:
        raise BadValueError(f"votes is {votes}: use 1 or more")
    if not (marks["reader"] != "").any():
        raise DataError(
            f"{path} has no column of readers ({', '.join(READERS)}): add one, or leave readers=True out"
        )
    unknown = marks["reader"] == ""
    if unknown.any():
        raise DataError(
            f"{path} has {unknown.sum()} boxes without a reader, first mark {unknown.argmax() + 1}: fill it in"
        )
    if marks["shape"].notna().any():
        raise DataError(f"{path} has outlines of several readers, which are not merged: give boxes")
    marks["finding"] = marks["finding"] + OF_READER + marks["reader"]


def _readings(boxes: _files.BoxesByImage) -> dict[str, dict[str, dict[str, FloatArray]]]:
    """Return image -> reader -> finding -> boxes."""
    read: dict[str, dict[str, dict[str, FloatArray]]] = {}
    for image, image_boxes in boxes.items():
        for name, finding_boxes in image_boxes.items():
            finding, _, reader = name.partition(OF_READER)
            read.setdefault(image, {}).setdefault(reader, {})[finding] = finding_boxes
    return read


def _agreed(
    readings: Mapping[str, Mapping[str, FloatArray]], findings: Sequence[str], votes: int
) -> dict[str, Any]:
    """Return the boxes that at least ``votes`` readers of one image drew; all of them if it has fewer readers."""
    merged = {finding: agreed(readings, finding, min(votes, len(readings))) for finding in findings}
    return {finding: boxes for finding, boxes in merged.items() if len(boxes)}


def _masks(
    frame: tuple[int, int], shapes: Sequence[tuple[str, Shape]]
) -> dict[str, NDArray[np.bool_]]:
    """Return finding -> (H,W) mask: the union of its shapes."""
    masks: dict[str, NDArray[np.bool_]] = {}
    for finding, shape in shapes:
        mask = shape.mask(frame)
        masks[finding] = masks[finding] | mask if finding in masks else mask
    return masks


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
    return (
        names if "val" in names else splits.hold_out_val(patients, names == "train", request.seed)
    )


@functools.cache
def _say_random_split(path: Path) -> None:
    """Log once that a table has no splits."""
    log.info("%s has no column 'split': patients are split at random (--partition patient)", path)


def _boxes(
    path: Path,
    marks: pd.DataFrame,
    table: pd.DataFrame,
    findings: tuple[str, ...],
    wanted: set[str],
) -> Marked:
    """Return the marks of the ``wanted`` images. Unreadable images get none.

    Raises ``DataError`` for images and findings that the label ``table`` lacks, a label 0, images of another size than
    stated, and as ``boxes_by_image`` does.
    """
    names = Names(map(str, table.index), findings)
    images = {name: names.image(name) for name in marks["image"].unique()}
    unlisted = [name[:80] for name, image in images.items() if image is None]
    tables.raise_if_any(
        path,
        unlisted,
        "images that the label table does not list",
        "; add them there, or remove their boxes",
    )
    finding_names = {
        finding: _with_reader(finding, names, path) for finding in marks["finding"].unique()
    }
    marks = marks.assign(
        image=marks["image"].map(images), finding=marks["finding"].map(finding_names)
    )
    pairs = marks[["image", "finding"]].drop_duplicates().itertuples(index=False)
    negative = (
        " ".join(pair) for pair in pairs if table.at[pair[0], pair[1].partition(OF_READER)[0]] == 0
    )
    tables.raise_if_any(
        path,
        negative,
        "boxes of findings whose label is 0",
        "; correct the label or remove the box",
    )
    boxed = table.loc[[i for i in marks["image"].unique() if i in wanted]]
    given_frames = {str(image): frame for image, frame in boxed["_frame"].items() if frame}
    _files.refuse_turned(
        path, given_frames, {str(image): file for image, file in boxed["_path"].items()}
    )
    frames = _frames(boxed)
    marks = marks[marks["image"].isin(list(frames))]
    sizes = [frames[name] for name in marks["image"]]
    refuse_other_frames(marks, sizes, path)
    sides = np.array(sizes, np.float64).reshape(-1, 2)[:, [1, 0, 1, 0]]
    edges = marks[[*ROW[2:6]]].to_numpy(np.float64)
    edges = np.where(marks[["fractions"]].to_numpy(bool), edges * sides, edges)
    rows = [*zip(marks["image"], marks["finding"], edges, marks["shape"], strict=True)]
    listed = [
        (image, finding, box)
        for image, finding, edge, shape in rows
        for box in _of_mark(edge, shape, frames[image])
    ]
    outlined = {image for image, *_, shape in rows if shape is not None}
    outlines: dict[str, tuple[tuple[int, int], list[tuple[str, Shape]]]] = {}
    for image, finding, edge, shape in rows:
        if image in outlined:
            outlines.setdefault(image, (frames[image], []))[1].append(
                (finding, shape or _rectangle(edge))
            )
    return Marked(*_files.boxes_by_image(path, listed, frames), outlines)


def _with_reader(name: str, names: Names, path: Path) -> str:
    """Return the name of a finding in the label table, followed by the reader if the word has one."""
    finding, separator, reader = name.partition(OF_READER)
    return names.finding(finding, str(path)) + separator + reader


def _of_mark(
    edges: FloatArray, shape: Shape | None, frame: tuple[int, int]
) -> Sequence[FloatArray]:
    """Return the boxes of a mark: its edges, or those of its shape."""
    return [edges] if shape is None or not np.isnan(edges).any() else [*shape.boxes(frame)]


def _rectangle(edges: FloatArray) -> Shape:
    x0, y0, x1, y1 = edges
    return Polygons((np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]),))


def _frames(table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Return image -> (H, W) as published, from the table or the file; unreadable files are skipped."""
    frames = {}
    for image, path, frame in zip(table.index, table["_path"], table["_frame"], strict=True):
        try:
            frames[str(image)] = frame or images.frame(path)
        except DataError:  # the error is reported later, when the file is decoded
            continue
    return frames
