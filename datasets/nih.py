"""NIH ChestX-ray14."""

import functools
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from core.errors import BadValueError, DataError, UnknownNameError
from core.files import file_hash
from core.types import FloatArray, Sample
from datasets import nih_lists, splits
from datasets.base import Dataset, Request
from datasets.images import decode, find
from datasets.nih_lists import ABNORMAL, EXPERTS
from datasets.nih_tables import BOXED, FINDINGS, FRAME, LAYOUT, read_boxes

log = logging.getLogger(__name__)
TASKS = {14: FINDINGS, 8: BOXED, 1: (ABNORMAL,)}


class NIH(Dataset):
    """NIH ChestX-ray14: 112,120 frontal radiographs of 30,805 patients, 984 boxes on 880 of them.

    ::

        root/  images/*.png  or  images_001/images/*.png ... images_012/images/*.png, in any mix
               Data_Entry_2017_v2020.csv (or Data_Entry_2017.csv)   BBox_List_2017.csv
               train_val_list.txt   test_list.txt

    Labels: 14 findings mined from reports, 8 of them with boxes (the task with 8), or 1: any finding at all. Boxes: one
    at most per image and finding, x, y, w, h from the upper left edge, in the **1024x1024** frame of the images as
    published, also when the files at hand are smaller; clipped at the image's edge.

    Official split: the two lists; validation is cut from train_val by patient. Where they are absent,
    ``train_list.txt``, ``val_list.txt``, ``test_list.txt`` with label columns are used; the task with 1 finding uses
    the experts' ``binary_*.txt`` where present (option ``experts``: attending_rad or rad_consensus_voted). Lists that
    share a patient, or put a boxed image on the training side, raise ``LeakError``. A subset of the images is welcome.

    No restriction on use; acknowledge the NIH Clinical Center. Cite: Wang et al., ChestX-ray8, CVPR 2017, 3462-3471.
    """

    name = "NIH"

    def __init__(self, request: Request, experts: str = "rad_consensus_voted") -> None:
        if experts not in EXPERTS:
            raise UnknownNameError("experts' list", experts, EXPERTS)
        self.findings, self.split, self.root = _task(request.findings), request.split, request.folder(LAYOUT)
        self._files = find(self.root, "images", "images_*", "images_*/images")
        self._boxes, clipped = read_boxes(self.root)
        self.describe = {"partition": request.partition, "boxes_clipped": clipped, "tables": _hashes(self.root)}
        if request.partition == "official":
            table, names = self._listed(experts, request.seed)
        else:
            table, names = self._parted(request)
        splits.check_patients(table["patient"].loc[names.index], names)
        self._table = table.loc[self._present(names.index[names == self.split])]

    def _listed(self, experts: str, seed: int) -> tuple[pd.DataFrame, pd.Series]:
        """Table and splits by the lists, which must keep boxed images out of training."""
        table, names, self.describe["lists"] = nih_lists.listed(self.root, self.findings, experts, seed)
        splits.check_unboxed(names.index[names != "test"], self._boxes, f"the training side of the lists in {self.root}")
        return table, names

    def _parted(self, request: Request) -> tuple[pd.DataFrame, pd.Series]:
        """Table and splits by a random partition of the patients who have an image at hand."""
        table = nih_lists.entries(self.root, self.findings)
        table = table[table.index.isin(list(self._files))]
        return table, pd.Series(splits.assign(table["patient"].tolist(), request), index=table.index)

    def _present(self, listed: pd.Index) -> pd.Index:
        """The images of this split that have a file; the others are counted and told."""
        present = listed[listed.isin(list(self._files))]
        absent = len(listed) - len(present)
        if not len(present):
            raise DataError(f"{self.root} has none of the {len(listed)} images of the {self.split} split: {LAYOUT}")
        if absent:
            log.warning("%s: %d of %d %s images have no file and are left out", self.root, absent, len(listed), self.split)
        boxed = sum(image in self._boxes for image in present)
        self.describe |= {"images": len(present), "images_without_file": absent, "boxed_images": boxed}
        return present

    def __len__(self) -> int:
        return len(self._table)

    @functools.cached_property
    def labels(self) -> NDArray[np.float32]:
        """(N, K) labels, 0 or 1."""
        return self._table[list(self.findings)].to_numpy(np.float32)

    @functools.cached_property
    def patients(self) -> list[str]:
        """Patient of each image."""
        return list(self._table["patient"])

    @functools.cached_property
    def _meta(self) -> list[dict[str, Any]]:
        return [{str(k): v for k, v in row.items()} for row in self._table.reindex(columns=["age", "sex", "view"]).to_dict("records")]

    def sample(self, index: int) -> Sample:
        """The sample at ``index``; its file is decoded when its image is asked for."""
        image = str(self._table.index[index])
        path = self._files[image]
        return Sample(
            image_id=image,
            patient_id=self.patients[index],
            frame=FRAME,
            labels=self.labels[index],
            boxes=self._truth(image),
            read=functools.partial(decode, path),
            source=str(path),
            meta=self._meta[index],
        )

    def _truth(self, image: str) -> dict[str, FloatArray]:
        boxes = self._boxes.get(image, {})
        if boxes and self.findings == (ABNORMAL,):
            return {ABNORMAL: np.concatenate(list(boxes.values()))}
        return {finding: box for finding, box in boxes.items() if finding in self.findings}


def _task(findings: int | None) -> tuple[str, ...]:
    number = 8 if findings is None else findings
    if number not in TASKS:
        raise BadValueError(f"NIH has no task with {number} findings; it has: {', '.join(map(str, TASKS))}")
    return TASKS[number]


def _hashes(root: Path) -> dict[str, str]:
    """File name -> hash of the tables and lists."""
    return {path.name: file_hash(path) for path in sorted(root.iterdir()) if path.suffix in (".csv", ".txt")}
