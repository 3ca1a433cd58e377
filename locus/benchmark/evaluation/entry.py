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

from locus import datasets
from locus.benchmark.evaluation import files
from locus.benchmark.evaluation.arrays import Answers, Frame, Pair
from locus.benchmark.evaluation.files import Geometry, fits_better
from locus.benchmark.scoring.protocols.base import LazyMap
from locus.config import ScoreConfig
from locus.core.errors import BadValueError, DataError, examples, require_name
from locus.core.files import file_hash, json_hash
from locus.core.frames import box_flaws, iou, xywh_to_xyxy
from locus.core.names import UNRANKED_METHODS, duplicates
from locus.core.types import FloatArray, Sample
from locus.datasets.base import Dataset
from locus.datasets.io import annotations
from locus.datasets.io.annotations import BoxFormat, Names
from locus.datasets.io.tables import read_csv, refuse_duplicates

log = logging.getLogger(__name__)
NEED = "a table of boxes needs the columns image, finding, score and x0, y0, x1, y1 (xyxy) or x, y, w, h (xywh)"
NUMBER_COLUMNS = ["a", "b", "c", "d", "score"]
"""Columns of a table of boxes: the four numbers in the format of the file, and the confidence."""
PUBLISHED_FRAME = "pixels of the image as published, not of a resized copy"
MAX_TIED_SHARE = 0.01
"""Largest share of equal scores that is not worth a warning."""
BoxesByCase = dict[tuple[str, str], FloatArray]
"""(image, finding) -> (M,5) boxes xyxy in the frame of the published image, and confidences."""


@dataclass(frozen=True)
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
        skipped = self.boxless if self.missing == "skip" else frozenset()
        scored = {image for image, _ in self.values}
        every = self.boxes is not None
        return [s for s in self.data if s.image_id not in skipped and (every or s.boxes or s.image_id in scored)]

    @cached_property
    def answers(self) -> Answers:
        """Cases of the entry: all pairs of image and finding; for maps, only with a map or a counted miss."""
        pairs = [(sample.image_id, finding) for sample in self.samples for finding in self.data.findings]
        if self.boxes is None:
            missed = self.missing_maps if self.missing != "skip" else set()
            pairs = [pair for pair in pairs if pair in self.values or pair in missed]
        samples = {sample.image_id: sample for sample in self.samples}
        of_maps = dict.fromkeys(pairs, self.geometry.grid)
        return Answers(samples, self.data.findings, pairs, of_maps, self.values, self.boxes, self.probabilities)

    @cached_property
    def missing_maps(self) -> set[Pair]:
        """Cases with truth but without a map; none for boxes."""
        truth = {(sample.image_id, finding) for sample in self.samples for finding in sample.boxes}
        return truth - self.values.keys() if self.boxes is None else set()

    @property
    def recipe(self) -> dict[str, Any]:
        """Settings that determine the scores in addition to the data; part of the records' keys."""
        kind = "maps" if self.boxes is None else "boxes"
        read_as = {"geometry": self.geometry.declared, "missing": self.missing}
        return {"external": {"entry": self.name, "kind": kind, "files": json_hash(self.hashes), **read_as}}

    @property
    def about(self) -> str:
        """Paragraph above the tables."""
        kind = f"maps, {self.geometry.sentence}" if self.boxes is None else "boxes"
        trained = self.trained_on or "unknown"
        what = "Cases without a map" if self.boxes is None else "Images without a box"
        handling = {"miss": "count as misses", "skip": "are left out", "error": "are not allowed"}[self.missing]
        grid = "have the same grid" if self.boxes is None else "use their own grid"
        return (
            f"External entry {self.name} ({kind}; {len(self.hashes)} files, hashes in sources.csv). "
            f"Training data as declared: {trained}. {what} {handling}. "
            f"The maps of the baselines {grid}; their scores depend on it."
        )


def read(config: ScoreConfig) -> ExternalEntry:
    """Read the entry that the flags describe. Raises ``LocusError`` for anything that cannot be scored."""
    _refuse_name(config)
    data = _data(config)
    names = Names([sample.image_id for sample in data], data.findings)
    where = files.geometry_of(config.alignment) if config.maps else files.BOX_GEOMETRY
    frames = {sample.image_id: sample.frame for sample in data}
    index = None if config.index is None else Path(config.index)
    entry_boxes = read_boxes(Path(config.boxes), config.box_format, names, frames, index) if config.boxes else None
    boxless: list[str] = []
    if entry_boxes is not None:
        boxed, with_box = [sample.image_id for sample in data if sample.boxes], {image for image, _ in entry_boxes}
        boxless = [image for image in boxed if image not in with_box]
        count = f"{config.boxes} has no box for {len(boxless)} of {len(boxed)} images with a truth box"
        files.check_missing(boxless, count, config.missing)
        log_other_frame(entry_boxes, list(data), Path(str(config.boxes)))
    scores = read_probabilities(Path(config.predictions), names) if config.predictions else {}
    listed = files.find(Path(config.maps), names, config.findings) if config.maps else {}
    map_values = files.read_values(listed, data, where, config.missing) if config.maps else {}
    tables = {Path(file) for file in (config.boxes, config.predictions, config.index) if file}
    sources = sorted({one.file for one in listed.values()} | tables)
    root = Path(config.maps or ".")
    file_names = (file.relative_to(root).as_posix() if root in file.parents else file.name for file in sources)
    hashes = dict(zip(file_names, map(file_hash, sources), strict=True))
    stated = where, config.missing, hashes, config.trained_on
    return ExternalEntry(config.entry, data, map_values, entry_boxes, frozenset(boxless), scores, *stated)


