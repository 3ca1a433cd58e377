"""An external entry (maps or boxes for a data set), checked completely before anything is scored or written.

``read``                builds an ``ExternalEntry`` from the flags of ``python -m benchmark.score``
``read_boxes``          boxes with confidences, from CSV or COCO JSON
``read_probabilities``  a classifier's probabilities

Maps are read in ``files``; ``scorer`` scores the entry and its baselines.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from locus import datasets
from locus.arrays import Answers, Frame, Pair
from locus.benchmark.evaluation import files
from locus.benchmark.evaluation.files import Geometry, fits_better
from locus.config import ScoreConfig
from locus.core.errors import BadValueError, DataError, examples, require_name
from locus.core.files import file_hash, json_hash
from locus.core.frames import Alignment, Grid, box_flaws, iou, xywh_to_xyxy
from locus.core.names import UNRANKED_METHODS, duplicates
from locus.core.types import FloatArray, Sample
from locus.datasets.base import Dataset
from locus.datasets.io import annotations
from locus.datasets.io.annotations import BoxFormat, Names
from locus.datasets.io.tables import read_csv, refuse_duplicates
from locus.scoring.protocols.base import LazyMap

log = logging.getLogger(__name__)
NEED = "a table of boxes needs the columns image, finding, score and x0, y0, x1, y1 (xyxy) or x, y, w, h (xywh)"
NUMBER_COLUMNS = ["a", "b", "c", "d", "score"]
"""Columns of a table of boxes: the four numbers in the format of the file, and the confidence."""
PUBLISHED_FRAME = "pixels of the image as published, not of a resized copy"
MAX_TIED_SHARE = 0.01
"""Largest share of equal scores that is not worth a warning."""
BoxesByCase = dict[tuple[str, str], FloatArray]
"""(image, finding) -> (M,5) boxes xyxy in the frame of the published image, and confidences."""


@dataclass(frozen=True, kw_only=True)
class ExternalEntry:
    """External maps or boxes, and the data set of their test images."""

    name: str
    data: Dataset
    values: Mapping[Pair, files.Map | LazyMap]
    """(image, finding) -> (h,w) map; empty for boxes."""
    boxes: BoxesByCase | None
    """(image, finding) -> (M,5) boxes and confidences; None for maps."""
    boxless: frozenset[str]
    """Images with a truth box but without a submitted box; empty for maps."""
    probabilities: Mapping[Pair, float]
    geometry: Geometry
    missing: str
    """Handling of cases without a map and images without a box: ``miss``, ``skip`` or ``error``."""
    hashes: dict[str, str]
    """File -> first 16 hex digits of the SHA-256 of its bytes."""
    trained_on: str

    @cached_property
    def samples(self) -> list[Sample]:
        """Scored images without skipped ones: for maps, the images with boxes; for boxes, all images.

        Without the finding, protocols of masks score those images that have a map.
        """
        samples = list(self.data)
        if self.boxes is None:
            with_map = {image for image, _ in self.values}
            samples = [sample for sample in samples if sample.boxes or sample.image_id in with_map]
        if self.missing == "skip":
            samples = [sample for sample in samples if sample.image_id not in self.boxless]
        return samples

    @cached_property
    def answers(self) -> Answers:
        """Cases of the entry: all pairs of image and finding; for maps, only with a map or a counted miss."""
        pairs = [
            (sample.image_id, finding) for sample in self.samples for finding in self.data.findings
        ]
        if self.boxes is None:
            misses = self.missing_maps if self.missing != "skip" else set()
            pairs = [pair for pair in pairs if pair in self.values or pair in misses]
        samples = {sample.image_id: sample for sample in self.samples}
        return Answers(
            samples=samples,
            findings=self.data.findings,
            pairs=pairs,
            grids={pair: self._grid(pair, samples[pair[0]].frame) for pair in pairs},
            maps=self.values,
            boxes=self.boxes,
            probabilities=self.probabilities,
        )

    def _grid(self, pair: Pair, frame: Frame) -> Grid | Alignment:
        """Return the grid of a case; a missing map has that of the data set."""
        if pair not in self.values:
            return self.geometry.grid
        height, width = self.values[pair].shape
        return self.geometry.on_image((height, width), frame)

    @cached_property
    def missing_maps(self) -> set[Pair]:
        """Cases with truth but without a map; none for boxes."""
        if self.boxes is not None:
            return set()
        truth = {(sample.image_id, finding) for sample in self.samples for finding in sample.boxes}
        return truth - self.values.keys()

    @property
    def recipe(self) -> dict[str, Any]:
        """Settings that determine the scores in addition to the data; part of the records' keys."""
        return {
            "external": {
                "entry": self.name,
                "kind": "maps" if self.boxes is None else "boxes",
                "files": json_hash(self.hashes),
                "geometry": self.geometry.declared,
                "missing": self.missing,
            }
        }

    @property
    def about(self) -> str:
        """Paragraph above the tables."""
        if self.boxes is None:
            kind, absent, grid = (
                f"maps, {self.geometry.sentence}",
                "Cases without a map",
                "have the same grid",
            )
        else:
            kind, absent, grid = "boxes", "Images without a box", "use their own grid"
        handling = {"miss": "count as misses", "skip": "are left out", "error": "are not allowed"}[
            self.missing
        ]
        return (
            f"External entry {self.name} ({kind}; {len(self.hashes)} files, hashes in sources.csv). "
            f"Training data as declared: {self.trained_on or 'unknown'}. {absent} {handling}. "
            f"The maps of the baselines {grid}; their scores depend on it."
        )


