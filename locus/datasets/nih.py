"""NIH ChestX-ray14: its published tables, some of which have broken headers, and three kinds of lists for its splits.

``entries``, ``read_boxes``  the table of labels and the table of boxes, of a folder or of the package
``from_package``      the tables that are missing in a folder, so that those of the package are used
``read_lists``        the official lists, the lists of earlier work with label columns, or the experts' lists
``read_second_team``  ChestX-Det's annotations under NIH's image names, made by a second team of radiologists
``NIH``               the data set; its docstring describes files, options, splits and licence

ChestX-Det with its own image names is ``locus.datasets.chestx_det``.
"""

from __future__ import annotations

import functools
import logging
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from locus.core.errors import BadValueError, DataError, NoImagesError, examples
from locus.core.files import file_hash
from locus.core.types import FloatArray, Sample
from locus.datasets import _files, chestx_det, splits
from locus.datasets._files import (
    BoxesByImage,
    TableRows,
    boxes_by_image,
    described,
    in_split,
    no_pixels,
    with_file,
)
from locus.datasets.base import About, Request
from locus.datasets.chestx_det import TEN, Marks, marked_samples, read_marks
from locus.datasets.io import pd, tables
from locus.datasets.io.images import find
from locus.datasets.io.tables import (
    first_of,
    raise_if_any,
    read_csv,
    read_list,
    refuse_duplicates,
    refuse_unknown,
)
from locus.datasets.splits import hold_out_val

FRAME = (1024, 1024)
"""(H, W) of every image as published."""
BOXED = (
    "Atelectasis",
    "Cardiomegaly",
    "Effusion",
    "Infiltration",
    "Mass",
    "Nodule",
    "Pneumonia",
    "Pneumothorax",
)
FINDINGS = (
    *BOXED,
    "Consolidation",
    "Edema",
    "Emphysema",
    "Fibrosis",
    "Pleural_Thickening",
    "Hernia",
)
NORMAL, ABNORMAL = "No Finding", "Abnormal"
TASKS = {14: FINDINGS, 8: BOXED, 1: (ABNORMAL,)}
ENTRIES = ("Data_Entry_2017_v2020.csv", "Data_Entry_2017.csv")
BOX_FILE = "BBox_List_2017.csv"
IMAGE_FOLDERS = ("images", "images_*", "images_*/images")
"""Folders of the images. All that exist are used."""
LAYOUT = (
    "expected images/*.png (or images_*/images/*.png) from https://nihcc.app.box.com/v/ChestXray-NIHCC, and optionally "
    f"{ENTRIES[0]} (or {ENTRIES[1]}), {BOX_FILE}, train_val_list.txt and test_list.txt"
)
OFFICIAL = ("train_val_list.txt", "test_list.txt")
SHIPPED = Path(__file__).parent / "lists"
"""Folder with the table of labels, the boxes and the official test list as published, compressed."""
log = logging.getLogger(__name__)
TABLES = (".csv", ".txt", ".gz")
LABELLED = {"train": "train_list.txt", "val": "val_list.txt", "test": "test_list.txt"}
ABOUT = ("age", "sex", "view")
Experts = Literal["rad_consensus_voted", "attending_rad"]
"""Expert labels of the test images in the abnormality task; the first is the default."""

JOINED, FIRST_RELEASE = "annotations.json", ("train.json", "test.json")
FOLDERS = (".", "chestx_det", "chestx-det", "../chestx_det", "../chestx-det")
"""Possible folders of ChestX-Det's annotations, relative to the folder of NIH's files."""
NIH_NAME = re.compile(r"\d{8}_\d{3}\.png")
HOW_TO_GET = (
    f"put {JOINED} (13 findings, with image, syms, boxes and polygons), or train.json and test.json of ChestX-Det10's "
    "first release (10 findings, NIH's image names) into a folder chestx_det inside or next to that of NIH's files"
)


def patient_of(image: str) -> str:
    """Return the patient of an image: the part of its name before _."""
    return image.partition("_")[0]


def _table_file(root: Path, names: Sequence[str]) -> Path:
    """Return the first of the files ``names`` in ``root``; that of the package if there is none."""
    return first_of(root, names) or _shipped(names[0])


