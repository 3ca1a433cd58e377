"""PadChest-GR: findings of reports with the boxes of up to two readers."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from locus.core.errors import DataError
from locus.core.types import FloatArray, Sample
from locus.datasets import _files
from locus.datasets.base import About, Request
from locus.datasets.io import images
from locus.datasets.io.tables import read_csv, read_json, refuse_unknown

TABLE = "master_table.csv"
REPORTS = "grounded_reports_*.json"
FOLDERS = ("PadChest_GR", "PadChest_GR/*", "Padchest_GR_files/PadChest_GR", "images")
"""Folders of the images; the third is that of the published archive."""
READERS = {"boxes": "first", "extra_boxes": "second"}
"""Field of a finding -> the reader who drew its boxes."""
SPLITS = {"train": "train", "validation": "val", "test": "test"}
LEAST = 30
"""Default of the option ``least``."""
LAYOUT = (
    f"expected {REPORTS}, {TABLE} (columns ImageID, PatientID, split) and the images in PadChest_GR/*.png, from "
    "https://bimcv.cipf.es/bimcv-projects/padchest-gr (on request)"
)
FIELDS = "each report needs ImageID and findings; each finding needs labels, abnormal, boxes and extra_boxes"
Readings = Mapping[str, Mapping[str, FloatArray]]
"""Reader -> finding -> (M,4) boxes."""


class PadChestGr(_files.FileDataset):
    """PadChest-GR: 4,555 radiographs whose reports are split into findings, with boxes by up to two readers.

    ::

        root/  grounded_reports_20240819.json   master_table.csv   PadChest_GR/<image>.png

    Labels: the findings (``labels`` of abnormal sentences, as PadChest writes them) of which at least ``least`` images
    (option, 30) have a box, sorted by name; an image shows a finding if a sentence names it. Boxes: x0, y0, x1, y1 as
    shares of the image's sides, **from 0 to 1**, converted to the frame of the file. Truth: the first reader's
    (``boxes``). ``readings(i)`` has both readers, the second as ``extra_boxes``; suites have the row ``readers``.

    The images may also be in ``Padchest_GR_files/PadChest_GR``, the folder of the published archive.

    Official split: that of ``master_table.csv``. Patients are PadChest's.

    Licence: for research, no redistribution. Cite: de Castro et al., PadChest-GR, arXiv:2411.05085.
    """

    name = "padchest_gr"
    origin = layout = LAYOUT
    has_readings = True
    about = About(
        title="PadChest-GR",
        size="4,555 images of 4,555 studies, PNG of 16 bits",
        access="on request to BIMCV, with a data use agreement",
        licence="PadChest Dataset Research Use Agreement: for research, no redistribution",
        citation="de Castro et al., PadChest-GR: A Bilingual Chest X-ray Dataset for Grounded Report Generation, "
        "arXiv:2411.05085",
        boxes="a finding of a sentence of the report, drawn by up to two radiologists",
    )

    def __init__(self, request: Request, least: int = LEAST) -> None:
        root = request.folder(LAYOUT)
        self.split = request.split
        report_files = sorted(root.glob(REPORTS))
        if len(report_files) != 1:
            raise DataError(f"{root} has {len(report_files)} files {REPORTS}, not one: {LAYOUT}")
        path = report_files[0]
        table_path = root / TABLE
        marks = read_reports(path)
        table = (
            read_csv(table_path, ("ImageID", "PatientID", "split"))
            .drop_duplicates("ImageID")
            .set_index("ImageID")
        )
        refuse_unknown(table_path, table["split"], tuple(SPLITS))
        unlisted = [image for image in marks if image not in table.index]
        if unlisted:
            raise DataError(
                f"{path}: the image {unlisted[0]} is not in {TABLE} ({len(unlisted)} are not)"
            )
        boxed = Counter(
            finding
            for image_marks in marks.values()
            for finding in {w for w, field, _ in image_marks if field}
        )
        self.findings = tuple(sorted(finding for finding, count in boxed.items() if count >= least))
        if not self.findings:
            raise DataError(
                f"{path} has no finding with boxes on {least} images: use padchest_gr:least=1"
            )
        request.task({len(self.findings): self.findings}, self.name, len(self.findings))
        files = images.find(root, *FOLDERS)
        names = _files.with_file(root, marks, files, LAYOUT)
        patients = [str(table.at[image, "PatientID"]) for image in names]
        official = partial(np.array, [SPLITS[str(table.at[image, "split"])] for image in names])
        chosen = dict(
            compress(
                zip(names, patients, strict=True), _files.in_split(patients, request, official)
            )
        )
        frames = {image: images.frame(files[image]) for image in chosen}
        scaled = []
        for image in chosen:
            height, width = frames[image]
            for finding, field, box in marks[image]:
                if field and finding in self.findings:
                    pixels = box * np.array([width, height, width, height])
                    scaled.append((image, f"{finding} of {READERS[field]}", pixels))
        truth, clipped = _files.boxes_by_image(path, scaled, frames)
        self._readings = [_readings(truth.get(image, {})) for image in chosen]
        self.rows = []
        for (image, patient), readings in zip(chosen.items(), self._readings, strict=True):
            image_findings = {finding for finding, *_ in marks[image]}
            row = self._row(image, patient, files[image], frames[image], image_findings, readings)
            self.rows.append(row)
        about = {"lists": TABLE, "patients": "PadChest's", "least": least}
        without_file = len(marks) - len(names)
        self.describe = _files.described(
            request.partition, self.rows, without_file, clipped, [path, table_path], **about
        )

    def readings(self, index: int) -> Readings:
        """Return each reader's boxes on the image at ``index``: reader -> finding -> (M,4) in its frame."""
        return self._readings[index]

    def _row(
        self,
        image: str,
        patient: str,
        file: str,
        frame: tuple[int, int],
        image_findings: set[str],
        readings: Readings,
    ) -> Sample:
        labels = np.array([finding in image_findings for finding in self.findings], np.float32)
        return _files.file_sample(
            image, patient, file, frame, labels, readings.get(READERS["boxes"], {})
        )


