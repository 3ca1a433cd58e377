"""Pictures of cases, in the frame of the truth: content and figures.

``prepare_case``  the content of the figure of one case, a ``CasePicture``
``save``, ``save_methods``  the figure of a case with one method, or with several

``locus.drawing`` draws a panel.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from locus.core.files import atomic
from locus.core.frames import Alignment, Grid, iou, resize_image
from locus.core.types import FloatArray, Sample
from locus.drawing import COLOURS, draw_panel, extent
from locus.scoring.surface import min_max
from locus.scoring.surface.bilinear import boxes, to_frame

if TYPE_CHECKING:  # matplotlib is slow to import, and an overlay does without it
    from matplotlib.figure import Figure

PANELS = [(left, 0.0091, 0.3062, 0.842) for left in (0.0033, 0.3162, 0.6291)]
BAR = (0.9414, 0.0442, 0.0141, 0.7717)
"""Left, bottom, width and height in the figure. They are constants because automatic layout draws everything twice."""
UNDATED: dict[str, dict[str, str | None]] = {
    ".png": {"Software": None},
    ".pdf": {"Creator": None, "Producer": None, "CreationDate": None},
    ".svg": {"Creator": None, "Date": None},
}
"""File type -> settings that remove its metadata."""


@dataclass(frozen=True, eq=False)
class RawMap:
    """Map of a method for one finding of one image."""

    method: str
    values: NDArray[np.float32]
    """(h, w) map, neither resized nor scaled."""
    grid: Grid | Alignment
    """Positions of the map in the image."""
    probability: float


@dataclass(frozen=True, eq=False, kw_only=True)
class CasePicture:
    """Content of one figure; image, heat map and boxes share the frame (H, W)."""

    image: NDArray[np.uint8]
    """(H, W) grey pixels."""
    heat: NDArray[np.float32]
    """(H, W) heat map, min-max scaled over its positions to [0,1]; all 0 for a flat map."""
    truth: FloatArray | None
    """(M,4) truth boxes; (0,4) if the image has none of the finding; None if unknown."""
    predicted: FloatArray
    """(M,4) boxes above the threshold; the first one is scored."""
    finding: str
    raw: RawMap
    iou: float | None
    """IoU of the first predicted box with the best truth box; None without truth."""
    threshold: float
    threshold_source: str
    """Where the threshold was chosen."""
    image_id: str

    @property
    def flat(self) -> bool:
        """Whether the map has the same value everywhere."""
        return not self.heat.any()

    @property
    def truth_boxes(self) -> FloatArray:
        """(M,4) truth boxes; (0,4) if they are unknown."""
        return np.zeros((0, 4)) if self.truth is None else self.truth

    @property
    def caption(self) -> str:
        """Finding, method, probability, IoU and threshold in one line."""
        overlap = "truth unknown" if self.truth is None else "no truth box"
        if self.iou is not None:
            overlap = f"IoU {self.iou:.2f}"
        threshold = f"threshold {self.threshold:.3g} ({self.threshold_source})"
        if self.flat:
            threshold = "flat map: no box"
        probability = f"p = {self.raw.probability:.2f}"
        return " · ".join([self.finding, self.raw.method, probability, overlap, threshold])

    @property
    def row(self) -> dict[str, Any]:
        """Entry in ``boxes.json``."""
        truth = None if self.truth is None else self.truth.tolist()
        return {
            "image": self.image_id,
            "finding": self.finding,
            "method": self.raw.method,
            "probability": self.raw.probability,
            "threshold": self.threshold,
            "threshold_source": self.threshold_source,
            "frame": list(self.heat.shape),
            "boxes": self.predicted.tolist(),
            "truth": truth,
            "iou": self.iou,
        }


def prepare_case(
    sample: Sample,
    pixels: NDArray[np.uint8],
    finding: str,
    raw: RawMap,
    threshold: float,
    threshold_source: str,
) -> CasePicture:
    """Prepare a map with its boxes above a threshold and their overlap with the truth, in the frame of the sample.

    Args:
        sample: the image with its truth.
        pixels: (H', W') grey values of its file.
        finding: the finding.
        raw: its map.
        threshold: threshold on the map, min-max scaled to [0,1].
        threshold_source: how the threshold was chosen.

    Returns:
        The content of one figure.

    Raises:
        BadValueError: the map has nan or inf.
    """
    frame = frame_of(sample, pixels)
    predicted = boxes(min_max(raw.values), threshold, frame, raw.grid)
    truth = sample.boxes.get(finding, np.zeros((0, 4))) if sample.boxes else None
    return CasePicture(
        image=resize_image(pixels, frame),
        heat=heat_in_frame(raw, frame),
        truth=truth,
        predicted=predicted,
        finding=finding,
        raw=raw,
        iou=_overlap(predicted, truth),
        threshold=threshold,
        threshold_source=threshold_source,
        image_id=sample.image_id,
    )


def frame_of(sample: Sample, pixels: NDArray[np.uint8]) -> tuple[int, int]:
    """Return the (H, W) frame of a sample's boxes, by default the size of the image."""
    return sample.frame if sample.frame != (0, 0) else (pixels.shape[0], pixels.shape[1])