def _shipped(name: str) -> Path:
    """Return the file of the package; for the list train_val, which it lacks, that of all other images."""
    return SHIPPED / f"{OFFICIAL[1] if name == OFFICIAL[0] else name}.gz"


def from_package(root: Path, tables: Iterable[Sequence[str]]) -> dict[str, str]:
    """Return name -> hash of the files of the package that replace ``tables`` missing in ``root``, and log the names.

    ``tables``: the possible names of each table.
    """
    names = tuple(table[0] for table in tables if first_of(root, table) is None)
    if names and root != SHIPPED:
        _log_from_package(root, names)
    return {path.name: file_hash(path) for path in map(_shipped, names)}


@functools.cache  # once for all splits
def _log_from_package(root: Path, names: Sequence[str]) -> None:
    log.warning(
        "%s has no %s: the published files that are in Locus are used", root, ", ".join(names)
    )


def read_entries(root: Path) -> pd.DataFrame:
    """Return image name -> patient, age (years), sex, view and the 14 labels."""
    path = _table_file(root, ENTRIES)
    raw = read_csv(path, ("Image Index", "Finding Labels", "Patient ID"))
    refuse_duplicates(path, raw["Image Index"])
    raise_if_any(
        path, raw["Image Index"][raw["Patient ID"].str.strip() == ""], "images without a patient"
    )
    findings = {
        finding.strip() for cell in raw["Finding Labels"].unique() for finding in cell.split("|")
    }
    refuse_unknown(path, findings, (*FINDINGS, NORMAL))
    without_spaces = raw["Finding Labels"].str.strip().str.replace(r"\s*\|\s*", "|", regex=True)
    labels = without_spaces.str.get_dummies("|")
    table = labels.reindex(columns=list(FINDINGS), fill_value=0).astype(np.float32)
    both = table.any(axis=1) & raw["Finding Labels"].str.contains(NORMAL, regex=False)
    raise_if_any(
        path,
        raw["Image Index"][both],
        f"images with {NORMAL!r} beside a finding",
        "; remove one of them",
    )
    about = pd.DataFrame({"patient": raw["Patient ID"].str.zfill(8), **_about(raw)})
    return pd.concat([about, table], axis=1).set_axis(raw["Image Index"], axis=0)


def _about(raw: pd.DataFrame) -> dict[str, pd.Series]:
    """Return age, sex and view, if known. Ages such as 058Y and 011M are parsed; those above 120 are nan."""
    nothing = pd.Series("", index=raw.index)
    age, sex, view = (
        raw.get(name, nothing) for name in ("Patient Age", "Patient Gender", "View Position")
    )
    return {"age": age.map(tables.years).astype(float), "sex": sex, "view": view}


def read_labelled(path: Path, findings: Sequence[str], widths: Sequence[int]) -> pd.DataFrame:
    """Read a list with one of the ``widths`` as number of label columns: image name -> labels of the first findings."""
    cells = read_list(path)
    width = cells.shape[1] - 1
    if width not in widths:
        raise DataError(
            f"{path} has {width} label columns: expected {' or '.join(map(str, widths))}"
        )
    labels = {name: _zero_one(path, cells[i]) for i, name in enumerate(findings[:width], 1)}
    return pd.DataFrame(labels).set_axis(cells[0], axis=0)


def _zero_one(path: Path, cells: pd.Series) -> pd.Series:
    values = tables.numbers(path, cells)
    raise_if_any(path, sorted(set(values) - {0.0, 1.0}), "labels other than 0 and 1")
    return values.astype(np.float32)


def read_boxes(root: Path) -> tuple[BoxesByImage, int]:
    """Return image -> finding -> (1,4) xyxy box in the 1024x1024 frame, and the number of clipped boxes.

    The columns x, y, w, h have one broken header and are measured from the upper left corner of the image. Raises
    ``DataError`` for a box that is empty or outside the image.
    """
    path = _table_file(root, (BOX_FILE,))
    raw = read_csv(path, ("Image Index", "Finding Label"))
    if raw.shape[1] < 6:
        raise DataError(
            f"{path} has {raw.shape[1]} columns: expected image, finding, x, y, w and h"
        )
    finding = raw["Finding Label"].replace("Infiltrate", "Infiltration")
    refuse_unknown(path, finding, FINDINGS)
    refuse_duplicates(path, raw["Image Index"] + " " + finding)
    edges = tables.read_xywh(path, raw.iloc[:, 2:6], FRAME)
    marks = zip(raw["Image Index"], finding, edges, strict=True)
    return boxes_by_image(path, marks, dict.fromkeys(raw["Image Index"], FRAME))