def _readings(boxes: Mapping[str, FloatArray]) -> dict[str, dict[str, FloatArray]]:
    read: dict[str, dict[str, FloatArray]] = {}
    for name, finding_boxes in boxes.items():
        finding, _, reader = name.rpartition(" of ")
        read.setdefault(reader, {})[finding] = finding_boxes
    return read


def read_reports(path: Path) -> dict[str, list[tuple[str, str, FloatArray]]]:
    """Return image -> finding, field and box (4,) in shares of the sides; without a box the field is empty.

    Raises ``DataError`` for a report without an image, and for boxes that are not four shares from 0 to 1.
    """
    content: Any = read_json(path)
    if not isinstance(content, list):
        raise DataError(
            f"{path} contains a {type(content).__name__}, not a list of reports: {FIELDS}"
        )
    marks: dict[str, list[tuple[str, str, FloatArray]]] = {}
    for number, report in enumerate(content, start=1):
        where = f"{path}, report {number}"
        if not isinstance(report, dict) or not report.get("ImageID"):
            raise DataError(f"{where} has no image (ImageID): {FIELDS}")
        image = str(report["ImageID"])
        if image in marks:
            raise DataError(f"{where}: the image {image} has a second report: keep one of each")
        try:
            marks[image] = [*_of_report(report, where)]
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise DataError(
                f"{where} cannot be read ({type(error).__name__}: {error}): {FIELDS}"
            ) from error
    return marks


def _of_report(report: Mapping[str, Any], where: str) -> Iterator[tuple[str, str, FloatArray]]:
    """Yield the marks of a report: those of its abnormal sentences."""
    for finding in report["findings"]:
        if not finding["abnormal"]:
            continue
        for name in dict.fromkeys(map(str, finding["labels"])):
            yield name, "", np.full(4, np.nan)
            for field in READERS:
                for box in finding.get(field) or ():
                    edges = np.array(box, np.float64)
                    if edges.shape != (4,) or not ((edges >= 0) & (edges <= 1)).all():
                        raise DataError(
                            f"{where} has the box {box} ({name}): give x0, y0, x1, y1 from 0 to 1"
                        )
                    yield name, field, edges
