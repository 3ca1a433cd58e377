"""CheXpert, with CheXlocalize's drawings as truth."""

import functools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from core.errors import UnknownNameError
from core.files import file_hash
from core.types import FloatArray
from datasets import splits
from datasets.base import Request
from datasets.chexpert.files import locate
from datasets.chexpert.masks import Drawings
from datasets.chexpert.partition import VAL, assign
from datasets.chexpert.tables import FIVE, LAYOUT, POLICIES, TASKS, find_tables, read_table, task_labels
from datasets.file_dataset import FileDataset, ImageRow, with_file

EMPTY = {"zeros": 0.0, "ignore": np.nan}
VIEWS = {"frontal": ("frontal",), "lateral": ("lateral",), "all": ("frontal", "lateral")}


class CheXpert(FileDataset):
    """CheXpert: 224,316 radiographs of 65,240 patients, 14 observations from their reports (by experts: 902).

    ::

        root/  train.csv  train/patient00001/study1/view1_frontal.jpg ...      (or all of it inside CheXpert-v1.0,
               valid.csv  valid/patient64541/study1/view1_frontal.jpg ...       CheXpert-v1.0-small or CheXpert, or in
               test_labels.csv  test/...         where the test set is at hand  "CheXpert-v1.0 batch 1 ..." and so on)
               gt_segmentations_val.json  gt_segmentations_test.json           or in CheXlocalize/, where at hand

    Labels by the columns' names. -1 (uncertain) becomes 1, 0 or nan by ``policy`` (ones, zeros, ignore, or mixed: see
    ``POLICIES``; mixed with 5 findings, ignore with 14 and with 1, any finding but devices); nothing becomes 0
    (``empty=zeros``) or nan (``ignore``). ``views``: frontal, lateral, all. ``study`` in ``meta`` says what
    ``datasets.studies.maximum`` scores as one.

    Masks: COCO run lengths (Airspace Opacity there is Lung Opacity here); boxes: half-open, of their connected parts.
    Both in the frame of the image as published, also when the files are smaller; an image without drawings has its
    file's frame.

    Official split: valid.csv is test and validation is cut from train.csv by patient; with test_labels.csv that is
    test, and ``val=valid`` makes valid.csv the validation split, as CheXlocalize's thresholds need. Drawn images in
    training: ``LeakError``.

    From https://stanfordaimi.azurewebsites.net: non-commercial research under Stanford's agreement, no redistribution.
    Cite: Irvin et al., AAAI 2019, 590-597; Saporta et al., Nature Machine Intelligence 4 (2022), 867-878.
    """

    name = "CheXpert"
    origin = layout = LAYOUT

    def __init__(
        self,
        request: Request,
        policy: str | None = None,
        empty: str = "zeros",
        views: str = "frontal",
        val: str = "train",
    ) -> None:
        self.findings, self.split, root = request.task(TASKS, self.name, 5), request.split, request.folder(LAYOUT)
        policy = policy or ("mixed" if self.findings == FIVE else "ignore")
        known = {"policy": tuple(POLICIES), "empty": tuple(EMPTY), "views": tuple(VIEWS), "val": VAL}
        for option, word in (("policy", policy), ("empty", empty), ("views", views), ("val", val)):
            if word not in known[option]:  # a list could not be looked up in a mapping
                raise UnknownNameError(option, word, known[option])
        paths, drawn = find_tables(root), Drawings(root, self.findings)
        tables = {name: read_table(path) for name, path in paths.items()}
        table, names = assign(tables, request, val)
        splits.check_patients(table["patient"], names)
        if request.partition == "official" and "train" in tables:
            boxed = {image for image in tables["train"].index if image in drawn}
            splits.check_unboxed(boxed, boxed, str(paths["train"]))
        listed = table[(names == self.split) & table["side"].isin(VIEWS[views])]
        files = locate(root, listed)
        table = listed.loc[with_file(root, listed.index, files, LAYOUT, self.split)]
        self.rows = list(_rows(table, task_labels(table, self.findings, policy, EMPTY[empty]), files, drawn))
        self.describe = {"images": len(table), "images_without_file": len(listed) - len(table)}
        self.describe["boxed_images"] = sum(image in drawn for image in table.index)
        self.describe["studies"] = table["study"].nunique()
        self.describe |= {"partition": request.partition, "policy": policy, "empty": empty, "views": views, "val": val}
        self.describe["tables"] = {path.name: file_hash(path) for path in [*paths.values(), *drawn.files]}


def _rows(table: pd.DataFrame, labels: FloatArray, files: Mapping[str, Path], drawn: Drawings) -> Iterator[ImageRow]:
    """One row an image; one without drawings has its file's frame."""
    about: list[dict[Any, Any]] = table[["age", "sex", "view", "study"]].to_dict("records")
    for image, patient, marks, meta in zip(
        table.index, table["patient"], labels.astype(np.float32), about, strict=True
    ):
        masks = functools.partial(drawn.masks, image) if image in drawn else None
        yield ImageRow(image, patient, files[image], drawn.size(image), marks, drawn.boxes(image), meta, masks)