def _refuse_name(config: ScoreConfig) -> None:
    if not config.entry.strip():
        raise BadValueError("--entry is required: use --entry NAME, the name of these maps or boxes in the tables")
    require_name(config.entry)
    if config.entry in UNRANKED_METHODS:
        raise BadValueError(f"--entry {config.entry!r} is the name of a baseline: choose another name")
    if (config.maps is None) == (config.boxes is None):
        raise BadValueError("use exactly one of --maps (a folder or a file) and --boxes (a file)")


def _data(config: ScoreConfig) -> Dataset:
    flags = {"img_size": config.img_size, **config.split_arguments(), "leave_out_fold": None}
    data = datasets.load(config.dataset, config.data_root_dir, "test", **flags)
    if not any(sample.boxes for sample in data):
        advice = "check the file of its truth boxes and --partition"
        raise DataError(f"no test image of {config.dataset} has a truth box, so nothing can be scored: {advice}")
    return data


def read_boxes(
    file: Path, box_format: BoxFormat | None, names: Names, frames: Mapping[str, Frame], index: Path | None = None
) -> BoxesByCase:
    """Read the boxes of a file by image and finding; ``frames``: image -> (H, W), for all images of the split.

    ``index``: the COCO file with images and categories of a list of results. Raises ``DataError`` for broken files and
    invalid boxes, ``BadValueError`` for a CSV without ``box_format`` or a JSON with ``box_format`` xyxy.
    """
    is_json = file.suffix.lower() == ".json"
    table = _from_json(file, box_format, index) if is_json else _from_csv(file, box_format)
    return _by_case(table, "xywh" if is_json else box_format or "xyxy", names, frames, file)


def _by_case(
    table: pd.DataFrame, box_format: BoxFormat, names: Names, frames: Mapping[str, Frame], file: Path
) -> BoxesByCase:
    """Return the boxes of a ``table`` with the columns image, finding and ``NUMBER_COLUMNS``; see ``read_boxes``."""
    if table.empty:
        raise DataError(f"{file} contains no boxes")
    images = names.resolve_images(table["image"].tolist(), "boxes")
    words = {word: names.finding(word, str(file)) for word in table["finding"].unique()}
    if "width" in table:
        annotations.refuse_other_frames(table, [frames[image] for image in images], file)
    size = np.array([frames[image][::-1] for image in images], dtype=np.float64).reshape(-1, 2)
    boxes = pd.DataFrame(_checked(table, box_format, size, file))
    cases = pd.DataFrame({"image": images, "finding": table["finding"].map(words)})
    rows = pd.concat([cases, boxes], axis=1)
    if (repeated := rows.duplicated()).any():
        n = int(repeated.argmax())
        first = int((rows == rows.iloc[n]).all(axis=1).argmax())
        both = f"boxes {first + 1} and {n + 1} are identical ({', '.join(cases.iloc[n])})"
        raise DataError(f"{file}: {both}: remove one of them")
    tied = rows.duplicated(["finding", NUMBER_COLUMNS.index("score")], keep=False)
    if tied.mean() > MAX_TIED_SHARE:
        text = "%s: %d of %d scores are tied within their finding: see docs/protocols.md"
        log.warning(text, file, tied.sum(), len(rows))
    groups = boxes.groupby([*cases.to_numpy().T])
    return {(str(image), str(finding)): group.to_numpy() for (image, finding), group in groups}


def _from_csv(file: Path, box_format: BoxFormat | None) -> pd.DataFrame:
    table = annotations.read_table(file)
    if "score" not in table:
        raise DataError(f"{file} has the columns {', '.join(map(str, table))}: {NEED}")
    if box_format is None:
        raise BadValueError("--boxes with a CSV file requires --box_format: xyxy (corners) or xywh (corner and size)")
    edges = next((edges for edges in annotations.EDGES[box_format] if {*edges} <= {*table.columns}), None)
    if edges is None:
        raise DataError(f"{file} has the columns {', '.join(map(str, table))} and --box_format is {box_format}: {NEED}")
    numbers = table[[*edges, "score"]].apply(pd.to_numeric, errors="coerce")
    sizes = annotations.image_sizes(file, table, edges)
    return table[["image", "finding"]].join(numbers.set_axis(NUMBER_COLUMNS, axis=1)).assign(**sizes)


