"""CheXpert, with the annotations of CheXlocalize as truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np

from core.errors import DataError
from core.files import file_hash
from core.lazy import pd
from datasets import splits
from datasets.base import Request
from datasets.chexmask import LungMasks, Lungs
from datasets.chexpert import ham
from datasets.chexpert.masks import Drawings
from datasets.chexpert.tables import FIVE, LAYOUT, TABLES, TASKS, find_tables, locate, read_table, task_labels
from datasets.file_dataset import FileDataset, with_file
from datasets.table_rows import TableRows

EMPTY = {"zeros": 0.0, "ignore": np.nan}
VIEWS = {"frontal": ("frontal",), "lateral": ("lateral",), "all": ("frontal", "lateral")}


class CheXpert(FileDataset):
    """CheXpert: 224,316 radiographs of 65,240 patients, with 14 observations from reports (902 images: by experts).

    ::

        root/  train.csv  train/patient00001/study1/view1_frontal.jpg ...      (or all of it in CheXpert-v1.0,
               valid.csv  valid/patient64541/study1/view1_frontal.jpg ...       CheXpert-v1.0-small or CheXpert, or in
               test_labels.csv  test/...         if the test set is available   "CheXpert-v1.0 batch 1 ..." and so on)
               gt_segmentations_val.json  gt_segmentations_test.json           or in CheXlocalize/, if available

    Labels: 5 or 14 findings of the tables, or 1 (any finding but devices). ``policy`` converts uncertain labels (-1) to
    1, 0 or nan: ones, zeros, ignore, or mixed (see ``POLICIES``); the default is mixed with 5 findings, else ignore.
    ``empty`` converts empty cells to 0 (zeros) or nan (ignore). ``views``: frontal, lateral or all. ``study`` in
    ``meta`` groups the images for ``datasets.studies.maximum``.

    Masks are COCO run lengths (their Airspace Opacity is Lung Opacity here), and boxes surround their connected parts.
    Both are in the frame of the published image, even if the files are smaller; the frame of an image without masks is
    the size of its file.

    Official split: valid.csv is the test split and validation is cut from train.csv by patient. If test_labels.csv
    exists, it is the test split, and ``val=valid`` makes valid.csv the validation split, as CheXlocalize's thresholds
    require. Masks of training images raise ``LeakError``.

    Option ``truth=ham``: the truth is HAM's boxes (one radiologist, 9 findings, ``BBoxes.json``). Their images are the
    test split; all other images of these patients are excluded. Option ``lungs=chexmask``: lung masks by a network, for
    ``energy_in_lungs`` (``datasets.chexmask``).

    From https://stanfordaimi.azurewebsites.net: non-commercial research under Stanford's agreement, no redistribution.
    Cite: Irvin et al., AAAI 2019, 590-597; Saporta et al., Nature Machine Intelligence 4 (2022), 867-878.
    """

    name = "CheXpert"
    origin = layout = LAYOUT

    def __init__(
        self,
        request: Request,
        policy: Literal["ones", "zeros", "ignore", "mixed"] | None = None,
        empty: Literal["zeros", "ignore"] = "zeros",
        views: Literal["frontal", "lateral", "all"] = "frontal",
        val: Literal["train", "valid"] = "train",
        truth: Literal["ham"] | None = None,
        lungs: Lungs = None,
    ) -> None:
        self.findings, self.split, root = request.task(TASKS, self.name, 5), request.split, request.folder(LAYOUT)
        policy = policy or ("mixed" if self.findings == FIVE else "ignore")
        options = {"policy": policy, "empty": empty, "views": views, "val": val}
        paths, drawn = find_tables(root), Drawings(root, self.findings)
        tables = {name: read_table(path) for name, path in paths.items()}
        boxes_path, listed_boxes = (None, {}) if truth is None else ham.read(root)
        if truth is None:
            table, names = _assigned(tables, request, val)
        else:
            table, names = _held_out(tables, request, listed_boxes)
        splits.check_patients(table["patient"], names)
        if request.partition == "official" and "train" in tables:
            boxed = {image for image in tables["train"].index if image in drawn}
            splits.check_unboxed(boxed, boxed, str(paths["train"]))
        listed = table[(names == self.split) & table["side"].isin(VIEWS[views])]
        files = locate(root, listed)
        table = listed.loc[with_file(root, listed.index, files, LAYOUT, self.split)]
        labels = task_labels(table, self.findings, policy, EMPTY[empty]).astype(np.float32)
        marks: Callable[[str], dict[str, Any]] = drawn.truth
        if boxes_path is not None:
            on_disk = {i: (path, files[i]) for i, path in table["path"].items() if path in listed_boxes}
            marked = ham.truth(boxes_path, listed_boxes, on_disk, self.findings)
            marks = lambda image: marked.get(image, {"frame": None, "boxes": {}})  # noqa: E731
        self.rows = TableRows(table, labels, files, marks)
        self.describe = {"images": len(table), "images_without_file": len(listed) - len(table)}
        counts = {"boxed_images": sum(image in drawn for image in table.index), "studies": table["study"].nunique()}
        self.describe |= {**counts, "partition": request.partition, **options}
        truth_files = drawn.files if boxes_path is None else [boxes_path]
        self.describe["tables"] = {path.name: file_hash(path) for path in [*paths.values(), *truth_files]}
        if boxes_path is not None:
            self.describe |= {"truth": truth, "boxed_images": sum(bool(row.boxes) for row in self.rows)}
        self.lungs = LungMasks(root, lungs, "Path", table["path"].items())
        self.describe |= self.lungs.described


def _held_out(
    tables: Mapping[str, pd.DataFrame], request: Request, listed: Mapping[str, object]
) -> tuple[pd.DataFrame, splits.SplitNames]:
    """Return HAM's images as test split, and the training images of all other patients; other images are excluded."""
    table = pd.concat(tables.values())
    test = table["path"].isin(listed).to_numpy()
    test_patients = set(table["patient"][test])
    source = np.concatenate([np.full(len(rows), name) for name, rows in tables.items()])
    selected = test | ((source == "train") & ~table["patient"].isin(test_patients).to_numpy())
    if request.partition != "official":
        raise DataError(f"truth=ham requires --partition official, not {request.partition}")
    return table[selected], splits.hold_out_val(table["patient"][selected].tolist(), ~test[selected], request.seed)


