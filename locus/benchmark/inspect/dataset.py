"""Find errors in a data set before training: read all images, print tables and write a page.

``read``     reads all splits, each image once (``DatasetScan``)
``answers``  checks splits, patients, files, boxes and labels, a row of the table each
``run``      prints the tables and writes the page

Errors in the format of the files are raised by ``locus.datasets``.
"""

import hashlib
import logging
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate
from tqdm import tqdm

from locus import datasets
from locus.benchmark.baselines.fixed_box import HIT_IOU, FixedBox
from locus.benchmark.inspect.question import AnswerRow, conclude
from locus.benchmark.maps.cases import box_cases
from locus.benchmark.report.grouping import grouped
from locus.config import DatasetCheckConfig
from locus.core import limits
from locus.core.errors import DataError, EmptySplitError, NotAvailableError, examples
from locus.core.files import safe_filename, write_text
from locus.core.frames import clip, iou
from locus.core.types import Echo, Sample
from locus.datasets import splits
from locus.datasets.base import SPLITS, Dataset
from locus.scoring.protocols.base import with_truth

log = logging.getLogger(__name__)
ASPECT_TOLERANCE = 0.02
"""Largest relative difference between the aspect ratios of an image and of the frame of its boxes."""
FEW_LEVELS = 32
MAX_LISTED_DUPLICATES = 4
"""Maximum number of images that are listed for a group of duplicates."""

COUNTS = ("split", "finding", "present", "absent", "unknown", "boxes", "images with boxes")
SIZE_COLUMNS = ("split", "images", "patients", "opened")


@dataclass(frozen=True, eq=False)
class ImageScan:
    """One image of a split, with a summary of its pixels."""

    split: str
    sample: Sample
    pixel_hash: str = ""
    """Hash of shape and pixels; empty if the image was not opened or cannot be read."""
    shape: tuple[int, int] | None = None
    levels: int = 256
    """Number of grey levels."""
    reason: str = ""
    """Why the image cannot be read."""


@dataclass(frozen=True)
class DatasetScan:
    """Everything read from a data set."""

    findings: tuple[str, ...]
    images: Sequence[ImageScan]
    labels: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    """Split -> (N,K) labels."""
    refused: dict[str, str] = field(default_factory=dict)
    """Split -> why it cannot be loaded."""
    not_listed: tuple[str, ...] = ()
    """Training and validation splits that the tables do not list: the data set is a test set."""
    left_out: int = 0
    """Number of images that the data set left out because their files cannot be read."""
    missing: dict[str, int] = field(default_factory=dict)
    """Split -> number of listed images without a file; for some data sets the number over all splits."""
    warnings: tuple[str, ...] = ()
    """Warnings while loading: missing files, clipped boxes."""
    fixed_box: str = "the test split cannot be loaded"
    """How many test cases the baseline ``fixed_box`` hits, or why it is not available."""


def read(config: DatasetCheckConfig) -> DatasetScan:
    """Read all splits, each image once. Raises ``LocusError`` if no split can be loaded.

    Unreadable images are included with their error; at most ``config.images`` images per split are opened.
    """
    data_of_split: dict[str, Dataset] = {}
    request = {"img_size": config.img_size, **config.split_arguments()}
    refused: dict[str, DataError] = {}
    warnings = BufferingHandler(sys.maxsize)
    logger = logging.getLogger("locus.datasets")
    warnings.setLevel(logging.WARNING)
    logger.addHandler(warnings)
    try:
        for split in SPLITS:
            try:
                data_of_split[split] = datasets.load(
                    config.dataset, config.data_root_dir, split, **request
                )
            except DataError as error:
                refused[split] = error
    finally:
        logger.removeHandler(warnings)
    messages = tuple(dict.fromkeys(record.getMessage() for record in warnings.buffer))
    if not data_of_split:
        raise refused["test"]
    empty = [
        split
        for split, error in refused.items()
        if "test" in data_of_split and isinstance(error, EmptySplitError)
    ]
    refused = {split: error for split, error in refused.items() if split not in empty}
    images = [
        image
        for split, data in data_of_split.items()
        for image in _scan_images(split, list(data), config.images)
    ]
    left_out = max(
        int(data.describe.get("images_unreadable", 0)) for data in data_of_split.values()
    )
    labels = {split: data.labels for split, data in data_of_split.items()}
    missing = {
        split: int(data.describe.get("images_without_file", 0))
        for split, data in data_of_split.items()
    }
    findings = next(iter(data_of_split.values())).findings
    sentences = {split: str(error) for split, error in refused.items()}
    baseline = (
        {"fixed_box": _fixed_box_hits(data_of_split["test"])} if "test" in data_of_split else {}
    )
    return DatasetScan(
        findings, images, labels, sentences, tuple(empty), left_out, missing, messages, **baseline
    )


