"""A tiny CheXpert with path prefixes, uncertain and empty labels, lateral views, RGB files and CheXlocalize's masks."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

OBSERVATIONS = [
    *("No Finding", "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation", "Pneumonia"),
    *("Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", "Support Devices"),
]
BATCHES = [f"CheXpert-v1.0 batch {n} ({what})" for n, what in ((1, "validate & csv"), (2, "train 1"), (3, "train 2"))]
FRAME = (40, 30)
"""(H, W) as published; the small copies have half the size."""
TRAIN: list[tuple[str, dict[str, str]]] = [
    ("patient00001/study1/view1_frontal.jpg", {"Cardiomegaly": "-1.0", "Edema": "-1.0", "Pneumonia": "-1.0"}),
    ("patient00001/study1/view2_lateral.jpg", {"Cardiomegaly": "-1.0", "Edema": "-1.0", "Pneumonia": "-1.0"}),
    ("patient00001/study2/view1_frontal.jpg", {"Pleural Effusion": "1.0", "Edema": "0.0"}),
    ("patient00002/study1/view1_frontal.jpg", {"No Finding": "1.0", "Support Devices": "1.0"}),
    ("patient00003/study1/view1_frontal.jpg", {"Consolidation": "-1.0", "Fracture": "1.0"}),
    ("patient00004/study1/view1_frontal.jpg", {"Atelectasis": "-1.0"}),
]
VALID: list[tuple[str, dict[str, str]]] = [
    ("patient64541/study1/view1_frontal.jpg", {"Cardiomegaly": "1.0", "Lung Opacity": "1.0"}),
    ("patient64541/study1/view2_frontal.jpg", {"Cardiomegaly": "1.0", "Lung Opacity": "1.0"}),
    ("patient64542/study1/view1_frontal.jpg", {"Support Devices": "1.0"}),
    ("patient64542/study1/view2_lateral.jpg", {"Support Devices": "1.0"}),
]
TEST: list[tuple[str, dict[str, str]]] = [("patient64741/study1/view1_frontal.jpg", {"Edema": "1"})]


def packed(mask: np.ndarray) -> str:
    """Encode a mask as COCO's text of run lengths."""
    flat = mask.T.ravel().astype(int)
    edges = [0, *np.flatnonzero(np.diff(flat, prepend=0)).tolist(), flat.size]
    lengths = np.diff(edges).tolist()
    text = ""
    for i, length in enumerate(lengths):
        value, more = length - (lengths[i - 2] if i > 2 else 0), True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr(bits + 32 * more + 48)
    return text


def drawn(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Return a mask in the published frame that covers half-open xyxy boxes."""
    mask = np.zeros(FRAME, bool)
    for x0, y0, x1, y1 in boxes:
        mask[y0:y1, x0:x1] = True
    return mask


MASKS = {
    "patient64541_study1_view1_frontal": {
        "Cardiomegaly": drawn((8, 20, 20, 30)),
        "Airspace Opacity": drawn((1, 2, 5, 9), (20, 5, 28, 12)),
        "Pleural Effusion": drawn(),
    },
    "patient64542_study1_view1_frontal": {"Cardiomegaly": drawn(), "Support Devices": drawn((0, 0, 30, 2))},
}


def write_chexpert(root: Path, inside: str = "", prefix: str = "CheXpert-v1.0-small", test: bool = False, masks: Any = MASKS) -> Path:
    """``inside``: the folder of tables and images in ``root``; ``prefix``: what stands before each path of the tables.

    ``BATCHES[0]`` is as the archives of full size unpack: patients of training lie in two others, without a folder ``train``.
    """
    base = root / inside
    for name, rows in (("train", TRAIN), ("valid", VALID)):
        lines = [f"{prefix}/{name}/{path},{_about(path)},{_cells(labels)}" for path, labels in rows]
        _write(base, name, [path for path, _ in rows], "Path,Sex,Age,Frontal/Lateral,AP/PA," + ",".join(OBSERVATIONS), lines, f"{name}.csv")
    if test:  # no columns about the patient, another order of findings, no prefix
        lines = [f"test/{path},{_cells(labels, OBSERVATIONS[::-1], '0')}" for path, labels in TEST]
        _write(base, "test", [path for path, _ in TEST], "Path," + ",".join(OBSERVATIONS[::-1]), lines, "test_labels.csv")
    if inside == BATCHES[0]:
        for i, patient in enumerate(sorted((base / "train").iterdir())):
            (root / BATCHES[1 + i % 2]).mkdir(exist_ok=True)
            patient.rename(root / BATCHES[1 + i % 2] / patient.name)
        (base / "train").rmdir()
    if masks is not None:
        found = {image: {word: {"size": list(FRAME), "counts": packed(m)} for word, m in words.items()} for image, words in masks.items()}
        (root / "CheXlocalize").mkdir(exist_ok=True)
        (root / "CheXlocalize" / "gt_segmentations_val.json").write_text(json.dumps(found))
    return root


def _write(base: Path, split: str, paths: list[str], header: str, lines: list[str], table: str) -> None:
    for path in paths:
        file = base / split / path
        file.parent.mkdir(parents=True, exist_ok=True)
        mode = "RGB" if "view2" in path else "L"
        Image.fromarray(np.full((FRAME[0] // 2, FRAME[1] // 2), 90, np.uint8)).convert(mode).save(file)
    (base / table).write_text("\n".join([header, *lines]) + "\n")


def _about(path: str) -> str:
    return "Female,68,Lateral," if "lateral" in path else "Male,73,Frontal,AP"


def _cells(labels: dict[str, str], order: list[str] = OBSERVATIONS, other: str = "") -> str:
    return ",".join(labels.get(name, other) for name in order)