def read(config: ScoreConfig) -> ExternalEntry:
    """Read the entry that the flags describe. Raises ``LocusError`` for anything that cannot be scored."""
    _refuse_name(config)
    data = _data(config)
    names = Names([sample.image_id for sample in data], data.findings)
    geometry = files.geometry_of(config.alignment) if config.maps else files.BOX_GEOMETRY
    boxes = None
    boxless: list[str] = []
    if config.boxes:
        frames = {sample.image_id: sample.frame for sample in data}
        index = None if config.index is None else Path(config.index)
        boxes = read_boxes(Path(config.boxes), config.box_format, names, frames, index)
        boxless = _boxless(boxes, data, config)
        log_other_frame(boxes, list(data), Path(config.boxes))
    probabilities = (
        read_probabilities(Path(config.predictions), names) if config.predictions else {}
    )
    sources: dict[Pair, files.MapSource] = {}
    values: dict[Pair, files.Map | LazyMap] = {}
    if config.maps:
        sources = files.find(Path(config.maps), names, config.findings)
        values = files.read_values(sources, data, geometry, config.missing)
    return ExternalEntry(
        name=config.entry,
        data=data,
        values=values,
        boxes=boxes,
        boxless=frozenset(boxless),
        probabilities=probabilities,
        geometry=geometry,
        missing=config.missing,
        hashes=_hashes(config, {source.file for source in sources.values()}),
        trained_on=config.trained_on,
    )


def _boxless(boxes: BoxesByCase, data: Dataset, config: ScoreConfig) -> list[str]:
    """Return the images with a truth box but without a box; raise ``DataError`` if these are not allowed."""
    with_box = {image for image, _ in boxes}
    with_truth = [sample.image_id for sample in data if sample.boxes]
    boxless = [image for image in with_truth if image not in with_box]
    count = (
        f"{config.boxes} has no box for {len(boxless)} of {len(with_truth)} images with a truth box"
    )
    files.check_missing(boxless, count, config.missing)
    return boxless


def _hashes(config: ScoreConfig, map_files: set[Path]) -> dict[str, str]:
    """Return the name of each file of the entry -> its hash."""
    tables = {Path(file) for file in (config.boxes, config.predictions, config.index) if file}
    root = Path(config.maps or ".")
    hashes = {}
    for file in sorted(map_files | tables):
        name = file.relative_to(root).as_posix() if root in file.parents else file.name
        hashes[name] = file_hash(file)
    return hashes


def _refuse_name(config: ScoreConfig) -> None:
    if not config.entry.strip():
        raise BadValueError(
            "--entry is required: use --entry NAME, the name of these maps or boxes in the tables"
        )
    require_name(config.entry)
    if config.entry in UNRANKED_METHODS:
        raise BadValueError(
            f"--entry {config.entry!r} is the name of a baseline: choose another name"
        )
    if (config.maps is None) == (config.boxes is None):
        raise BadValueError("use exactly one of --maps (a folder or a file) and --boxes (a file)")


def _data(config: ScoreConfig) -> Dataset:
    flags = {"img_size": config.img_size, **config.split_arguments(), "leave_out_fold": None}
    data = datasets.load(config.dataset, config.data_root_dir, "test", **flags)
    if not any(sample.boxes for sample in data):
        advice = "check the file of its truth boxes and --partition"
        raise DataError(
            f"no test image of {config.dataset} has a truth box, so nothing can be scored: {advice}"
        )
    return data


