"""NIH ChestX-ray14."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from core.lazy import pd
from core.types import FloatArray
from datasets import splits
from datasets.base import Request
from datasets.file_dataset import FileDataset, described, with_file
from datasets.io.images import find
from datasets.nih import lists as nih_lists
from datasets.nih import second_team
from datasets.nih.tables import ABNORMAL, BOXED, FINDINGS, FRAME, IMAGE_FOLDERS, LAYOUT, read_boxes
from datasets.table_rows import TableRows

TASKS = {14: FINDINGS, 8: BOXED, 1: (ABNORMAL,)}


class NIH(FileDataset):
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

    Option ``truth=chestx_det``: labels, boxes and outlines of 13 findings by ChestX-Det's radiologists
    (``datasets.nih.second_team``), for the 3,543 images whose NIH names are known. 683 of them are official test
    images.

    From https://nihcc.app.box.com/v/ChestXray-NIHCC. No restriction on use; acknowledge the NIH Clinical Center. Cite:
    Wang et al., ChestX-ray8, CVPR 2017, 3462-3471.
    """

    name = "NIH"
    origin = layout = LAYOUT

    def __init__(
        self,
        request: Request,
        experts: nih_lists.Experts | None = None,
        truth: Literal["chestx_det"] | None = None,
    ) -> None:
        if truth is not None:
            self._load_second_team(request)
            return
        self.findings, self.split, self.root = request.task(TASKS, self.name, 8), request.split, request.folder(LAYOUT)
        self._boxes, clipped = read_boxes(self.root)
        official = request.partition == "official"
        table, names, about = self._listed(experts, request.seed) if official else self._random(request)
        splits.check_patients(table["patient"].loc[names.index], names)
        listed, files = names.index[names == self.split], find(self.root, *IMAGE_FOLDERS)
        table = table.loc[with_file(self.root, listed, files, LAYOUT, self.split)]
        labels = table[list(self.findings)].to_numpy(np.float32)
        self.rows = TableRows(table, labels, files, lambda i: {"frame": FRAME, "boxes": self._truth(i)})
        tables = [path for path in sorted(self.root.iterdir()) if path.suffix in (".csv", ".txt") and path.is_file()]
        about["boxed_images"] = sum(image in self._boxes for image in table.index)
        self.describe = described(request.partition, table, len(listed) - len(table), clipped, tables, **about)

    def _load_second_team(self, request: Request) -> None:
        self.root, self.split = request.folder(LAYOUT), request.split
        tasks = second_team.tasks(self.root)
        self.findings = request.task(tasks, "NIH:truth=chestx_det", max(tasks))
        self.rows, self.describe = second_team.load(request, self.root, self.findings)

    def _listed(self, experts: str | None, seed: int) -> tuple[pd.DataFrame, pd.Series, dict[str, Any]]:
        """Return table, splits and kind of the published lists. Raises ``LeakError`` for boxed images in training."""
        table, names, kind = nih_lists.read(self.root, self.findings, experts, seed)
        splits.check_unboxed(names.index[names != "test"], self._boxes, f"the training lists in {self.root}")
        return table, names, {"lists": kind}

    def _random(self, request: Request) -> tuple[pd.DataFrame, pd.Series, dict[str, Any]]:
        """Return table and splits by a random partition of the patients with an image file."""
        table = nih_lists.entries(self.root, self.findings)
        table = table[table.index.isin(list(find(self.root, *IMAGE_FOLDERS)))]
        return table, pd.Series(splits.assign(table["patient"].tolist(), request), index=table.index), {}

    def _truth(self, image: str) -> dict[str, FloatArray]:
        boxes = self._boxes.get(image, {})
        if boxes and self.findings == (ABNORMAL,):
            return {ABNORMAL: np.concatenate(list(boxes.values()))}
        return {finding: box for finding, box in boxes.items() if finding in self.findings}
