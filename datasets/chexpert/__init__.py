"""CheXpert, with the annotations of CheXlocalize as truth."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from core.errors import DataError
from core.files import file_hash
from core.lazy import pd
from datasets import splits
from datasets.base import Request
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
    ) -> None:
        self.findings, self.split, root = request.task(TASKS, self.name, 5), request.split, request.folder(LAYOUT)
        policy = policy or ("mixed" if self.findings == FIVE else "ignore")
        options = {"policy": policy, "empty": empty, "views": views, "val": val}
        paths, drawn = find_tables(root), Drawings(root, self.findings)
        tables = {name: read_table(path) for name, path in paths.items()}
        table, names = _assigned(tables, request, val)
        splits.check_patients(table["patient"], names)
        if request.partition == "official" and "train" in tables:
            boxed = {image for image in tables["train"].index if image in drawn}
            splits.check_unboxed(boxed, boxed, str(paths["train"]))
        listed = table[(names == self.split) & table["side"].isin(VIEWS[views])]
        files = locate(root, listed)
        table = listed.loc[with_file(root, listed.index, files, LAYOUT, self.split)]
        labels = task_labels(table, self.findings, policy, EMPTY[empty]).astype(np.float32)
        self.rows = TableRows(table, labels, files, drawn.truth)
        self.describe = {"images": len(table), "images_without_file": len(listed) - len(table)}
        counts = {"boxed_images": sum(image in drawn for image in table.index), "studies": table["study"].nunique()}
        self.describe |= {**counts, "partition": request.partition, **options}
        self.describe["tables"] = {path.name: file_hash(path) for path in [*paths.values(), *drawn.files]}


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