def read_boxes(
    file: Path,
    box_format: BoxFormat | None,
    names: Names,
    frames: Mapping[str, Frame],
    index: Path | None = None,
) -> BoxesByCase:
    """Read the boxes of a file.

    Args:
        file: CSV or COCO JSON.
        box_format: ``xyxy`` or ``xywh``; required for CSV, whose boxes are in pixels of the image as published.
        names: the images and findings of the data set.
        frames: image -> (H, W) as published, for all images of the split.
        index: the COCO file with images and categories of a list of results.

    Returns:
        (image, finding) -> (M,5) boxes xyxy and confidences.

    Raises:
        DataError: a broken file or invalid boxes.
        BadValueError: a CSV without ``box_format``, or a JSON with ``box_format`` xyxy.
    """
    if file.suffix.lower() == ".json":
        return _by_case(_from_json(file, box_format, index), "xywh", names, frames, file)
    return _by_case(_from_csv(file, box_format), box_format or "xyxy", names, frames, file)


def _by_case(
    table: pd.DataFrame,
    box_format: BoxFormat,
    names: Names,
    frames: Mapping[str, Frame],
    file: Path,
) -> BoxesByCase:
    """Return the boxes of a ``table`` with the columns image, finding and ``NUMBER_COLUMNS``; see ``read_boxes``."""
    if table.empty:
        raise DataError(f"{file} contains no boxes")
    images = names.resolve_images(table["image"].tolist(), "boxes")
    findings = {word: names.finding(word, str(file)) for word in table["finding"].unique()}
    box_frames = [frames[image] for image in images]
    if "width" in table:
        annotations.refuse_other_frames(table, box_frames, file)
    sizes = np.array([(width, height) for height, width in box_frames], dtype=np.float64).reshape(
        -1, 2
    )
    boxes = pd.DataFrame(_checked(table, box_format, sizes, file))
    cases = pd.DataFrame({"image": images, "finding": table["finding"].map(findings)})
    rows = pd.concat([cases, boxes], axis=1)
    repeated = rows.duplicated()
    if repeated.any():
        second = int(repeated.argmax())
        first = int((rows == rows.iloc[second]).all(axis=1).argmax())
        both = f"boxes {first + 1} and {second + 1} are identical ({', '.join(cases.iloc[second])})"
        raise DataError(f"{file}: {both}: remove one of them")
    is_tied = rows.duplicated(["finding", NUMBER_COLUMNS.index("score")], keep=False)
    if is_tied.mean() > MAX_TIED_SHARE:
        text = "%s: %d of %d scores are tied within their finding: see docs/protocols.md"
        log.warning(text, file, is_tied.sum(), len(rows))
    groups = boxes.groupby([cases["image"].to_numpy(), cases["finding"].to_numpy()])
    return {(str(image), str(finding)): group.to_numpy() for (image, finding), group in groups}


def _from_csv(file: Path, box_format: BoxFormat | None) -> pd.DataFrame:
    table = annotations.read_table(file)
    columns = ", ".join(map(str, table))
    if "score" not in table:
        raise DataError(f"{file} has the columns {columns}: {NEED}")
    if box_format is None:
        raise BadValueError(
            "--boxes with a CSV file requires --box_format: xyxy (corners) or xywh (corner and size)"
        )
    edges = next(
        (edges for edges in annotations.EDGES[box_format] if {*edges} <= {*table.columns}), None
    )
    if edges is None:
        raise DataError(
            f"{file} has the columns {columns} and --box_format is {box_format}: {NEED}"
        )
    numbers = table[[*edges, "score"]].apply(pd.to_numeric, errors="coerce")
    numbers.columns = pd.Index(NUMBER_COLUMNS)
    sizes = annotations.image_sizes(file, table, edges)
    return table[["image", "finding"]].join(numbers).assign(**sizes)


def _from_json(file: Path, box_format: BoxFormat | None, index: Path | None) -> pd.DataFrame:
    if box_format == "xyxy":
        raise BadValueError(
            f"{file} is COCO JSON, whose boxes are xywh: leave out --box_format xyxy"
        )
    return annotations.read_coco(file, index).rename(
        columns=dict(zip("xywh", NUMBER_COLUMNS, strict=False))
    )