def read_lists(
    root: Path, findings: Sequence[str], experts: str | None, seed: int
) -> tuple[pd.DataFrame, pd.Series, str]:
    """Return the images of a folder with their labels and splits.

    Args:
        root: the folder of the data set.
        findings: the findings of the task.
        experts: the experts' labels for the task of abnormal images; None: those in the folder.
        seed: seed of the validation split.

    Returns:
        The table, image -> split, and the kind of lists: ``official``, ``labelled`` or ``experts``.
    """
    chosen_experts = _available_experts(root, experts) if ABNORMAL in findings else None
    kind = "experts" if chosen_experts else _kind(root)
    if kind == "official":
        table = entries(root, findings)
        return table, official(root, table, seed), kind
    columns, widths = ((ABNORMAL,), (1,)) if chosen_experts else (FINDINGS, (8, 14, 15))
    files = binary_files(chosen_experts) if chosen_experts else LABELLED
    labels_of_splits = {
        split: read_labelled(root / name, columns, widths) for split, name in files.items()
    }
    labels = pd.concat(list(labels_of_splits.values())).reindex(columns=list(columns))
    table = _described(labels.astype(np.float32), read_entries(root))
    names = pd.concat(
        [
            pd.Series(split, index=split_labels.index)
            for split, split_labels in labels_of_splits.items()
        ]
    )
    return (table if chosen_experts else _for_task(root, table, findings)), names, kind


def entries(root: Path, findings: Sequence[str]) -> pd.DataFrame:
    """Return the table of entries with the task's label columns."""
    return _for_task(root, read_entries(root), findings)


def _for_task(root: Path, table: pd.DataFrame, findings: Sequence[str]) -> pd.DataFrame:
    """Add the column Abnormal, any of the 14 findings, if the task needs it."""
    if ABNORMAL in findings:
        return table.assign(**{ABNORMAL: table[list(FINDINGS)].max(axis=1)})
    absent = [finding for finding in findings if len(table) and table[finding].isna().all()]
    if absent:
        count = len(findings) - len(absent)
        raise BadValueError(
            f"the lists in {root} have no labels of {examples(absent)}: use --num_classes {count}"
        )
    return table


def _available_experts(root: Path, requested: str | None) -> str | None:
    """Return the experts whose lists are used: those ``requested``, else the first present. Raises ``DataError``."""
    files_of = {experts: binary_files(experts).values() for experts in get_args(Experts)}
    present = [
        experts
        for experts, files in files_of.items()
        if all((root / name).is_file() for name in files)
    ]
    if requested is not None and requested not in present:
        raise DataError(
            f"{root} lacks a file for experts={requested}: it must contain {', '.join(files_of[requested])}"
        )
    return requested or next(iter(present), None)


def _kind(root: Path) -> str:
    """Return official or labelled. Raises ``DataError`` for a part of the labelled lists."""
    absent = [name for name in LABELLED.values() if not (root / name).is_file()]
    if not absent:
        return "labelled" if first_of(root, OFFICIAL[:1]) is None else "official"
    present = [name for name in LABELLED.values() if name not in (*absent, *OFFICIAL)]
    if present and any(first_of(root, (name,)) is None for name in OFFICIAL):
        advice = f"add {' and '.join(absent)}, or remove {' and '.join(present)} to use the official split"
        raise DataError(
            f"{root} has {' and '.join(present)}, but no {' and '.join(absent)}: {advice}"
        )
    return "official"


def official(root: Path, table: pd.DataFrame, seed: int) -> pd.Series:
    """Return image -> split by the official lists; validation is cut from train_val by patient.

    A list that is missing in ``root`` is the published one, without images that are not in the table.
    """
    listed = {name: _official_list(root, name, table.index.to_series()) for name in OFFICIAL}
    names = pd.concat(list(listed.values()), ignore_index=True)
    raise_if_any(
        root, names[~names.isin(table.index)], "images in its lists that are not in Data_Entry_2017"
    )
    training = np.arange(len(names)) < len(listed[OFFICIAL[0]])
    return pd.Series(
        hold_out_val(table["patient"].loc[names].tolist(), training, seed), index=names
    )