def _fixed_box_hits(data: Dataset) -> str:
    """Return the share of cases that one box per finding hits, mean over findings, or the reason why it is unknown."""
    samples = [sample for sample in data if sample.boxes]
    if not samples:
        return "no truth box"
    try:
        cases = with_truth(box_cases(FixedBox(), samples, data))
    except NotAvailableError as error:
        return str(error)
    hits = [
        (
            case.finding,
            bool((iou(np.asarray(case.submitted_boxes)[:, :4], case.boxes) > HIT_IOU).any()),
        )
        for case in cases
    ]
    share = np.mean(
        [
            np.mean([hit for _, hit in group])
            for group in grouped(hits, lambda pair: pair[0]).values()
        ]
    )
    return f"{share:.3f} of {len(cases)} test cases at IoU > .3, mean over findings: the score to exceed"


def _scan_images(split: str, samples: list[Sample], limit: int | None) -> list[ImageScan]:
    """Scan all samples; the images of the first ``limit`` (None: all) are opened, with a thread per CPU."""
    most = len(samples) if limit is None else min(limit, len(samples))
    log.info("opening %d %s images", most, split)
    with ThreadPoolExecutor(limits.cpus()) as threads:
        scans = threads.map(lambda sample: _scan_image(split, sample), samples[:most])
        opened = list(
            tqdm(scans, desc=f"open {split}", total=most, unit="image", leave=False, disable=None)
        )
    return opened + [ImageScan(split, sample) for sample in samples[most:]]


def _scan_image(split: str, sample: Sample) -> ImageScan:
    try:
        pixels = sample.image
        _ = sample.masks  # masks are decoded only to find broken ones
    except DataError as error:
        return ImageScan(split, sample, reason=str(error))
    digest = hashlib.sha256(
        repr(pixels.shape).encode() + np.ascontiguousarray(pixels).tobytes()
    ).hexdigest()
    levels = int(np.count_nonzero(np.bincount(pixels.ravel(), minlength=256)))
    return ImageScan(split, sample, digest, (pixels.shape[0], pixels.shape[1]), levels)


def answers(scan: DatasetScan) -> list[AnswerRow]:
    """Return one row per check of the data set, in the order of the printed table."""
    refused = [f"{split}: {sentence}" for split, sentence in scan.refused.items()]
    missing = [f"{split} {count}" for split, count in scan.missing.items() if count]
    loaded = "all three"
    if scan.not_listed:
        loaded = f"a test set: its tables list no image of {' and '.join(scan.not_listed)}"
    return [
        _answer("splits that load", refused, "fail", loaded),
        _patients(scan),
        _duplicates(scan),
        _labels(scan),
        _unreadable(scan),
        _grey_levels(scan),
        _answer("listed images without a file", missing, "fail"),
        AnswerRow("hits of one fixed box per finding", "info", scan.fixed_box),
        _validation_count(scan),
        _outside(scan),
        _frames(scan),
        _boxes_and_labels(scan),
        _answer("warnings while loading", scan.warnings, "note"),
    ]


def _patients(scan: DatasetScan) -> AnswerRow:
    by_patient = grouped(scan.images, lambda image: image.sample.patient_id)
    names = {
        patient: sorted({image.split for image in images}) for patient, images in by_patient.items()
    }
    shared = [
        f"{patient} ({', '.join(splits)})" for patient, splits in names.items() if len(splits) > 1
    ]
    return _answer("patients in several splits", shared, "fail")


def _unreadable(scan: DatasetScan) -> AnswerRow:
    bad = [image.reason for image in scan.images if image.reason]
    if scan.left_out:
        remark = "were left out while loading, see the warnings" + (
            f"; {examples(bad)}" if bad else ""
        )
        return AnswerRow(
            "unreadable files", "fail", f"{len(bad) + scan.left_out}: {scan.left_out} {remark}"
        )
    return _answer("unreadable files", bad, "fail")


def _grey_levels(scan: DatasetScan) -> AnswerRow:
    """Find nearly black images, such as 12-bit values in 16-bit files."""
    few = [
        f"{image.sample.image_id} {image.levels}"
        for image in scan.images
        if image.levels < FEW_LEVELS
    ]
    question = (
        f"images with fewer than {FEW_LEVELS} of 256 grey levels (12-bit values in a 16-bit file?)"
    )
    return _answer(question, few, "note")


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
    wrong = [
        f"{image.sample.image_id} {finding}"
        for image, finding in boxed
        if not _fits(image, finding)
    ]
    return _answer("boxes outside the image or below one pixel", wrong, "fail")


def _fits(image: ImageScan, finding: str) -> bool:
    boxes = image.sample.boxes[finding]
    return bool(
        (boxes[:, 2:] - boxes[:, :2] >= 1).all()
        and (clip(boxes, image.sample.frame) == boxes).all()
    )


