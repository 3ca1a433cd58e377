"""Pictures of a suite, from records, rows per case and stored maps, without running a network.

``OpenedModel``    a model of a suite or an external entry, with its records and maps
``choose``         the best, median and worst case of each finding
``write_gallery``  ``benchmark.gallery``: a self-contained HTML page of these cases, with each method's map and box
``write_examples``  ``examples.svg``: a hit and a miss of the best method, drawn from the rows per case without maps
``save_grid``      a grid of images and methods: a typical case of each finding, with all maps on the same scale

The page is rendered by ``locus.benchmark.report.table``.
"""

import base64
import math
import os
import shlex
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from locus.benchmark.baselines import why_unranked
from locus.benchmark.pictures.panels import UNDATED, save_figure
from locus.benchmark.records import Cell, Record, cases, trainings
from locus.benchmark.report import grouping
from locus.benchmark.report.grouping import Row, is_method, main_score
from locus.benchmark.report.table import render
from locus.benchmark.report.tables import EXAMPLES, GALLERY, PAGE
from locus.config import FolderFlags, PageConfig
from locus.core.errors import DataError
from locus.core.files import write_text
from locus.core.frames import Grid, resize_image
from locus.core.names import MAIN
from locus.core.types import Echo, Sample
from locus.drawing import COLOURS, PREDICTED, TRUTH, draw_panel
from locus.scoring.protocols.base import FLAT, Case
from locus.scoring.surface import min_max
from locus.scoring.surface.bilinear import boxes, to_frame

DRAWN = "phantom"
"""Data set with images drawn by code; images of other data sets are not shown on pages that are published."""
EXAMPLE_STYLE: Any = {"font.family": "DejaVu Sans", "font.size": 8, "text.parse_math": False}
MAX_IMAGE_SIDE = 320
"""Largest side of an image on the page, in pixels."""
MAP_SIDE = 64
"""Largest side of a map on the page, in positions."""

MAX_GRID_METHODS = 6
"""Largest number of methods in the grid, so that all are readable."""
GRID_CASES = 8
"""Number of cases in the grid."""
GRID_WIDTH = 7.0
"""Width of the grid in inches: two columns of a paper."""
DPI = 300
LEFT = 0.72
"""Inches for labels beside the panels; also for the next three."""
RIGHT = 0.42
TOP = 0.55
BOTTOM = 0.25
FONT_SIZE = 6
LINE_WIDTH = 0.9
GRID_STYLE: Any = {"font.family": "DejaVu Sans", "font.size": 7}


def render_page(page: Mapping[str, Any]) -> str:
    """Return the page as HTML with all pictures and maps inside; it opens without a server.

    ``page`` has the values that the template names; ``images`` are data URLs, ``maps`` are from ``packed_map``, and a
    panel has the index of its map, or None.
    """
    frames_and_truths = [{"frame": case["frame"], "truth": case["truth"]} for case in page["cases"]]
    findings = dict.fromkeys(case["finding"] for case in page["cases"])
    kinds = {method["name"]: method["kind"].partition(":")[0] for method in page["methods"]}
    return render(
        "gallery.html",
        page=page,
        findings=list(findings),
        kinds=kinds,
        maps_and_cases={"maps": page["maps"], "cases": frames_and_truths},
    )


def packed_map(values: NDArray[np.floating[Any]], grid: Grid | str) -> dict[str, Any]:
    """Return a (h,w) map in half or single precision and its grid for the page, compressed.

    There is no grid for ``conventional``. A map with more than ``MAP_SIDE`` positions on a side is shown smaller, with
    256 levels, if squares of equal size fit on it and its values are finite; any other map is stored as it is.

    >>> packed_map(np.zeros((2, 3), np.float16), "conventional")["shape"]
    [2, 3]
    """
    stored: NDArray[Any] = values if values.dtype == np.float16 else values.astype("<f4")
    step = math.ceil(max(values.shape) / MAP_SIDE)
    fits = all(side % step == 0 for side in values.shape)
    if step > 1 and fits and np.isfinite(values).all():
        stored = _smaller(values, step)
        grid = _pooled(grid, step)
    compressed = zlib.compress(np.ascontiguousarray(stored).tobytes(), 9)
    grid_fields = None
    if isinstance(grid, Grid):
        grid_fields = {"size": grid.size, "stride": grid.stride, "offset": grid.offset}
    return {
        "values": base64.b64encode(compressed).decode(),
        "shape": list(stored.shape),
        "grid": grid_fields,
    }


