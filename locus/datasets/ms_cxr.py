"""MS-CXR: boxes of phrases of radiology reports, in a COCO file. A phrase of an image is a case."""

import re
from functools import partial
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np

from locus.core.errors import DataError
from locus.core.frames import xywh_to_xyxy
from locus.core.types import FloatArray
from locus.datasets import _files
from locus.datasets.base import About, Request
from locus.datasets.io.tables import below, first_of, read_json, refuse_unknown

FINDINGS = (
    "Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Lung Opacity", "Pleural Effusion", "Pneumonia",
    "Pneumothorax",
)  # fmt: skip
TABLES = ("MS_CXR_Local_Alignment_v1.1.0.json", "MS_CXR_Local_Alignment_v1.0.0.json")
PATIENT = re.compile(r"/p(\d{8})/")
"""The patient in the path of an image of MIMIC-CXR."""
COCO = (
    "images need id, path (or file_name), width and height; annotations need image_id, category_id, label_text "
    "and bbox"
)
LAYOUT = (
    f"expected {TABLES[0]} from https://physionet.org/content/ms-cxr, and the images in it below "
    "files/p10/… of MIMIC-CXR-JPG (https://physionet.org/content/mimic-cxr-jpg); both need credentialed access"
)


class MsCxr(_files.FileDataset):
    """MS-CXR: 1,162 pairs of a radiograph of MIMIC-CXR and a phrase, with the boxes of what the phrase describes.

    ::

        root/  MS_CXR_Local_Alignment_v1.1.0.json   files/p10/p10000032/s50414267/<image>.jpg

    **A phrase is a case**: an image with three phrases is three samples, ``<image>#0`` to ``<image>#2``, with the same
    patient. A sample has one ``finding`` with label 1, the boxes of its phrase, and ``meta["phrase"]``; its other
    labels are unknown. Tables of cases have the phrase in a column beside ``finding``. Several boxes of one phrase are
    one case. Labels: 8 findings. Boxes: COCO's x, y, width, height
    in the frame of the published image.

    Every sample is a test sample; with the option ``whole=False``, the split is random by patient. Patients are those
    of MIMIC-CXR. A network that was trained on MIMIC-CXR may have seen the images.

    Licence: PhysioNet's credentialed licence. Cite: Boecking et al., ECCV 2022; doi:10.13026/9g2z-jg61.
    """

    name = "ms_cxr"
    origin = layout = LAYOUT
    about = About(
        title="MS-CXR",
        size="1,162 phrases on 1,047 images of MIMIC-CXR",
        access="PhysioNet, credentialed, with a data use agreement",
        licence="PhysioNet Credentialed Health Data License 1.5.0",
        citation=(
            "Boecking et al., Making the Most of Text Semantics to Improve Biomedical Vision-Language Processing, ECCV "
            "2022; doi:10.13026/9g2z-jg61"
        ),
        boxes="what a phrase of the report describes, drawn by radiologists",
    )

    def __init__(self, request: Request, whole: bool = True) -> None:
        root = request.folder(LAYOUT)
        self.split = request.split
        self.findings = request.task({8: FINDINGS}, self.name, 8)
        path = first_of(root, TABLES)
        if path is None:
            raise DataError(f"{root} has no {TABLES[0]}: {LAYOUT}")
        images, marks = _read(path)
        file_of = {name: below(root, name, path) for name in images}
        files = {name: str(file) for name, file in file_of.items() if file.is_file()}
        present = {*_files.with_file(root, images, files, LAYOUT)}
        numbers: dict[str, list[tuple[str, str]]] = {}
        case_marks = []
        for image, finding, phrase, box in marks:
            phrases = numbers.setdefault(image, [])
            if (finding, phrase) not in phrases:
                phrases.append((finding, phrase))
            case_marks.append((_case(image, phrases.index((finding, phrase))), finding, box))
        cases = {
            _case(image, n): (image, *pair)
            for image in images
            for n, pair in enumerate(numbers.get(image, ()))
        }
        listed = [case for case, (image, *_) in cases.items() if image in present]
        patients = [_patient(cases[case][0]) for case in listed]
        chosen = compress(listed, _files.in_split(patients, request, whole=whole))
        frames = {case: images[cases[case][0]] for case in chosen}
        truth, clipped = _files.boxes_by_image(path, case_marks, frames)
        sample = partial(self._sample, truth=truth, frames=frames, files=files)
        self.rows = [sample(case, *cases[case]) for case in frames]
        lists = "every sample is test" if whole else "drawn by patient"
        about = {"lists": lists, "patients": "MIMIC-CXR's", "phrases": len(self.rows)}
        partition = "whole" if whole else request.partition
        self.describe = _files.described(
            partition, self.rows, len(images) - len(present), clipped, [path], **about
        )

    def _sample(
        self, case: str, image: str, finding: str, phrase: str, *, truth: _files.BoxesByImage,
        frames: dict[str, tuple[int, int]], files: dict[str, str],
    ) -> Any:  # fmt: skip
        labels = np.full(len(self.findings), np.nan, np.float32)
        labels[self.findings.index(finding)] = 1
        return _files.file_sample(
            case,
            _patient(image),
            files[image],
            frames[case],
            labels,
            truth[case],
            {"phrase": phrase, "source_image": image},
        )


def _patient(image: str) -> str:
    """Return the patient in the path of an image; the image itself if there is none."""
    match = PATIENT.search(f"/{image}")
    return match[1] if match else image


def _case(image: str, number: int) -> str:
    return f"{Path(image).name}#{number}"


def _read(path: Path) -> tuple[dict[str, tuple[int, int]], list[tuple[str, str, str, FloatArray]]]:
    """Return image -> frame (H, W), and image, finding, phrase and box (4,) of each annotation."""
    content: Any = read_json(path)
    try:
        entries = {entry["id"]: entry for entry in content["images"]}
        names = {
            key: str(entry.get("path") or entry["file_name"]) for key, entry in entries.items()
        }
        frames = {
            names[key]: (int(entry["height"]), int(entry["width"]))
            for key, entry in entries.items()
        }
        category_names = {entry["id"]: str(entry["name"]) for entry in content["categories"]}
        refuse_unknown(path, [*category_names.values()], FINDINGS)
        marks = []
        for row in content["annotations"]:
            where = f"annotation {row['id']}"
            phrase = str(row.get("label_text") or "").strip()
            if not phrase:
                raise DataError(f"{path}, {where} has no phrase (label_text): {COCO}")
            if not row.get("bbox"):
                raise DataError(
                    f"{path}, {where}: the phrase {phrase[:60]!r} has no box (bbox): {COCO}"
                )
            if row["image_id"] not in names:
                raise DataError(
                    f"{path}, {where}: the image {row['image_id']} is not listed: {COCO}"
                )
            box = xywh_to_xyxy(np.array([row["bbox"]], np.float64).reshape(1, 4))[0]
            marks.append((names[row["image_id"]], category_names[row["category_id"]], phrase, box))
    except (TypeError, KeyError, ValueError, AttributeError) as error:
        wrong = f"{path} is not MS-CXR's COCO file ({type(error).__name__}: {error})"
        raise DataError(f"{wrong}: {COCO}") from error
    if not marks:
        raise DataError(f"{path} has no annotations: {COCO}")
    return frames, marks
