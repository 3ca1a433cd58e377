"""``examples.svg``: a hit and a miss of a suite's best method, for the first screen of its page.

It is drawn from the rows per case and the data set, without maps. Radiographs are not drawn: of them, the picture has
the truth and the predicted box only.
"""

from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from locus.benchmark.records import Record, cases
from locus.benchmark.report import select
from locus.benchmark.report.charts import FONT, ORANGE, SKY
from locus.benchmark.report.html import EXAMPLES
from locus.benchmark.suite.cells import ModelTask, missing_data
from locus.benchmark.training.listing import load_split
from locus.config import TrainConfig
from locus.core.files import atomic
from locus.core.names import MAIN, MAIN_PROTOCOL
from locus.core.types import FloatArray, Sample

DRAWN = "phantom"
"""Data set with images drawn by code; images of other data sets are not shown on pages that are published."""
LETTERS: Any = {"font.family": FONT, "font.size": 8, "svg.hashsalt": "examples"}
CORNERS = ["x0", "y0", "x1", "y1"]


def write(records: Sequence[Record], planned: Sequence[ModelTask], folder: Path) -> Path | None:
    """Write ``examples.svg`` into the ``folder`` of a suite; None without a hit, a miss or the data.

    The best method is that with the highest mean over training runs; the cases are the median hit and the median miss
    of its first run.
    """
    record = _best(records)
    model = next((t.model for t in planned if record is not None and record.cell.key in {c.key for c in t.cells}), None)
    if record is None or model is None or missing_data(model) is not None or not cases.exist(record.cell, folder):
        return None
    rows = cases.read(record.cell, folder)
    if not {*CORNERS} <= {*rows.columns}:
        return None
    rows = rows[np.isfinite(rows[CORNERS].to_numpy(np.float64)).all(1)].sort_values(["iou", "image", "finding"])
    groups = [rows[rows[MAIN].astype(bool) == is_hit] for is_hit in (True, False)]
    if not all(map(len, groups)):
        return None
    chosen = [group.iloc[len(group) // 2] for group in groups]
    samples = _samples(model.trainings, {str(row["image"]) for row in chosen})
    if any(str(row["image"]) not in samples for row in chosen):
        return None
    drawn = []
    for word, row in zip(("hit", "miss"), chosen, strict=True):
        sample = samples[str(row["image"])]
        words = f"{word}: {row['finding']}, {record.method}, IoU {row['iou']:.2f}"
        image = sample.image if record.cell.dataset == DRAWN else None
        predicted = row[CORNERS].to_numpy(np.float64)
        drawn.append((words, image, sample.frame, sample.boxes[str(row["finding"])], predicted))
    with mpl.rc_context(LETTERS), atomic(folder / EXAMPLES) as temporary:
        draw(drawn).savefig(temporary, format="svg", dpi=150, metadata={"Creator": None, "Date": None})
    return folder / EXAMPLES


def _best(records: Sequence[Record]) -> Record | None:
    """Return the first training run of the best method, or None if nothing was scored."""
    scored = [r for r in records if r.cell.protocol == MAIN_PROTOCOL and r.source == "run" and select.is_method(r)]
    means = [(select.mean(map(select.main_score, group)), group) for group in select.trainings(scored)]
    known = [(value, group) for value, group in means if value is not None]
    return max(known, key=lambda pair: pair[0])[1][0] if known else None


def _samples(trainings: Sequence[TrainConfig], images: Set[str]) -> dict[str, Sample]:
    """Return image -> its sample, of the test images of the training runs; each split is read once."""
    splits = (load_split(config, "test") for config in trainings)
    return {sample.image_id: sample for split in splits for sample in split if sample.image_id in images}


def draw(
    drawn: Sequence[tuple[str, NDArray[np.uint8] | None, tuple[int, int], FloatArray, FloatArray]],
) -> Figure:
    """Draw cases side by side: title, image or None, its frame (H, W), truth boxes (M,4) and predicted box (4,)."""
    figure = Figure(figsize=(6.4, 3.6), facecolor="white")
    for axes, (words, image, frame, truth, predicted) in zip(figure.subplots(1, len(drawn)), drawn, strict=True):
        axes.set(xticks=[], yticks=[], xlim=(0, frame[1]), ylim=(frame[0], 0), aspect="equal", facecolor="#eeeeee")
        if image is not None:
            edges = (0.0, frame[1], frame[0], 0.0)
            axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=edges, interpolation="none")
        for (x0, y0, x1, y1), colour, width in [(predicted, SKY, 2.5), *((box, ORANGE, 1.8) for box in truth)]:
            axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=colour, linewidth=width))
        axes.set_title(words, fontsize=8)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.93, 0.03)
    return figure