def _official_list(root: Path, name: str, images: pd.Series) -> pd.Series:
    """Return one of the official lists. The package has only the test list: all other images are in train_val."""
    if (root / name).is_file():
        return read_list(root / name)[0]
    test = read_list(_shipped(name))[0]
    return test[test.isin(images)] if name == OFFICIAL[1] else images[~images.isin(test)]


def binary_files(experts: str) -> dict[str, str]:
    """Return split -> file of the expert lists of the abnormality task."""
    return {
        "train": "binary_train.txt",
        "val": "binary_val.txt",
        "test": f"binary_test_{experts}.txt",
    }


def _described(labels: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Add the patient of each image, and age, sex and view if known."""
    labels = labels[~labels.index.duplicated()]
    about = pd.DataFrame({"patient": labels.index.map(patient_of)}, index=labels.index)
    return pd.concat(
        [about, table.reindex(index=labels.index, columns=list(ABOUT)), labels], axis=1
    )


def annotation_files(root: Path) -> list[Path]:
    """Return the annotation files for the NIH folder ``root``. Raises ``DataError`` if there are none."""
    for folder in (
        Path(os.path.normpath(root / name)) for name in FOLDERS
    ):  # also if ``root`` does not exist
        joined = first_of(folder, (JOINED,))
        if joined is not None:
            return [joined]
        first_release = [folder / name for name in FIRST_RELEASE]
        if all(path.is_file() for path in first_release):
            return first_release
    raise DataError(f"{root} has no annotations of ChestX-Det: {HOW_TO_GET}")


def read_second_team(root: Path) -> dict[str, Marks]:
    """Return NIH image -> the marks of ChestX-Det in the 1024x1024 frame; an empty list means no finding.

    Raises ``DataError`` for names that are not NIH's.
    """
    marks: dict[str, Marks] = {}
    for path in annotation_files(root):
        marks_of_file = read_marks(path, marks, "image" if path.name == JOINED else "file_name")
        _require_nih_names(path, [*marks_of_file])
        marks |= marks_of_file
    return marks


def _require_nih_names(path: Path, images: Sequence[str]) -> None:
    wrong = [image for image in images if not NIH_NAME.fullmatch(image)]
    if wrong:
        names = f"{len(wrong)} of {len(images)} images do not have NIH's names ({examples(wrong)})"
        is_mixed = len(wrong) < len(images)
        advice = HOW_TO_GET
        if is_mixed:
            advice = "use NIH's image names only, not ChestX-Det's own numbers"
        raise DataError(f"{path}: {names}; expected names like 00000013_005.png: {advice}")


def _official(root: Path, images: list[str], request: Request) -> splits.SplitNames:
    """Return (N,) split names by NIH's lists; ``splits.LEFT_OUT`` for an image in neither list."""
    test_images = set(read_list(_table_file(root, OFFICIAL[1:]))[0])
    path = first_of(root, OFFICIAL[:1])
    test = np.array([image in test_images for image in images])
    names = splits.hold_out_val([*map(patient_of, images)], ~test, request.seed)
    if path is not None:
        training = set(read_list(path)[0])
        names[
            [not on_test and i not in training for i, on_test in zip(images, test, strict=True)]
        ] = splits.LEFT_OUT
    return names


def _about_images(root: Path) -> dict[str, dict[str, Any]]:
    """Return image -> age, sex and view."""
    table = read_entries(root)
    rows = zip(table.index, table[list(ABOUT)].to_dict("records"), strict=True)
    return {str(image): {str(name): value for name, value in row.items()} for image, row in rows}


def _image_files(folder: Path) -> dict[str, str]:
    """Return image -> its file, which may have another suffix than NIH's ``.png``.

    Raises ``NoImagesError`` if there is none, and ``DataError`` for two files of an image.
    """
    files = find(folder, *IMAGE_FOLDERS)
    if not files:
        raise NoImagesError(f"{folder} has no image file of NIH: {LAYOUT}")
    file_of = {Path(name).with_suffix(".png").name: path for name, path in files.items()}
    if len(file_of) < len(files):
        raise DataError(
            f"{folder} has images with two files, such as .png and .jpg: keep one file per image"
        )
    return file_of


def _refuse_experts(experts: str | None, where: str) -> None:
    """Raise ``BadValueError`` if ``experts`` are given where their labels are not used."""
    if experts is not None:
        raise BadValueError(
            f"experts={experts} has no effect with {where}: it chooses labels of abnormal images; leave it out"
        )


def _folder_of_tables(folder: str) -> Path:
    """Return the folder. Raises ``DataError`` if it has none of NIH's tables of labels, boxes and lists."""
    root = Path(folder)
    names = dict.fromkeys((*ENTRIES, BOX_FILE, *OFFICIAL, *LABELLED.values()))
    if not root.is_dir():
        raise DataError(f"the folder {folder} is missing: give one with NIH's tables")
    if first_of(root, [*names]) is None:
        raise DataError(
            f"{folder} has none of NIH's tables: it must contain at least one of {', '.join(names)}"
        )
    return root


class NIH(_files.FileDataset):
    """NIH ChestX-ray14: 112,120 frontal radiographs of 30,805 patients, 984 boxes on 880 of them.

    ::

        root/  images/*.png  and/or  images_001/images/*.png ... images_012/images/*.png
               Data_Entry_2017_v2020.csv (or Data_Entry_2017.csv)   BBox_List_2017.csv
               train_val_list.txt   test_list.txt

    Labels: 14 findings mined from reports, the 8 of them that have boxes, or 1 (any finding). Boxes: at most one per
    image and finding, x, y, w, h from the upper left corner, in the **1024x1024** frame of the published images, even
    if the files are smaller; clipped at the image's edge.

    Official split: the two lists; validation is cut from train_val by patient. Without them, ``train_list.txt``,
    ``val_list.txt``, ``test_list.txt`` with label columns are used. The task with 1 finding uses the experts'
    ``binary_*.txt`` if present (option ``experts``: rad_consensus_voted or attending_rad; default: the first one
    present). Lists that share a patient, or have a boxed image in training or validation, raise ``LeakError``. A subset
    of the images is sufficient.

    The package has the table of labels, the boxes and the official test list as published. Each of them is used if the
    folder lacks it, with a warning; ``describe["tables"]`` then has its name with ``.gz``. A folder with only a part of
    the lists with label columns raises ``DataError``.

    Option ``tables``: folder of the tables and lists, if they are not in ``root``.

    Option ``images=False``: all images of the tables, without pixels. The tables are those of the package, or in the
    folder ``tables``; ``root`` is ignored.

    Option ``truth=chestx_det``: labels, boxes and outlines of 13 findings by ChestX-Det's radiologists, for
    the 3,543 images whose NIH names are known. 683 of them are official test images.

    From https://nihcc.app.box.com/v/ChestXray-NIHCC. No restriction on use; acknowledge the NIH Clinical Center. Cite:
    Wang et al., ChestX-ray8, CVPR 2017, 3462-3471.
    """

    name = "NIH"
    about = About(
        title="NIH ChestX-ray14",
        size="112,120 images of 30,805 patients, 1024x1024 pixels, PNG; 984 boxes on 880 of them",
        access="free download, 45 GB",
        licence="no restriction on use; link to the source and acknowledge the NIH Clinical Center",
        citation="Wang et al., ChestX-ray8, CVPR 2017, 3462-3471",
        boxes="one of 8 findings, drawn by a radiologist on images that the labels name",
    )
    origin = layout = LAYOUT

    def __init__(
        self,
        request: Request,
        experts: Experts | None = None,
        truth: Literal["chestx_det"] | None = None,
        images: bool = True,
        tables: str | None = None,
    ) -> None:
        self._has_images = images
        if truth is not None:
            if not images or tables is not None:
                option = "tables" if images else "images=False"
                raise BadValueError(
                    f"{option} cannot be combined with truth=chestx_det: leave one of them out"
                )
            _refuse_experts(experts, "truth=chestx_det")
            self._load_second_team(request)
            return
        folder = request.folder(LAYOUT) if images else None
        files: Mapping[str, Path | str] | None = None if folder is None else _image_files(folder)
        self.root = (folder or SHIPPED) if tables is None else _folder_of_tables(tables)
        self.findings = request.task(TASKS, self.name, 8)
        self.split = request.split
        self._boxes, clipped = read_boxes(self.root)
        official = request.partition == "official"
        if ABNORMAL not in self.findings:
            _refuse_experts(experts, f"the {len(self.findings)} findings")
        if not official:
            _refuse_experts(experts, f"the partition {request.partition}")
        table, names, about = (
            self._listed(experts, request.seed) if official else self._random(request, files)
        )
        splits.check_patients(table["patient"].loc[names.index], names)
        listed = names.index[names == self.split]
        if files is None:
            files = {image: image for image in listed}
        elif (
            about.get("lists") == "official" and first_of(self.root, (*ENTRIES, *OFFICIAL)) is None
        ):
            listed = listed[listed.isin(list(files))]  # the other images are not missing
        table = table.loc[with_file(folder or self.root, listed, files, LAYOUT, self.split)]
        labels = table[list(self.findings)].to_numpy(np.float32)
        self.rows = TableRows(table, labels, files, self._truth)
        about["boxed_images"] = sum(image in self._boxes for image in table.index)
        self.describe = described(
            request.partition, table, len(listed) - len(table), clipped, self._tables(), **about
        )
        lists = [(name,) for name in OFFICIAL if about.get("lists") == "official"]
        self.describe["tables"] |= from_package(self.root, (ENTRIES, (BOX_FILE,), *lists))

    def _tables(self) -> list[Path]:
        """Return the tables and lists in the folder."""
        return [
            path for path in sorted(self.root.iterdir()) if path.suffix in TABLES and path.is_file()
        ]

    def sample(self, index: int) -> Sample:
        """Return the sample at ``index``. Without images, reading its pixels raises ``DataError``."""
        row = super().sample(index)
        return row if self._has_images else replace(row, read=no_pixels, source="")

    def _load_second_team(self, request: Request) -> None:
        """Set the rows of a split with the second team's labels and outlines.

        The official split is that of NIH, restricted to the annotated images. Raises ``DataError`` and ``LeakError``.
        """
        root = self.root = request.folder(LAYOUT)
        self.split = request.split
        paths = annotation_files(root)
        tasks = {13: chestx_det.FINDINGS, 10: TEN} if paths[0].name == JOINED else {10: TEN}
        self.findings = request.task(tasks, "NIH:truth=chestx_det", max(tasks))
        marks = read_second_team(root)
        files = _image_files(root)
        images = with_file(root, sorted(marks), files, LAYOUT)
        mask = in_split(
            [*map(patient_of, images)], request, partial(_official, root, images, request)
        )
        chosen = {image: marks[image] for image in compress(images, mask)}
        self.rows, clipped = marked_samples(
            paths[0], chosen, files, self.findings, patient_of, _about_images(root)
        )
        without_file = len(marks) - len(images)
        self.describe = described(
            request.partition, self.rows, without_file, clipped, paths, truth="chestx_det"
        )
        needed = (ENTRIES, OFFICIAL[1:]) if request.partition == "official" else (ENTRIES,)
        self.describe["tables"] |= from_package(root, needed)

    def _listed(
        self, experts: str | None, seed: int
    ) -> tuple[pd.DataFrame, pd.Series, dict[str, Any]]:
        """Return table, splits and kind of the published lists. Raises ``LeakError`` for boxed images in training."""
        table, names, kind = read_lists(self.root, self.findings, experts, seed)
        splits.check_unboxed(
            names.index[names != "test"], self._boxes, f"the training lists in {self.root}"
        )
        return table, names, {"lists": kind}

    def _random(
        self, request: Request, files: Collection[str] | None
    ) -> tuple[pd.DataFrame, pd.Series, dict[str, Any]]:
        """Return table and splits by a random partition of the patients with an image file, or of all (None)."""
        table = entries(self.root, self.findings)
        if files is not None:
            table = table[table.index.isin(list(files))]
        return (
            table,
            pd.Series(splits.assign(table["patient"].tolist(), request), index=table.index),
            {},
        )

    def _truth(self, image: str) -> dict[str, Any]:
        """Return the frame of an image and its boxes."""
        return {"frame": FRAME, "boxes": self._boxes_of(image)}

    def _boxes_of(self, image: str) -> dict[str, FloatArray]:
        boxes = self._boxes.get(image, {})
        if boxes and self.findings == (ABNORMAL,):
            return {ABNORMAL: np.concatenate(list(boxes.values()))}
        return {finding: box for finding, box in boxes.items() if finding in self.findings}
