"""Checks of a data set: splits, patients, files, boxes and labels. Each returns a row of the table."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np

from benchmark.check import AnswerRow
from benchmark.check.dataset.scan import DatasetScan, ImageScan
from core.boxes import clip
from core.errors import examples
from datasets import splits

ASPECT_TOLERANCE = 0.02
"""Largest relative difference between the aspect ratios of an image and of the frame of its boxes."""
NAMED = 4
"""Maximum number of images that are listed for a group of duplicates."""


def answers(scan: DatasetScan) -> list[AnswerRow]:
    """Return one row per check of the data set, in the order of the printed table."""
    refused = [f"{split}: {sentence}" for split, sentence in scan.refused.items()]
    missing = [f"{split} {count}" for split, count in scan.missing.items() if count]
    return [
        _answer("splits that load", refused, "fail", "all three"),
        *(_patients(scan), _duplicates(scan), _labels(scan), _unreadable(scan)),
        _answer("listed images without a file", missing, "fail"),
        *(_validation_count(scan), _outside(scan), _frames(scan), _boxes_and_labels(scan)),
        _answer("warnings while loading", scan.warnings, "note"),
    ]


def _patients(scan: DatasetScan) -> AnswerRow:
    splits_of_patient: dict[str, set[str]] = defaultdict(set)
    for image in scan.images:
        splits_of_patient[image.sample.patient_id].add(image.split)
    several = {patient: sorted(names) for patient, names in splits_of_patient.items() if len(names) > 1}
    shared = [f"{patient} ({', '.join(names)})" for patient, names in several.items()]
    return _answer("patients in several splits", shared, "fail")


def _unreadable(scan: DatasetScan) -> AnswerRow:
    bad = [image.reason for image in scan.images if image.reason]
    if scan.left_out:
        remark = "were left out while loading, see the warnings" + (f"; {examples(bad)}" if bad else "")
        return AnswerRow("unreadable files", "fail", f"{len(bad) + scan.left_out}: {scan.left_out} {remark}")
    return _answer("unreadable files", bad, "fail")


def _validation_count(scan: DatasetScan) -> AnswerRow:
    """Check the number of validation images, on which training chooses its checkpoint; a test set has none."""
    count = len(scan.labels.get("val", ()))
    sentence = splits.few_validation_images_warning(count) if count else ""
    return AnswerRow("validation images", "note" if sentence else "pass", sentence or str(count))


def _duplicates(scan: DatasetScan) -> AnswerRow:
    """Find images with equal pixels: an error (a leak) across splits, a note within a split."""
    groups = _duplicate_groups(scan.images)
    across = [group for group in groups if len({image.split for image in group}) > 1]
    where = "across splits" if across else "within a split"
    duplicates = [f"{where}: {_describe_group(group)}" for group in across or groups]
    return _answer("duplicate images", duplicates, "fail" if across else "note")


def _outside(scan: DatasetScan) -> AnswerRow:
    """Find boxes that are partly outside their frame or below one pixel, such as shares of the image."""
    boxed = ((image, finding) for image in scan.images for finding in image.sample.boxes)
    wrong = [f"{image.sample.image_id} {finding}" for image, finding in boxed if not _fits(image, finding)]
    return _answer("boxes outside the image or below one pixel", wrong, "fail")


def _fits(image: ImageScan, finding: str) -> bool:
    boxes = image.sample.boxes[finding]
    return bool((boxes[:, 2:] - boxes[:, :2] >= 1).all() and (clip(boxes, image.sample.frame) == boxes).all())


def _frames(scan: DatasetScan) -> AnswerRow:
    """Find images whose aspect ratio differs from that of the frame of their boxes."""
    wrong = []
    for image in scan.images:
        shape, frame = image.shape, image.sample.frame
        if shape and image.sample.boxes and abs(_ratio(shape) / _ratio(frame) - 1) > ASPECT_TOLERANCE:
            wrong.append(f"{image.sample.image_id} is {shape[1]}x{shape[0]}, its frame {frame[1]}x{frame[0]}")
    return _answer("aspect ratio of image and frame", wrong, "fail", "equal")


def _ratio(size: tuple[int, int]) -> float:
    return size[1] / max(size[0], 1)


def _boxes_and_labels(scan: DatasetScan) -> AnswerRow:
    columns = {finding: k for k, finding in enumerate(scan.findings)}
    samples = [image.sample for image in scan.images]
    boxed = ((sample, finding) for sample in samples for finding, boxes in sample.boxes.items() if len(boxes))
    wrong = [f"{sample.image_id} {finding}" for sample, finding in boxed if sample.labels[columns[finding]] != 1]
    return _answer("boxes of findings whose label is not 1", wrong, "note")


def _labels(scan: DatasetScan) -> AnswerRow:
    """Find images with equal pixels and contradicting labels."""
    wrong = []
    for group in _duplicate_groups(scan.images):
        labels = np.stack([image.sample.labels for image in group])
        present, absent = (labels == 1).any(axis=0), (labels == 0).any(axis=0)
        names = [finding for finding, both in zip(scan.findings, present & absent, strict=True) if both]
        wrong += [f"{_describe_group(group)}: {examples(names)}"] if names else []
    return _answer("duplicates with different labels", wrong, "fail")


def _duplicate_groups(images: Iterable[ImageScan]) -> list[list[ImageScan]]:
    """Return groups of two or more images with equal pixels."""
    groups: dict[str, list[ImageScan]] = defaultdict(list)
    for image in images:
        if image.pixel_hash:
            groups[image.pixel_hash].append(image)
    return [group for group in groups.values() if len(group) > 1]


def _describe_group(group: Sequence[ImageScan]) -> str:
    """List the first images of a group, starting with one of each split; a group may have thousands of images."""
    firsts = list({image.split: image for image in reversed(group)}.values())[::-1]
    order = [*firsts, *(image for image in group if image not in firsts)]
    rest = f" and {len(order) - NAMED} more" if len(order) > NAMED else ""
    return " = ".join(f"{image.sample.image_id} ({image.split})" for image in order[:NAMED]) + rest


def _answer(question: str, wrong: Sequence[str], verdict: Literal["note", "fail"], none: str = "none") -> AnswerRow:
    if not wrong:
        return AnswerRow(question, "pass", none)
    return AnswerRow(question, verdict, f"{len(wrong)}: {examples(wrong)}")