def _assigned(tables: Mapping[str, pd.DataFrame], request: Request, val: str) -> tuple[pd.DataFrame, splits.SplitNames]:
    """Return the rows that are in a split, and (N,) split names; all views of a patient are in the same split."""
    table = pd.concat(tables.values())
    if request.partition != "official":
        return table, splits.assign(table["patient"].tolist(), request)
    _check(tables, request.split, val)
    split_of = {"train": "train", "test" if "test" in tables else "valid": "test"}
    split_of |= {"valid": "val"} if val == "valid" else {}
    names = np.concatenate([np.full(len(rows), split_of.get(name, ""), dtype="<U5") for name, rows in tables.items()])
    if val == "train":
        training = names == "train"
        patients = table["patient"][training].tolist()
        names[training] = splits.hold_out_val(patients, np.ones(len(patients), bool), request.seed)
    return table[names != ""], names[names != ""]


def _check(tables: Mapping[str, object], split: str, val: str) -> None:
    """Raise ``DataError`` if the official split needs a missing table."""
    available = f"found only the tables {', '.join(tables)}"
    if val == "valid" and not {"valid", "test"} <= tables.keys():
        raise DataError(f"val=valid requires valid.csv and test_labels.csv, {available}: use val=train")
    needed = "test" if "test" in tables else "valid"
    needed = needed if split == "test" else "valid" if (split, val) == ("val", "valid") else "train"
    if needed not in tables:
        advice = "add it, or use --partition patient or kfold"
        raise DataError(f"the official {split} split requires {' or '.join(TABLES[needed])}, {available}: {advice}")