@np.errstate(over="ignore", invalid="ignore")
def _checked(
    table: pd.DataFrame, box_format: BoxFormat, sizes: FloatArray, file: Path
) -> FloatArray:
    """Return the boxes (M,5) as xyxy, clipped to their images of ``sizes`` (M,2) as (width, height), with confidences.

    Boxes that are only partly outside their image are an error if all boxes fit in the other format, else clipped.
    """
    values = table[NUMBER_COLUMNS].to_numpy(dtype=np.float64)
    scores = values[:, 4]
    limits = np.tile(sizes, 2)
    boxes, other_boxes = values[:, :4], xywh_to_xyxy(values[:, :4])
    other_format = "xywh"
    if box_format == "xywh":
        boxes, other_boxes = other_boxes, boxes
        other_format = "xyxy"
    is_outside = _is_outside(boxes, limits)
    other_flaws = [_is_outside(other_boxes, limits), *box_flaws(other_boxes, limits).values()]
    other_fits = not any(flaw.any() for flaw in other_flaws)
    advice = (
        f" (if the file has {other_format}, use --box_format {other_format})" if other_fits else ""
    )
    problems = {
        "without a score between 0 and 1; correct it": ~((scores >= 0) & (scores <= 1)),
        **box_flaws(boxes, limits),
        "partly outside their image; correct them": is_outside & other_fits,
    }
    for problem_and_fix, is_wrong in problems.items():
        if is_wrong.any():
            problem, _, fix = problem_and_fix.partition("; ")
            first = int(is_wrong.argmax())
            numbers = ", ".join(f"{number:g}" for number in values[first])
            box = f"{table['image'][first]}, {table['finding'][first]}: {numbers}"
            count = f"{int(is_wrong.sum())} of {len(values)} boxes are {problem} when read as {box_format}{advice}"
            raise DataError(
                f"{file}: {count}, first box {first + 1} ({box}): {fix}; boxes must be in {PUBLISHED_FRAME}"
            )
    if is_outside.any():
        text = "%s: clipped %d of %d boxes at the edge of their image"
        log.warning(text, file, int(is_outside.sum()), len(values))
    return np.column_stack([np.clip(boxes, 0, limits), scores])


def _is_outside(boxes: FloatArray, limits: FloatArray) -> NDArray[np.bool_]:
    """Return (M,) whether boxes (M,4) reach beyond their images; ``limits`` (M,4): largest values."""
    return np.asarray(((boxes < 0) | (boxes > limits)).any(axis=1))


def log_other_frame(boxes: BoxesByCase, samples: Sequence[Sample], file: Path) -> None:
    """Log a warning if boxes with swapped axes, or multiplied by one factor, fit the truth at least twice as well."""
    pairs = []  # truth boxes (M,4) of a case, and the most confident box (1,4)
    for sample in samples:
        for finding, truth in sample.boxes.items():
            case_boxes = boxes.get((sample.image_id, finding))
            if case_boxes is not None:
                best = case_boxes[:, 4].argmax()
                pairs.append((truth, case_boxes[best, :4][None]))
    if not pairs:
        return

    def best_ious(change: Callable[[FloatArray], FloatArray]) -> FloatArray:
        return np.array([np.nanmax(iou(change(box), truth)) for truth, box in pairs])

    as_given = best_ious(lambda box: box)
    factor = float(np.median([np.median(truth[0] / np.maximum(box[0], 1)) for truth, box in pairs]))
    readings = {
        "with x and y swapped": lambda box: box[:, [1, 0, 3, 2]],
        f"multiplied by {factor:.3g}": lambda box: box * factor,
    }
    for reading, change in readings.items():
        changed = best_ious(change)
        if fits_better(as_given, changed, 2.0):
            means = f"mean IoU {changed.mean():.3f} instead of {as_given.mean():.3f}"
            log.warning(
                "%s: boxes %s fit the truth better (%s): give %s",
                file,
                reading,
                means,
                PUBLISHED_FRAME,
            )


def read_probabilities(file: Path, names: Names) -> dict[tuple[str, str], float]:
    """Return (image, finding) -> probability in [0,1], from a table with a row per image and a column per finding.

    Raises ``DataError`` for unknown images or findings and invalid numbers.
    """
    table = read_csv(
        file, ("image",), "write a row per image and a column of probabilities per finding"
    )
    images = names.resolve_images(table.pop("image").tolist(), "rows")
    refuse_duplicates(file, pd.Series(images, dtype=str))
    findings = [names.finding(str(heading), str(file)) for heading in table]
    repeated = duplicates(findings)
    if repeated:
        raise DataError(
            f"{file} has several columns of the same finding: {examples(repeated)}; keep one per finding"
        )
    probabilities: dict[tuple[str, str], float] = {}
    for finding, heading in zip(findings, table, strict=True):
        values = pd.to_numeric(table[heading], errors="coerce").to_numpy(dtype=np.float64)
        if not ((values >= 0) & (values <= 1)).all():
            problem = f"the column {heading} has values that are not numbers from 0 to 1"
            raise DataError(f"{file}: {problem}: give probabilities, not logits")
        for image, value in zip(images, values.tolist(), strict=True):
            probabilities[image, finding] = value
    return probabilities