def _frames(scan: DatasetScan) -> AnswerRow:
    """Find images whose aspect ratio differs from that of the frame of their boxes."""
    wrong = []
    for image in scan.images:
        shape = image.shape
        frame = image.sample.frame
        if (
            shape
            and image.sample.boxes
            and abs(_ratio(shape) / _ratio(frame) - 1) > ASPECT_TOLERANCE
        ):
            wrong.append(
                f"{image.sample.image_id} is {shape[1]}x{shape[0]}, its frame {frame[1]}x{frame[0]}"
            )
    return _answer("aspect ratio of image and frame", wrong, "fail", "equal")


def _ratio(size: tuple[int, int]) -> float:
    return size[1] / max(size[0], 1)


def _boxes_and_labels(scan: DatasetScan) -> AnswerRow:
    columns = {finding: k for k, finding in enumerate(scan.findings)}
    samples = [image.sample for image in scan.images]
    boxed = []
    for sample in samples:
        findings_with_box = [finding for finding, boxes in sample.boxes.items() if len(boxes)]
        boxed += [(sample, finding) for finding in findings_with_box]
    wrong = [
        f"{sample.image_id} {finding}"
        for sample, finding in boxed
        if sample.labels[columns[finding]] != 1
    ]
    return _answer("boxes of findings whose label is not 1", wrong, "note")


def _labels(scan: DatasetScan) -> AnswerRow:
    """Find images with equal pixels and contradicting labels."""
    wrong = []
    for group in _duplicate_groups(scan.images):
        labels = np.stack([image.sample.labels for image in group])
        present = (labels == 1).any(axis=0)
        absent = (labels == 0).any(axis=0)
        names = [
            finding for finding, both in zip(scan.findings, present & absent, strict=True) if both
        ]
        wrong += [f"{_describe_group(group)}: {examples(names)}"] if names else []
    return _answer("duplicates with different labels", wrong, "fail")


def _duplicate_groups(images: Iterable[ImageScan]) -> list[list[ImageScan]]:
    """Return groups of two or more images with equal pixels."""
    groups = grouped(
        (image for image in images if image.pixel_hash), lambda image: image.pixel_hash
    )
    return [group for group in groups.values() if len(group) > 1]


def _describe_group(group: Sequence[ImageScan]) -> str:
    """List the first images of a group, starting with one of each split; a group may have thousands of images."""
    firsts = list({image.split: image for image in reversed(group)}.values())[::-1]
    order = [*firsts, *(image for image in group if image not in firsts)]
    ending = (
        f" and {len(order) - MAX_LISTED_DUPLICATES} more"
        if len(order) > MAX_LISTED_DUPLICATES
        else ""
    )
    return (
        " = ".join(
            f"{image.sample.image_id} ({image.split})" for image in order[:MAX_LISTED_DUPLICATES]
        )
        + ending
    )


def _answer(
    question: str, wrong: Sequence[str], verdict: Literal["note", "fail"], none: str = "none"
) -> AnswerRow:
    if not wrong:
        return AnswerRow(question, "pass", none)
    return AnswerRow(question, verdict, f"{len(wrong)}: {examples(wrong)}")


def run(config: DatasetCheckConfig, echo: Echo) -> list[str]:
    """Check the data set of ``config``; return the questions of the checks that failed.

    Writes ``report.md`` in ``config.output``. Raises ``LocusError`` for data that cannot be loaded.
    """
    scanned = read(config)
    rows = answers(scanned)
    file = Path(config.output) / safe_filename(config.dataset) / "report.md"
    tables = page(scanned, rows)
    write_text(file, f"# {config.dataset}\n\n{tables}\n")
    echo(f"{tables}\n\nReport: {file}")
    return conclude(config.dataset, rows, echo)


def page(scanned: DatasetScan, rows: list[AnswerRow]) -> str:
    """Return the report as Markdown: counts and answers."""
    answers_table = [row[:3] for row in rows], ("question", "verdict", "seen")
    tables = [(_sizes(scanned), SIZE_COLUMNS), (counts(scanned), COUNTS), answers_table]
    return "\n\n".join(
        tabulate(list(lines), headers=headers, tablefmt="github") for lines, headers in tables
    )


def _sizes(scanned: DatasetScan) -> Iterator[tuple[str, int, int, int]]:
    for split in scanned.labels:
        images = [image for image in scanned.images if image.split == split]
        patients = {image.sample.patient_id for image in images}
        yield (
            split,
            len(images),
            len(patients),
            sum(bool(image.shape or image.reason) for image in images),
        )


def counts(scanned: DatasetScan) -> Iterator[tuple[str, str, int, int, int, int, int]]:
    """Return a row per split and finding, in the order of ``COUNTS``."""
    for split, labels in scanned.labels.items():
        boxed = [image.sample.boxes for image in scanned.images if image.split == split]
        for finding, column in zip(scanned.findings, labels.T, strict=True):
            boxes = [len(of_image[finding]) for of_image in boxed if finding in of_image]
            present, absent, unknown = (
                int(is_so.sum()) for is_so in (column == 1, column == 0, np.isnan(column))
            )
            yield split, finding, present, absent, unknown, sum(boxes), len(boxes)
