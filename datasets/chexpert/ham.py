"""HAM: boxes of nine findings on CheXpert's images, drawn by one radiologist.

``BBoxes.json`` maps the path of an image to findings, and these to [[x0, y0, x1, y1], ...] in pixels of the full-size
image. 2,348 images of 2,202 patients, of whom 2,064 are in train.csv. The licence is not stated.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from core.errors import DataError, examples
from datasets.chexpert.tables import ABNORMAL, DEVICES, FINDINGS, PREFIXES, bases, first_in
from datasets.file_dataset import boxes_by_image
from datasets.io import images
from datasets.io.tables import reading_json, refuse_unknown

FILE = "BBoxes.json"
OTHER_SPELLINGS = {"enlargcardiomediastinum": "Enlarged Cardiomediastinum"}
"""Variant spelling in the file, in lower-case letters -> CheXpert's name."""
BoxesByPath = dict[str, dict[str, list[Any]]]
"""Path (train/patient...) -> finding -> boxes as listed."""


def read(root: Path) -> tuple[Path, BoxesByPath]:
    """Return the file of boxes and its content. Raises ``DataError`` if it is missing or broken."""
    path = first_in([*bases(root), root / "HAM"], (FILE,))
    if path is None:
        raise DataError(f"{root} has no {FILE} of HAM (oxyhust/HAM): put it there, or leave truth=ham out")
    with reading_json(path, "expected a mapping of paths to findings to boxes") as raw:
        marks = {
            _path(image): [(str(word), box) for word, boxes in of.items() for box in boxes] for image, of in raw.items()
        }
    finding_of = {_letters(finding): finding for finding in FINDINGS} | OTHER_SPELLINGS
    words = {word for image_marks in marks.values() for word, _ in image_marks}
    refuse_unknown(path, [word for word in words if _letters(word) not in finding_of], FINDINGS)
    listed: BoxesByPath = {image: {} for image in marks}
    for image, image_marks in marks.items():
        for word, box in image_marks:
            listed[image].setdefault(finding_of[_letters(word)], []).append(box)
    return path, listed


def truth(
    path: Path, listed: BoxesByPath, files: Mapping[str, tuple[str, Path]], findings: Sequence[str]
) -> dict[str, Any]:
    """Return image -> its frame and boxes.

    ``files``: image -> its path in the tables and its file. Raises ``DataError`` for images of the small version and
    for boxes outside their image.
    """
    small = [str(file) for _, file in files.values() if PREFIXES[0] in file.parts]
    if small:
        reason = f"{len(small)} images are from {PREFIXES[0]} ({examples(small)})"
        raise DataError(f"{path} has boxes in pixels of the full-size images, but {reason}: use CheXpert-v1.0")
    frames = {image: images.frame(file) for image, (_, file) in files.items()}
    marks = (
        (image, _task(word, findings), box)
        for image, (name, _) in files.items()
        for word, word_boxes in listed[name].items()
        for box in word_boxes
    )
    by_image, _ = boxes_by_image(path, (mark for mark in marks if mark[1] in findings), frames)
    return {image: {"frame": frames[image], "boxes": by_image.get(image, {})} for image in files}


def _task(word: str, findings: Sequence[str]) -> str:
    return ABNORMAL if tuple(findings) == (ABNORMAL,) and word != DEVICES else word


def _path(image: str) -> str:
    match = re.search(r"(?:train|valid|test)/patient.*$", image)
    if match is None:
        raise ValueError(f"{image!r} is not a path of CheXpert")
    return match.group()


def _letters(word: str) -> str:
    return re.sub("[^a-z]", "", word.lower())