def _from_json(file: Path, box_format: BoxFormat | None, index: Path | None) -> pd.DataFrame:
    if box_format == "xyxy":
        raise BadValueError(f"{file} is COCO JSON, whose boxes are xywh: leave out --box_format xyxy")
    return annotations.read_coco(file, index).rename(columns=dict(zip("xywh", NUMBER_COLUMNS, strict=False)))


@np.errstate(over="ignore", invalid="ignore")
def _checked(table: pd.DataFrame, box_format: BoxFormat, size: FloatArray, file: Path) -> FloatArray:
    """Return the boxes (M,5) as xyxy, clipped to their images of ``size`` (M,2), with confidences."""
    values, limits = table[NUMBER_COLUMNS].to_numpy(dtype=np.float64), np.tile(size, 2)
    readings = {"xyxy": values[:, :4], "xywh": xywh_to_xyxy(values[:, :4])}
    flaws = {name: box_flaws(boxes, limits) for name, boxes in readings.items()}
    beyond = {name: ((boxes < 0) | (boxes > limits)).any(1) for name, boxes in readings.items()}
    boxes, (other,) = readings[box_format], [name for name in readings if name != box_format]
    fits = not any(wrong.any() for wrong in (beyond[other], *flaws[other].values()))
    advice = f" (if the file has {other}, use --box_format {other})" if fits else ""
    given = {
        "without a score between 0 and 1; correct it": ~((values[:, 4] >= 0) & (values[:, 4] <= 1)),
        **flaws[box_format],
        "partly outside their image; correct them": beyond[box_format] & fits,
    }
    for what, wrong in given.items():
        if wrong.any():
            n, (kind, _, fix) = int(wrong.argmax()), what.partition("; ")
            box = f"{table['image'][n]}, {table['finding'][n]}: {', '.join(f'{number:g}' for number in values[n])}"
            count = f"{int(wrong.sum())} of {len(values)} boxes are {kind} when read as {box_format}{advice}"
            raise DataError(f"{file}: {count}, first box {n + 1} ({box}): {fix}; boxes must be in {PUBLISHED_FRAME}")
    if clipped := int(beyond[box_format].sum()):
        log.warning("%s: clipped %d of %d boxes at the edge of their image", file, clipped, len(values))
    return np.column_stack([np.clip(boxes, 0, limits), values[:, 4]])


def log_other_frame(boxes: BoxesByCase, samples: Sequence[Sample], file: Path) -> None:
    """Log a warning if boxes with swapped axes, or multiplied by one factor, fit the truth at least twice as well."""
    boxed = [(truth, (s.image_id, finding)) for s in samples for finding, truth in s.boxes.items()]
    pairs = [(truth, boxes[key]) for truth, key in boxed if key in boxes]
    given = [(truth, found[found[:, 4].argmax(), :4][None]) for truth, found in pairs]
    if not given:
        return

    def overlap(change: Callable[[FloatArray], FloatArray]) -> FloatArray:
        return np.array([np.nanmax(iou(change(box), truth)) for truth, box in given])

    as_given = overlap(lambda box: box)
    factor = float(np.median([np.median(truth[0] / np.maximum(box[0], 1)) for truth, box in given]))
    readings = {
        "with x and y swapped": lambda box: box[:, [1, 0, 3, 2]],
        f"multiplied by {factor:.3g}": lambda box: box * factor,
    }
    for reading, change in readings.items():
        if fits_better(as_given, other := overlap(change), 2.0):
            means = f"mean IoU {other.mean():.3f} instead of {as_given.mean():.3f}"
            log.warning("%s: boxes %s fit the truth better (%s): give %s", file, reading, means, PUBLISHED_FRAME)


def read_probabilities(file: Path, names: Names) -> dict[tuple[str, str], float]:
    """Return (image, finding) -> probability in [0,1], from a table with a row per image and a column per finding.

    Raises ``DataError`` for unknown images or findings and invalid numbers.
    """
    table = read_csv(file, ("image",), "write a row per image and a column of probabilities per finding")
    images = names.resolve_images(table.pop("image").tolist(), "rows")
    refuse_duplicates(file, pd.Series(images, dtype=str))
    findings = [names.finding(str(word), str(file)) for word in table]
    if repeated := duplicates(findings):
        raise DataError(f"{file} has several columns of the same finding: {examples(repeated)}; keep one per finding")
    out: dict[tuple[str, str], float] = {}
    for finding, column in zip(findings, table, strict=True):
        probabilities = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        if not ((probabilities >= 0) & (probabilities <= 1)).all():
            wrong = f"the column {column} has values that are not numbers from 0 to 1"
            raise DataError(f"{file}: {wrong}: give probabilities, not logits")
        out |= {(image, finding): value for image, value in zip(images, probabilities.tolist(), strict=True)}
    return out
