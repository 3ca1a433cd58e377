"""A sheet of sample pictures with their truth boxes: the eye sees a shifted frame sooner than any check."""

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import shorten

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from benchmark.check.dataset.scan import DatasetScan, ImageScan
from core.files import atomic
from core.frames import resize_image

COLUMNS, MOST, SIDE, WIDEST = 4, 16, 320, 4
ROOM = 0.08
"""Share of the height that a word needs."""
GROUND = {"facecolor": "black", "alpha": 0.5, "edgecolor": "none", "pad": 0.8}
COLOURS = ("#ff3b30", "#30d158", "#0a84ff", "#ffd60a", "#bf5af2", "#ff9f0a", "#64d2ff", "#ff375f")


def save(scan: DatasetScan, path: Path) -> int:
    """Draw up to 16 readable images, those with boxes first and finding by finding; gives their number.

    One PNG with the boxes of each image in its frame. Raises ``WriteError`` when the disk refuses.
    """
    chosen = choose(scan)
    figure = Figure(figsize=(3.2 * COLUMNS, 3.5 * -(-max(len(chosen), 1) // COLUMNS)), dpi=90, layout="constrained")
    for number, image in enumerate(chosen):
        draw(figure.add_subplot(-(-len(chosen) // COLUMNS), COLUMNS, number + 1), image, scan.findings)
    with atomic(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})
    return len(chosen)


def choose(scan: DatasetScan) -> list[ImageScan]:
    """Images in turn from each finding's boxed ones, then from each split.

    At most ``MOST``, none twice, unreadable ones left out.
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
    """The image stretched over its frame, boxes in the frame's pixels.

    A colour per finding, its word at the box where there is room.
    """
    sample = image.sample
    height, width = sample.frame
    small = (SIDE, min(max(round(SIDE * width / height), 1), WIDEST * SIDE))
    axis.imshow(resize_image(sample.image, small), cmap="gray", vmin=0, vmax=255, extent=(0, width, height, 0))
    for finding, boxes in sample.boxes.items():
        colour = COLOURS[findings.index(finding) % len(COLOURS)]
        for x0, y0, x1, y1 in boxes:
            axis.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=1.5))
            above = y0 > ROOM * height  # the word stands outside its box, below it where there is no room above
            at, side = (y0 - 0.01 * height, "bottom") if above else (y1 + 0.01 * height, "top")
            axis.text(x0, at, finding, color=colour, fontsize=7, va=side, clip_on=True, bbox=GROUND)
    present = [finding for finding, label in zip(findings, sample.labels, strict=True) if label == 1]
    labels = shorten(", ".join(present) or "none", 50, placeholder=" …")
    axis.set_title(f"{sample.image_id[-40:]} ({image.split})\n{labels}", fontsize=7, parse_math=False)
    axis.set_axis_off()
