"""Check a data set: report tables, write a page and a sheet of pictures with truth boxes."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import shorten

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from tabulate import tabulate

from benchmark.check import AnswerRow, conclude
from benchmark.check.dataset.checks import answers
from benchmark.check.dataset.scan import DatasetScan, ImageScan, read
from config import DatasetCheckConfig
from core.files import atomic, safe_filename, write_text
from core.frames import resize_image
from core.types import Echo

COUNTS = ("split", "finding", "present", "absent", "unknown", "boxes", "images with boxes")
SPLITS = ("split", "images", "patients", "opened")
COLUMNS, MOST, SIDE, WIDEST = 4, 16, 320, 4
LABEL_HEIGHT = 0.08
"""Height of a label, as a share of the image's height."""
GROUND = {"facecolor": "black", "alpha": 0.5, "edgecolor": "none", "pad": 0.8}
COLOURS = ("#ff3b30", "#30d158", "#0a84ff", "#ffd60a", "#bf5af2", "#ff9f0a", "#64d2ff", "#ff375f")


def run(config: DatasetCheckConfig, echo: Echo) -> list[str]:
    """Check the data set of ``config``; return the questions of the checks that failed.

    Writes ``report.md`` and ``samples.png`` in ``config.output``. Raises ``LocusError`` for data that cannot be loaded.
    """
    scanned = read(config)
    rows = answers(scanned)
    folder = Path(config.output) / safe_filename(config.name)
    count = save_pictures(scanned, folder / "samples.png")
    write_text(folder / "report.md", page(config.name, scanned, rows))
    echo("\n\n".join(_tables(scanned, rows, "simple")))
    echo(f"\n{count} images with their boxes: {folder / 'samples.png'}. Report: {folder / 'report.md'}")
    return conclude(config.name, rows, echo)


def page(name: str, scanned: DatasetScan, rows: list[AnswerRow]) -> str:
    """Return the report as Markdown: counts, answers and the sheet of pictures."""
    tables = _tables(scanned, rows, "github")
    return "\n\n".join([f"# {name}", *tables, "![sample pictures with their boxes](samples.png)\n"])


def _tables(scanned: DatasetScan, rows: list[AnswerRow], style: str) -> list[str]:
    widths = [None, None, 90] if style == "simple" else None
    checked = [row[:3] for row in rows]
    return [
        tabulate(list(_sizes(scanned)), headers=SPLITS, tablefmt=style),
        tabulate(list(counts(scanned)), headers=COUNTS, tablefmt=style),
        tabulate(checked, headers=("question", "verdict", "seen"), tablefmt=style, maxcolwidths=widths),
    ]


def _sizes(scanned: DatasetScan) -> Iterator[tuple[str, int, int, int]]:
    for split in scanned.labels:
        images = _of(scanned, split)
        patients = {image.sample.patient_id for image in images}
        yield split, len(images), len(patients), sum(bool(image.shape or image.reason) for image in images)


def counts(scanned: DatasetScan) -> Iterator[tuple[str, str, int, int, int, int, int]]:
    """Return a row per split and finding, in the order of ``COUNTS``."""
    for split, labels in scanned.labels.items():
        for k, finding in enumerate(scanned.findings):
            boxes = [len(image.sample.boxes[finding]) for image in _of(scanned, split) if finding in image.sample.boxes]
            column = labels[:, k]
            present, absent, unknown = (int(is_so.sum()) for is_so in (column == 1, column == 0, np.isnan(column)))
            yield split, finding, present, absent, unknown, sum(boxes), len(boxes)


def _of(scanned: DatasetScan, split: str) -> list[ImageScan]:
    return [image for image in scanned.images if image.split == split]


def save_pictures(scan: DatasetScan, path: Path) -> int:
    """Draw up to 16 readable images with their boxes in one PNG; return their number.

    Images with boxes come first, alternating between findings. Raises ``WriteError`` if the file cannot be written.
    """
    chosen = choose(scan)
    figure = Figure(figsize=(3.2 * COLUMNS, 3.5 * -(-max(len(chosen), 1) // COLUMNS)), dpi=90, layout="constrained")
    for number, image in enumerate(chosen):
        draw(figure.add_subplot(-(-len(chosen) // COLUMNS), COLUMNS, number + 1), image, scan.findings)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return len(chosen)


def choose(scan: DatasetScan) -> list[ImageScan]:
    """Choose up to ``MOST`` readable images without duplicates.

    Boxed images come first, in turn from each finding; then images without boxes, in turn from each split.
    """
    readable = [image for image in scan.images if image.shape]
    boxed = [[image for image in readable if finding in image.sample.boxes] for finding in scan.findings]
    others = [image for image in readable if not image.sample.boxes]
    rest = [[image for image in others if image.split == split] for split in ("train", "val", "test")]
    unique = {id(image): image for image in itertools.chain(_in_turn(boxed), _in_turn(rest))}
    return list(unique.values())[:MOST]


def _in_turn(groups: Sequence[Sequence[ImageScan]]) -> Iterator[ImageScan]:
    return (image for row in itertools.zip_longest(*groups) for image in row if image is not None)


def draw(axis: Axes, image: ImageScan, findings: Sequence[str]) -> None:
    """Draw the image stretched over its frame, with boxes in the frame's pixels.

    Each finding has a colour; its name is next to the box if there is space.
    """
    sample = image.sample
    height, width = sample.frame
    small = (SIDE, min(max(round(SIDE * width / height), 1), WIDEST * SIDE))
    axis.imshow(resize_image(sample.image, small), cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    for finding, boxes in sample.boxes.items():
        colour = COLOURS[findings.index(finding) % len(COLOURS)]
        for x0, y0, x1, y1 in boxes:
            axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=1.5))
            above = y0 > LABEL_HEIGHT * height  # else the label is below the box
            at, side = (y0 - 0.01 * height, "bottom") if above else (y1 + 0.01 * height, "top")
            axis.text(x0, at, finding, color=colour, fontsize=7, va=side, clip_on=True, bbox=GROUND)
    present = [finding for finding, label in zip(findings, sample.labels, strict=True) if label == 1]
    labels = shorten(", ".join(present) or "none", 50, placeholder=" …")
    axis.set_title(f"{sample.image_id[-40:]} ({image.split})\n{labels}", fontsize=7, parse_math=False)
    axis.set_axis_off()
