"""``examples.svg``: a hit and a miss of a suite's best method, for the first screen of its page.

It is drawn from the rows per case and the data set, without maps. Radiographs are not drawn: of them, the picture has
the truth and the predicted box only.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from locus.benchmark.pictures.panels import draw_panel
from locus.benchmark.records import Record, cases
from locus.benchmark.report import select
from locus.benchmark.report.html import EXAMPLES
from locus.core.files import atomic
from locus.core.names import MAIN
from locus.core.types import Sample

DRAWN = "phantom"
"""Data set with images drawn by code; images of other data sets are not shown on pages that are published."""
LETTERS: Any = {"font.family": "DejaVu Sans", "font.size": 8, "svg.hashsalt": "examples"}


@dataclass(frozen=True)
class Example:
    """A case of a record, with the box of its method."""

    record: Record
    row: pd.Series
    is_hit: bool

    @property
    def title(self) -> str:
        """Words above the picture."""
        kind, row = "hit" if self.is_hit else "miss", self.row
        return f"{kind}: {row['finding']}, {self.record.method}, IoU {row['iou']:.2f}"


def choose(records: Sequence[Record], folder: Path) -> list[Example]:
    """Return the median hit and the median miss of the best method's first run; empty if one is missing.

    The best method is that with the highest mean over training runs. ``folder`` contains the rows per case.
    """
    record = _best(records)
    if record is None or not cases.exist(record.cell, folder):
        return []
    rows = cases.read(record.cell, folder)
    if not {*cases.BOX} <= {*rows.columns}:
        return []
    rows = rows[np.isfinite(rows[[*cases.BOX]].to_numpy(np.float64)).all(1)].sort_values(["iou", "image", "finding"])
    groups = {is_hit: rows[rows[MAIN].astype(bool) == is_hit] for is_hit in (True, False)}
    pairs = [Example(record, group.iloc[len(group) // 2], is_hit) for is_hit, group in groups.items() if len(group)]
    return pairs if len(pairs) == len(groups) else []


def write(records: Sequence[Record], folder: Path, samples_of: Callable[[Record], Mapping[str, Sample]]) -> None:
    """Write ``examples.svg`` into the ``folder`` of a suite or an entry, unless the cases or their data are missing.

    ``samples_of`` returns image -> sample for a record. Delete the file to draw it anew without a run.
    """
    chosen = choose(records, folder)
    samples = samples_of(chosen[0].record) if chosen else {}
    if not chosen or any(str(example.row["image"]) not in samples for example in chosen):
        return
    title = "; ".join(example.title for example in chosen)
    with mpl.rc_context(LETTERS), atomic(folder / EXAMPLES) as temporary:
        metadata = {"Creator": None, "Date": None, "Title": title}
        draw([(example, samples[str(example.row["image"])]) for example in chosen]).savefig(
            temporary, format="svg", dpi=150, metadata=metadata
        )


def _best(records: Sequence[Record]) -> Record | None:
    """Return the first training run of the best method, or None if nothing was scored."""
    groups = select.trainings(select.main_methods(records))
    means = [(select.mean(map(select.main_score, group)), group) for group in groups]
    known = [(value, group) for value, group in means if value is not None]
    return max(known, key=lambda pair: pair[0])[1][0] if known else None


def draw(examples: Sequence[tuple[Example, Sample]]) -> Figure:
    """Draw cases side by side, with truth and predicted box; radiographs are not shown."""
    figure = Figure(figsize=(6.4, 3.6), facecolor="white")
    for axes, (example, sample) in zip(figure.subplots(1, len(examples)), examples, strict=True):
        image = sample.image if example.record.cell.dataset == DRAWN else None
        predicted = example.row[[*cases.BOX]].to_numpy(np.float64)
        draw_panel(axes, sample.frame, image, None, sample.boxes[str(example.row["finding"])], [predicted])
        axes.set_title(example.title, fontsize=8)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.93, 0.03)
    return figure
