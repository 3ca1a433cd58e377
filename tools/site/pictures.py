"""Draw the figures of docs/concepts.md: ``python -m tools.site.pictures RUN``.

RUN is a run trained on the phantom; it explains 500 phantoms. Without RUN, only the figure with the entries of the
suite ``phantom`` and the one with a fixed box are drawn.
"""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import locus
from locus import datasets
from locus.core.frames import iou
from locus.core.types import FloatArray
from locus.drawing import add_box, extent
from locus.scoring.protocols.base import Case
from locus.scoring.score_thresholds import ExactThresholds
from locus.scoring.surface.batch import Traces
from locus.scoring.surface.trace import trace

ROOT = Path(__file__).resolve().parents[2]
TRUTH, PREDICTED, INK = "#d55e00", "#0072b2", "#1d2733"
"""Vermilion and blue of the colour-blind safe palette of Okabe and Ito, and the text colour."""
METHOD = "layercam"


def cases_of(run: str) -> tuple[list[Case], dict[str, np.ndarray]]:
    """Return the cases of 500 phantoms with the maps of a network, and the images by name."""
    model = locus.load(run)
    images = datasets.load("phantom:train=8,val=8,test=500", split="test")
    pixels = np.stack([sample.image for sample in images]).astype(np.float32) / 255
    normalised = torch.from_numpy((pixels - 0.449) / 0.226)[:, None].repeat(1, 3, 1, 1)
    maps = locus.explain(model, normalised, methods=[METHOD])
    values = maps[METHOD].numpy()
    grid = maps.grids[METHOD]
    cases = []
    for n, sample in enumerate(images):
        for k, finding in enumerate(images.findings):
            boxes = sample.boxes.get(finding, ())
            if len(boxes):
                map_ = values[n, k]
                case = Case(
                    sample.image_id, sample.patient_id, finding, map_, grid, sample.frame, boxes
                )
                cases.append(case)
    return cases, {s.image_id: s.image for s in images}


def draw_case(
    axes: Axes, image: np.ndarray, case: Case, threshold: float | None, title: str
) -> None:
    """Draw an image with its truth box and the predicted box.

    Args:
        axes: the axes to draw on.
        image: grey pixels.
        case: the case of the image.
        threshold: threshold of the predicted box on the scaled map; None: no box.
        title: text above the image.
    """
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent(case.frame))
    add_box(axes, case.boxes[0], TRUTH, "-", 2)
    if threshold is not None:
        box = box_at(case, threshold)
        add_box(axes, box, PREDICTED, "-", 2)
        title += f"\nIoU {iou(box[None], case.boxes).max():.2f}"
    axes.set_title(title, fontsize=9, color=INK)
    axes.set_axis_off()


def box_at(case: Case, threshold: float) -> FloatArray:
    """Return the (4,) box around the maximum of the map."""
    heat, _ = case.load_surface
    assert heat is not None
    return Traces([trace(heat)]).boxes(np.array([0]), np.array([[threshold]]))[0, 0]


def draw_origins(axes: Axes, cases: list[Case], finding: str) -> None:
    """Draw the share of hits over the score threshold, and the thresholds of three sources."""
    selected = [case for case in cases if case.finding == finding]
    selector = ExactThresholds(
        0.3, ((trace(case.load_surface[0]), case.boxes) for case in selected)
    )
    indices = np.arange(len(selected))
    levels = np.linspace(0, 0.999, 500)
    axes.plot(levels, (selector.iou(indices, levels) > 0.3).mean(0), color=INK, lw=1.5)
    half = selector.best(indices[::2])
    oracle = selector.best(indices)
    marks = {"fixed": 0.5, "chosen on half of the cases": half, "oracle": oracle}
    for (name, threshold), style in zip(marks.items(), (":", "--", "-"), strict=True):
        axes.axvline(threshold, color=PREDICTED, ls=style, lw=1.5, label=name)
    axes.set(
        xlabel="score threshold", ylabel="share of cases with IoU > .3", ylim=(0, 1), xlim=(0, 1)
    )
    axes.set_title(f"{finding}, {len(selected)} cases", fontsize=9, color=INK)
    axes.legend(fontsize=8, frameon=False)


