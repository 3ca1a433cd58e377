"""Examine a data set, report the tables, write the page."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from tabulate import tabulate

from benchmark.check import AnswerRow, conclude
from benchmark.check.dataset import pictures
from benchmark.check.dataset.checks import answers
from benchmark.check.dataset.scan import DatasetScan, ImageScan, read
from config import DoctorConfig
from core.files import stem, write_text

COUNTS = ("split", "finding", "present", "absent", "unknown", "boxes", "images with boxes")
SPLITS = ("split", "images", "patients", "opened")


def run(config: DoctorConfig, report: Callable[[str], None]) -> list[str]:
    """Examine the data set that ``config`` names; gives the questions whose answer is wrong.

    Writes ``report.md`` and ``samples.png`` below ``config.output``. Raises ``LocusError`` for data that cannot be
    loaded.
    """
    scanned = read(config)
    rows = answers(scanned)
    folder = Path(config.output) / stem(config.name)
    shown = pictures.save(scanned, folder / "samples.png")
    write_text(folder / "report.md", page(config.name, scanned, rows))
    report("\n\n".join(_tables(scanned, rows, "simple")))
    report(f"\n{shown} pictures with their boxes: {folder / 'samples.png'}; report.md beside it")
    return conclude(config.name, rows, report)


def page(name: str, scanned: DatasetScan, rows: list[AnswerRow]) -> str:
    """Markdown: answers, counts and the sheet of pictures.

    The same scan gives the same text.
    """
    tables = _tables(scanned, rows, "github")
    return "\n\n".join([f"# {name}", *tables, "![sample pictures with their boxes](samples.png)\n"])


def _tables(scanned: DatasetScan, rows: list[AnswerRow], style: str) -> list[str]:
    widths = [None, None, 90] if style == "simple" else None
    return [
        tabulate(list(_sizes(scanned)), headers=SPLITS, tablefmt=style),
        tabulate(list(counts(scanned)), headers=COUNTS, tablefmt=style),
        tabulate(rows, headers=("question", "verdict", "seen"), tablefmt=style, maxcolwidths=widths),
    ]


def _sizes(scanned: DatasetScan) -> Iterator[tuple[str, int, int, int]]:
    for split in scanned.labels:
        images = _of(scanned, split)
        patients = {image.sample.patient_id for image in images}
        yield split, len(images), len(patients), sum(bool(image.shape or image.reason) for image in images)


def counts(scanned: DatasetScan) -> Iterator[tuple[str, str, int, int, int, int, int]]:
    """A row per split and finding, in the order of ``COUNTS``."""
    for split, labels in scanned.labels.items():
        for k, finding in enumerate(scanned.findings):
            boxes = [len(image.sample.boxes[finding]) for image in _of(scanned, split) if finding in image.sample.boxes]
            column = labels[:, k]
            present, absent, unknown = (int(is_so.sum()) for is_so in (column == 1, column == 0, np.isnan(column)))
            yield split, finding, present, absent, unknown, sum(boxes), len(boxes)


def _of(scanned: DatasetScan, split: str) -> list[ImageScan]:
    return [image for image in scanned.images if image.split == split]