def heat_in_frame(raw: RawMap, frame: tuple[int, int]) -> NDArray[np.float32]:
    """Return the (H, W) heat, min-max scaled over the map's positions to [0,1]; all 0 for a flat map.

    Raises ``BadValueError`` for nan or inf.
    """
    return to_frame(min_max(raw.values), frame, raw.grid)


def _overlap(predicted: FloatArray, truth: FloatArray | None) -> float | None:
    """Return the IoU of the first box, which contains the maximum of the map, with the best truth box; or None."""
    if truth is None or not len(truth):
        return None
    return float(iou(predicted[:1], truth).max()) if len(predicted) else 0.0


def save(picture: CasePicture, path: Path) -> None:
    """Write the figure of ``draw`` atomically, as .png, .pdf or .svg by the suffix of ``path``.

    The same picture gives the same bytes.
    """
    save_figure(draw(picture), path)


def draw(picture: CasePicture) -> "Figure":
    """Draw three panels side by side: the image with boxes, the heat map over it, the heat map alone."""
    from matplotlib.figure import Figure

    frame = picture.heat.shape
    figure = Figure(figsize=(12.6, 4.6), dpi=100)
    axes = [figure.add_axes(panel) for panel in PANELS]
    figure.suptitle(f"{picture.image_id}\n{picture.caption}", fontsize=11, y=0.99)
    draw_panel(axes[0], frame, picture.image, None, picture.truth_boxes, picture.predicted)
    draw_panel(axes[1], frame, picture.image, picture.heat)
    axes[2].set(xticks=[], yticks=[])
    drawn = axes[2].imshow(picture.heat, cmap=COLOURS, vmin=0, vmax=1, extent=extent(frame))
    titles = (
        "truth: orange; box of the peak: blue; other boxes: dashed",
        "heat map over the image",
        "heat map",
    )
    for panel, title in zip(axes, titles, strict=True):
        panel.set_title(title, fontsize=9)
    figure.colorbar(drawn, cax=figure.add_axes(BAR), label="min-max scaled map")
    return figure


def save_methods(pictures: Sequence[CasePicture], path: Path) -> None:
    """Write one figure of a case atomically: the image with truth boxes, then the heat map of each method over it."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * (len(pictures) + 1), 4.0), dpi=100)
    axes = figure.subplots(1, len(pictures) + 1)
    first = pictures[0]
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.85, 0.03)
    figure.suptitle(f"{first.image_id}: {first.finding}", fontsize=11)
    draw_panel(axes[0], first.heat.shape, first.image, None, first.truth_boxes)
    axes[0].set_title("truth" if len(first.truth_boxes) else "image", fontsize=9)
    for axis, picture in zip(axes[1:], pictures, strict=True):
        draw_panel(
            axis,
            picture.heat.shape,
            picture.image,
            picture.heat,
            picture.truth_boxes,
            picture.predicted,
        )
        axis.set_title(picture.raw.method, fontsize=9)
    save_figure(figure, path)


def save_figure(figure: "Figure", path: Path, dpi: float = 100, title: str | None = None) -> None:
    """Write a figure atomically; equal figures give equal bytes.

    Args:
        figure: the figure of matplotlib.
        path: the picture; its suffix (.png, .pdf or .svg) is the format.
        dpi: pixels per inch of a .png.
        title: title in the metadata of the file; None: no title.

    Raises:
        WriteError: the file cannot be written.
    """
    from matplotlib import rc_context

    metadata = dict(UNDATED[path.suffix])
    if title:
        metadata["Title"] = title
    with rc_context({"svg.hashsalt": path.stem}), atomic(path) as temporary:
        figure.savefig(temporary, format=path.suffix[1:], metadata=metadata, dpi=dpi)