def draw_entries(axes: Axes) -> str:
    """Draw the training runs (dots), mean and interval of each method on the small CNN with PCAM.

    Returns the drawn numbers as text.
    """
    folder = ROOT / "results" / "phantom"
    table = pd.read_csv(folder / "leaderboard.csv").rename(columns={"hit@iou.3": "score"})
    network = "model_id.str.startswith('custom-PCAM-128px')"
    table = table.query(f"{network} and kind == 'method'").sort_values("score")
    long = pd.read_parquet(folder / "records.parquet")
    chosen = f"{network} and protocol == 'single_box' and metric == 'hit@iou.3'"
    honest = "finding == 'mean' and threshold_source == 'cross-fitted' and alignment == 'aligned' and variable == ''"
    scores = long.query(f"{chosen} and {honest}")
    for y, row in enumerate(table.itertuples()):
        colour = PREDICTED if str(row.in_top_group) == "True" else INK
        axes.plot([row.low, row.high], [y, y], color=colour, lw=2)
        dots = scores[scores.method == row.method].value
        axes.plot(dots, np.full(len(dots), y), "o", color=colour, ms=4, mfc="white")
    axes.set_yticks(range(len(table)), table.method, fontsize=8)
    axes.set_xlabel("hit@iou.3")
    runs = " or ".join(map(str, sorted(set(table.runs))))
    axes.set_title(f"Small CNN, PCAM, {runs} runs each; blue: may be the best", fontsize=9)
    rows = table[["method", "score", "low", "high", "runs", "in_top_group"]].itertuples(index=False)
    return "\n".join(" ".join(map(str, row)) for row in rows)


def draw_fixed_box(axes: Axes, finding: str) -> None:
    """Draw the box that ``fixed_box`` gives to NIH's patients with a finding, on a phantom without findings."""
    cases = pd.read_parquet(ROOT / "results" / "nih" / "cases.parquet")
    rows = cases[(cases["method"] == "fixed_box") & (cases["finding"] == finding)]
    image = next(
        sample.image
        for sample in datasets.load("phantom:train=8,val=8,test=40", split="test")
        if not sample.boxes
    )
    axes.imshow(image, cmap="gray", vmin=0, vmax=255, extent=extent((1024, 1024)))
    add_box(axes, rows[["x0", "y0", "x1", "y1"]].median().to_numpy(), PREDICTED, "-", 2)
    axes.set_axis_off()


def _save(figure: Figure, name: str, drawn: str = "") -> None:
    """Save a figure; ``drawn``: description to store in the file."""
    path = ROOT / "docs" / "pictures" / name
    figure.savefig(
        path, dpi=110, facecolor="white", bbox_inches="tight", metadata={"Description": drawn}
    )


def main(run: str) -> None:
    """Write the first three figures."""
    cases, images = cases_of(run)
    masses = [case for case in cases if case.finding == "Mass" and case.load_surface[0] is not None]
    overlaps = [iou(box_at(case, 0.5)[None], case.boxes).max() for case in masses]
    case = masses[int(np.argsort(overlaps)[len(masses) // 2])]  # with the median overlap
    image = images[case.image_id]
    first = Figure(figsize=(5.4, 2.9))
    left, right = first.subplots(1, 2)
    draw_case(left, image, case, None, "image and truth box: Mass")
    right.imshow(case.map, cmap="magma")
    right.set_title(
        f"its heat map: {case.map.shape[0]}×{case.map.shape[1]} positions", fontsize=9, color=INK
    )
    right.set_axis_off()
    _save(first, "concept-case.png")
    second = Figure(figsize=(8, 2.9))
    for axes, level in zip(second.subplots(1, 3), (0.2, 0.5, 0.8), strict=True):
        draw_case(axes, image, case, level, f"score threshold {level:g}")
    _save(second, "concept-protocol.png")
    third = Figure(figsize=(5.4, 3))
    draw_origins(third.subplots(), cases, "Pneumonia")
    _save(third, "concept-threshold-source.png")


if __name__ == "__main__":
    entries = Figure(figsize=(6.4, 3.6))
    drawn = draw_entries(entries.subplots())
    _save(entries, "concept-entry.png", drawn)
    fixed = Figure(figsize=(3, 3))
    draw_fixed_box(fixed.subplots(), "Cardiomegaly")
    _save(fixed, "fixed-box.png")
    if len(sys.argv) > 1:
        main(sys.argv[1])