def _smaller(values: NDArray[np.floating[Any]], step: int) -> NDArray[np.uint8]:
    """Return means over squares of ``step`` positions, scaled to 0 … 255."""
    height, width = values.shape
    squares = values.astype(np.float64).reshape(height // step, step, width // step, step)
    means = squares.mean((1, 3))
    return np.asarray(np.rint(255 * min_max(means)), np.uint8)


def _pooled(grid: Grid | str, step: int) -> Grid | str:
    """Return the grid of squares of ``step`` positions."""
    if not isinstance(grid, Grid):
        return grid
    stride_y, stride_x = grid.stride
    offset_y, offset_x = grid.offset
    to_middle = (step - 1) / 2  # from the first position of a square to its centre
    offset = (offset_y + stride_y * to_middle, offset_x + stride_x * to_middle)
    return Grid(grid.size, (step * stride_y, step * stride_x), offset)


def data_url(image: NDArray[np.uint8]) -> str:
    """Return a (H,W) image as the data URL of a JPEG, with sides of at most ``MAX_IMAGE_SIDE`` pixels."""
    scale = min(1.0, MAX_IMAGE_SIDE / max(image.shape))
    height = max(1, round(image.shape[0] * scale))
    width = max(1, round(image.shape[1] * scale))
    small = resize_image(image, (height, width))
    _, encoded = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(encoded.tobytes()).decode()


@dataclass(frozen=True)
class SelectedCase:
    """One image × finding of the gallery."""

    finding: str
    rank: str
    """best, median or worst case of the finding."""
    image: str
    iou: float
    """Mean over the methods, by which the cases are ordered."""


def choose(tables: Mapping[str, pd.DataFrame], findings: Sequence[str]) -> list[SelectedCase]:
    """Choose the best, median and worst case of each finding by mean IoU over the methods.

    ``tables``: method -> per-case rows. Only cases that all methods have are used; ties are ordered by image. Two cases
    of a finding are its best and its worst; a single one is its best. Without a table, no case is chosen.

    >>> rows = pd.DataFrame({"finding": "mass", "image": [*"abc"], "iou": [.1, .6, .3]})
    >>> [(case.rank, case.image) for case in choose({"cam": rows}, ["mass"])]
    [('best', 'b'), ('median', 'c'), ('worst', 'a')]
    """
    selected = []
    for finding, cases_of_finding in _by_mean_iou(tables, findings).items():
        last = len(cases_of_finding) - 1
        positions = {"best": 0}
        if last > 1:
            positions["median"] = last // 2
        if last > 0:
            positions["worst"] = last
        for rank, position in positions.items():
            selected.append(_selected_case(finding, rank, cases_of_finding.iloc[position]))
    return selected


def choose_typical(
    tables: Mapping[str, pd.DataFrame], findings: Sequence[str]
) -> list[SelectedCase]:
    """Choose the median case of each finding; of an even number of cases, the better one of the middle two.

    >>> rows = pd.DataFrame({"finding": "mass", "image": [*"ab"], "iou": [.1, .6]})
    >>> [(case.rank, case.image) for case in choose_typical({"cam": rows}, ["mass"])]
    [('median', 'b')]
    """
    selected = []
    for finding, cases_of_finding in _by_mean_iou(tables, findings).items():
        middle = (len(cases_of_finding) - 1) // 2
        selected.append(_selected_case(finding, "median", cases_of_finding.iloc[middle]))
    return selected


def _by_mean_iou(
    tables: Mapping[str, pd.DataFrame], findings: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Return finding -> its cases by mean IoU over the methods, best first; findings without a case are left out."""
    if not tables:
        return {}
    ious = [
        table.set_index(["finding", "image"])["iou"].astype("float64") for table in tables.values()
    ]
    mean = pd.concat(ious, axis=1, join="inner").mean(axis=1).round(9).rename("iou").reset_index()
    by_finding = {}
    for finding in findings:
        cases_of_finding = mean[mean["finding"] == finding]
        if not cases_of_finding.empty:
            by_finding[finding] = cases_of_finding.sort_values(
                ["iou", "image"], ascending=[False, True]
            )
    return by_finding


def _selected_case(finding: str, rank: str, row: pd.Series) -> SelectedCase:
    return SelectedCase(finding, rank, str(row["image"]), float(row["iou"]))


def write_gallery(config: PageConfig, opened: "OpenedModel", echo: Echo) -> int:
    """Write the page of an opened model or entry, or its grid if the path ends in .pdf, .svg or .png; returns 0.

    ``echo`` prints the path. Raises ``LocusError`` if a map or an image cannot be read.
    """
    suite_page = opened.folder / PAGE
    path = page_path(config, opened.records[0].cell.dataset, opened.folder, opened.runs_dir)
    methods = [method_cases(record, opened) for record in opened.records]
    if path.suffix in UNDATED:
        save_grid(opened, methods, path, config.cases)
        echo(f"grid: {path} ({opened.network})")
        return 0
    selected = _require_cases(choose(_tables(methods), opened.findings), opened)
    chosen = spread(selected, config.cases)
    linked = os.path.relpath(suite_page, path.parent) if suite_page.is_file() else ""
    page = _page(
        opened,
        methods=methods,
        chosen=chosen,
        suite_page=linked,
        command=_command(config, opened.address),
    )
    write_text(path, render_page(page))
    echo(
        f"gallery: {path} ({len(page['cases'])} cases, {len(page['methods'])} methods of {opened.network})"
    )
    return 0


def _command(config: PageConfig, address: str) -> str:
    """Return the command that draws the gallery of SUITE/MODEL or of an entry from the same folders."""
    return shlex.join(["python", "-m", "benchmark.gallery", address, *typed_folder_flags(config)])


def typed_folder_flags(config: FolderFlags) -> list[str]:
    """Return the folder flags of a command that differ from their defaults, as words of a command line.

    >>> typed_folder_flags(FolderFlags(runs="first", trust=True))
    ['--runs', 'first', '--trust', 'True']
    """
    arguments = []
    for flag in fields(FolderFlags):
        value = getattr(config, flag.name)
        if value != flag.default:
            arguments += [f"--{flag.name}", str(value)]
    return arguments


def spread(selected: Sequence[SelectedCase], count: int | None) -> list[SelectedCase]:
    """Return ``count`` of the selected cases, evenly over them; None: all."""
    if count is None or count >= len(selected):
        return list(selected)
    return [selected[round(n * (len(selected) - 1) / max(count - 1, 1))] for n in range(count)]


def page_path(config: PageConfig, dataset: str, folder: Path, runs_dir: Path) -> Path:
    """Return the path of the page.

    Only published pages are next to published tables; pages of other suites or models are in ``runs_dir``.

    Args:
        config: the flags; ``--output`` overrides the path.
        dataset: name of the data set of the images; pages of synthetic images may be in ``folder``.
        folder: the results folder of the suite.
        runs_dir: the folder of its training runs.
    """
    if config.output is not None:
        return Path(config.output)
    # of a published suite, only the default model has a page next to the tables; the folders of --results are the
    # user's own, where every page may be next to the tables
    is_published_page = (folder / GALLERY).is_file() and "/" not in config.suite
    if dataset == DRAWN and (config.results is not None or is_published_page):
        return folder / GALLERY
    return runs_dir / GALLERY


@dataclass(frozen=True, kw_only=True)
class OpenedModel:
    """A model of a suite, or an external entry, with its records and maps."""

    address: str
    """SUITE/MODEL or the entry, as ``benchmark.gallery`` takes it."""
    title: str
    network: str
    """The network, or the entry, as a person reads it."""
    records: list[Record]
    """Records of the main table, best method first."""
    folder: Path
    """Folder of the per-case rows."""
    runs_dir: Path
    """Folder of a page that is not next to the tables."""
    findings: Sequence[str]
    """Findings in the order of the data set."""
    cases_of: Callable[[Cell], Sequence[Case]]
    """Reads the cases of a cell, with their maps."""
    samples: Mapping[str, Sample]
    """Image -> its sample."""


@dataclass
class MethodCases:
    """A method of the model with its per-case rows and cases by (image, finding); both empty if it has no score."""

    record: Record
    rows: Mapping[tuple[str, str], Mapping[Any, Any]]
    cases: dict[tuple[str, str], Case]


def method_cases(record: Record, model: OpenedModel) -> MethodCases:
    """Return a method of a model with its rows and cases."""
    if record.status != "ok":
        return MethodCases(record, {}, {})
    table = cases.read(record.cell, model.folder)
    rows = {(row["image"], row["finding"]): row for row in table.to_dict("records")}
    cases_of_method = {(case.image_id, case.finding): case for case in model.cases_of(record.cell)}
    return MethodCases(record, rows, cases_of_method)


def _ranked(methods: Sequence[MethodCases]) -> list[MethodCases]:
    """Return the methods that have a score, without baselines."""
    return [method for method in methods if is_method(method.record) and method.rows]


def _tables(methods: Sequence[MethodCases]) -> dict[str, pd.DataFrame]:
    """Return method -> its rows per case, without baselines and methods that have no score."""
    return {
        method.record.cell.method: pd.DataFrame([*method.rows.values()])
        for method in _ranked(methods)
    }


def _require_cases(selected: list[SelectedCase], model: OpenedModel) -> list[SelectedCase]:
    """Return the selected cases. Raises ``DataError`` if there are none."""
    if not selected:
        raise DataError(
            f"{model.network}: no case has a score by all methods, so none can be drawn"
        )
    return selected


def _page(
    model: OpenedModel,
    methods: Sequence[MethodCases],
    chosen: Sequence[SelectedCase],
    suite_page: str,
    command: str,
) -> dict[str, Any]:
    """Return everything that the page of ``model`` shows: see ``render_page``."""
    images = list(dict.fromkeys(choice.image for choice in chosen))
    maps: list[dict[str, Any]] = []  # ``_case`` appends to it
    shown_cases = [_case(choice, methods, images.index(choice.image), maps) for choice in chosen]
    pictures = [data_url(model.samples[image].image) for image in images]
    summaries = [_summary(record) for record in model.records]
    return {
        "title": model.title,
        "network": model.network,
        "address": model.address,
        "suite": model.folder.name,
        "suite_page": suite_page,
        "command": command,
        "basis": _basis(model.records),
        "methods": summaries,
        "cases": shown_cases,
        "images": pictures,
        "maps": maps,
    }


def _case(
    choice: SelectedCase, methods: Sequence[MethodCases], image: int, maps: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return one case with a panel per method; each map is appended to ``maps``. ``image``: index of its picture."""
    key = choice.image, choice.finding
    case = next(method.cases[key] for method in methods if key in method.cases)
    return {
        "finding": choice.finding,
        "rank": choice.rank,
        "image_id": choice.image,
        "mean_iou": choice.iou,
        "probability": case.probability,
        "frame": case.frame,
        "truth": case.boxes.tolist(),
        "image": image,
        "panels": [_panel(method, key, maps) for method in methods],
    }


def _panel(method: MethodCases, key: tuple[str, str], maps: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the panel of a method for a case, and append its map to ``maps``; without a box it has the reason."""
    row = method.rows.get(key)
    case = method.cases.get(key)
    name = method.record.method
    if row is None or case is None:
        reason = method.record.reason or "the method has no such case"
        return {"method": name, "map": None, "iou": None, "hit": False, "reason": reason}
    map_index = None
    if case.map is not None and row["reason"] in ("", FLAT):
        map_index = len(maps)
        maps.append(packed_map(np.asarray(case.map), case.grid))
    return {
        "method": name,
        "map": map_index,
        "threshold": None if math.isnan(row["threshold"]) else float(row["threshold"]),
        "iou": float(row["iou"]),
        "hit": bool(row["hit@iou.3"]),
        "reason": row["reason"],
    }


def _summary(record: Record) -> dict[str, Any]:
    """Return the row of a method above the cases: its score, and why it has none or is not ranked."""
    score = main_score(record)
    reason = ""
    if record.status != "ok" and record.reason:
        reason = f"{record.status}: {record.reason}"
    return {
        "name": record.method,
        "kind": why_unranked(record.cell.method),
        "score": None if score is None else score.value,
        "low": None if score is None else score.low,
        "high": None if score is None else score.high,
        "reason": reason,
    }


def _basis(records: Sequence[Record]) -> str:
    rests_on = next(record.rests_on for record in records if record.rests_on)
    return f"{rests_on.get('boxed images', 'all')} images with a truth box, {rests_on.get('cases', '')} cases"


def save_grid(
    model: OpenedModel, methods: Sequence[MethodCases], path: Path, count: int | None
) -> None:
    """Write a grid of the best methods and typical cases. The same maps give the same bytes.

    Args:
        model: the opened model with its images.
        methods: the cases of its methods, the best first.
        path: the picture; its suffix (.pdf, .svg or .png) is the format.
        count: number of cases; None: ``GRID_CASES``.

    Raises:
        DataError: no case has a score by all methods.
        WriteError: the file cannot be written.
    """
    typical = _require_cases(choose_typical(_tables(methods), model.findings), model)
    cases_shown = spread(typical, count or GRID_CASES)
    images = {case.image: model.samples[case.image].image for case in cases_shown}
    best_methods = _ranked(methods)[:MAX_GRID_METHODS]
    with mpl.rc_context(GRID_STYLE):
        save_figure(draw_grid(images, best_methods, cases_shown), path, DPI)


def draw_grid(
    images: Mapping[str, NDArray[np.uint8]],
    methods: Sequence[MethodCases],
    selected: Sequence[SelectedCase],
) -> Figure:
    """Draw a row per case, with the image and a column per method; ``images``: image -> (H, W) grey pixels."""
    side = (GRID_WIDTH - LEFT - RIGHT) / (len(methods) + 1)
    height = side * len(selected) + TOP + BOTTOM
    figure = Figure(figsize=(GRID_WIDTH, height), facecolor="white")
    panels = figure.subplots(len(selected), len(methods) + 1, squeeze=False)
    figure.subplots_adjust(
        left=LEFT / GRID_WIDTH,
        bottom=BOTTOM / height,
        right=1 - RIGHT / GRID_WIDTH,
        top=1 - TOP / height,
        wspace=0.03,
        hspace=0.03,
    )
    for row, choice in zip(panels, selected, strict=True):
        image = images[choice.image]
        key = (choice.image, choice.finding)
        row[0].set_ylabel(choice.finding, fontsize=FONT_SIZE, rotation=0, ha="right", va="center")
        case = methods[0].cases[key]
        draw_panel(row[0], case.frame, image, None, case.boxes, width=LINE_WIDTH)
        for axes, method in zip(row[1:], methods, strict=True):
            _draw_map(axes, method.cases[key], image, float(method.rows[key]["threshold"]))
    titles = ["image", *(method.record.method for method in methods)]
    for axes, title in zip(panels[0], titles, strict=True):
        axes.set_title(
            title, fontsize=FONT_SIZE, pad=3, rotation=30, ha="left", rotation_mode="anchor", x=0.2
        )
    for axes in panels.flat:
        axes.spines[:].set_visible(False)
    bar_left = 1 - (RIGHT - 0.05) / GRID_WIDTH
    _legend(figure, (bar_left, BOTTOM / height, 0.07 / GRID_WIDTH, side * len(selected) / height))
    return figure


def _draw_map(axes: Axes, case: Case, image: NDArray[np.uint8], threshold: float) -> None:
    """Draw the map over the image, and the box around its peak; ``no box`` for a map that is flat or not finite."""
    heat = None
    predicted_box = np.zeros((0, 4))
    if case.map is not None and np.isfinite(threshold):
        scaled = min_max(case.map)
        heat = to_frame(scaled, case.frame, case.grid)
        predicted_box = boxes(scaled, threshold, case.frame, case.grid)[:1]
    draw_panel(axes, case.frame, image, heat, case.boxes, predicted_box, LINE_WIDTH)
    if not len(predicted_box):
        ground = {"facecolor": "black", "linewidth": 0, "pad": 1}
        style: dict[str, Any] = {
            "ha": "center",
            "color": "white",
            "fontsize": FONT_SIZE - 1,
            "bbox": ground,
        }
        axes.text(0.5, 0.05, "no box", transform=axes.transAxes, **style)


def _legend(figure: Figure, bar: tuple[float, float, float, float]) -> None:
    """Draw the legend of all panels: the scale of the maps on the right, the lines of the boxes below."""
    scale = figure.colorbar(ScalarMappable(cmap=COLOURS), cax=figure.add_axes(bar))
    scale.ax.tick_params(labelsize=FONT_SIZE, pad=1, length=2)
    scale.set_label("map, from minimum to maximum", fontsize=FONT_SIZE, labelpad=1)
    truth = Line2D([], [], color=TRUTH, label="truth")
    predicted = Line2D([], [], color=PREDICTED, label="predicted box")
    figure.legend(
        handles=[truth, predicted], loc="lower center", ncols=2, frameon=False, borderpad=0
    )


@dataclass(frozen=True)
class Example:
    """A case of a record, with the box of its method."""

    record: Record
    row: pd.Series
    is_hit: bool

    @property
    def title(self) -> str:
        """Words above the picture."""
        kind = "hit" if self.is_hit else "miss"
        return f"{kind}: {self.row['finding']}, {self.record.method}, IoU {self.row['iou']:.2f}"


def choose_examples(records: Sequence[Record], folder: Path) -> list[Example]:
    """Return the median hit and the median miss of the best method's first run; empty if one is missing.

    The best method is that with the highest mean over training runs. ``folder`` contains the rows per case.
    """
    record = _best(records)
    if record is None or not cases.exist(record.cell, folder):
        return []
    rows = cases.read(record.cell, folder)
    if not {*cases.BOX} <= {*rows.columns}:
        return []
    has_box = np.isfinite(rows[[*cases.BOX]].to_numpy(np.float64)).all(1)
    rows = rows[has_box].sort_values(["iou", "image", "finding"])
    is_hit = rows[MAIN].astype(bool)
    hits = rows[is_hit]
    misses = rows[~is_hit]
    if hits.empty or misses.empty:
        return []
    return [
        Example(record, hits.iloc[len(hits) // 2], is_hit=True),
        Example(record, misses.iloc[len(misses) // 2], is_hit=False),
    ]


def write_examples(
    records: Sequence[Record], folder: Path, samples_of: Callable[[Record], Mapping[str, Sample]]
) -> None:
    """Write ``examples.svg`` into the ``folder`` of a suite or an entry, unless the cases or their data are missing.

    ``samples_of`` returns image -> sample for a record. Delete the file to draw it anew without a run.
    """
    examples = choose_examples(records, folder)
    if not examples:
        return
    samples = samples_of(examples[0].record)
    images = [str(example.row["image"]) for example in examples]
    if any(image not in samples for image in images):
        return
    pairs = [(example, samples[image]) for example, image in zip(examples, images, strict=True)]
    with mpl.rc_context(EXAMPLE_STYLE):
        figure = draw_examples(pairs)
        title = "; ".join(example.title for example in examples)
        save_figure(figure, folder / EXAMPLES, dpi=150, title=title)


def _best(records: Sequence[Record]) -> Record | None:
    """Return the first training run of the best method, or None if nothing was scored."""
    cross_fitted = [
        record for record in grouping.main_methods(records) if record.cell.fitted_on is None
    ]
    rows = [Row.of(runs) for runs in trainings(cross_fitted)]
    means = [(row.value(MAIN, "cross-fitted"), row) for row in rows]
    scored_rows = [(mean, row) for mean, row in means if mean is not None]
    if not scored_rows:
        return None
    _, best = max(scored_rows, key=lambda pair: pair[0])
    return best.runs[0]


def draw_examples(examples: Sequence[tuple[Example, Sample]]) -> Figure:
    """Draw cases side by side, with truth and predicted box; radiographs are not shown."""
    figure = Figure(figsize=(6.4, 3.6), facecolor="white")
    for axes, (example, sample) in zip(figure.subplots(1, len(examples)), examples, strict=True):
        image = sample.image if example.record.cell.dataset == DRAWN else None
        predicted = example.row[[*cases.BOX]].to_numpy(np.float64)
        draw_panel(
            axes, sample.frame, image, None, sample.boxes[str(example.row["finding"])], [predicted]
        )
        axes.set_title(example.title, fontsize=8)
    figure.subplots_adjust(0.01, 0.01, 0.99, 0.93, 0.03)
    return figure
