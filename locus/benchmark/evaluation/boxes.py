"""Read what accompanies or replaces external maps: boxes with confidences, probabilities, names and geometry.

``read``                read and check boxes with confidences (CSV or COCO JSON)
``read_probabilities``  read and check a classifier's probabilities
``Geometry``, ``of``    the position of external maps in the image, as declared by their authors

The maps themselves are read in ``files``.
"""

import json
import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from locus.core import limits
from locus.core.errors import BadValueError, DataError, examples
from locus.core.frames import Alignment, Grid, box_flaws, conventional, iou, xywh_to_xyxy
from locus.core.names import duplicates
from locus.core.types import FloatArray, Sample
from locus.datasets.io.annotations import (
    EDGES,
    BoxFormat,
    Names,
    image_sizes,
    read_coco,
    read_table,
    refuse_other_frames,
)
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


def read(
    file: Path,
    box_format: BoxFormat | None,
    names: Names,
    frames: Mapping[str, tuple[int, int]],
    index: Path | None = None,
) -> BoxesByCase:
    """Read the boxes of a file by image and finding; ``frames``: image -> (H, W), for all images of the split.

    ``index``: the COCO file with images and categories of a list of results. Raises ``DataError`` for broken files and
    invalid boxes, ``BadValueError`` for a CSV without ``box_format`` or a JSON with ``box_format`` xyxy.
    """
    is_json = file.suffix.lower() == ".json"
    table = _from_json(file, box_format, index) if is_json else _from_csv(file, box_format)
    return _by_case(table, "xywh" if is_json else box_format or "xyxy", names, frames, file)


def _by_case(
    table: pd.DataFrame, box_format: BoxFormat, names: Names, frames: Mapping[str, tuple[int, int]], file: Path
) -> BoxesByCase:
    """Return the boxes of a ``table`` with the columns image, finding and ``NUMBER_COLUMNS``; see ``read``."""
    if table.empty:
        raise DataError(f"{file} contains no boxes")
    images = names.resolve_images(table["image"].tolist(), "boxes")
    words = {word: names.finding(word, str(file)) for word in table["finding"].unique()}
    if "width" in table:
        refuse_other_frames(table, [frames[image] for image in images], file)
    size = np.array([frames[image][::-1] for image in images], dtype=np.float64).reshape(-1, 2)
    boxes = pd.DataFrame(_checked(table, box_format, size, file))
    cases = pd.DataFrame({"image": images, "finding": table["finding"].map(words)})
    rows = pd.concat([cases, boxes], axis=1)
    if (repeated := rows.duplicated()).any():
        n = int(repeated.argmax())
        first = int((rows == rows.iloc[n]).all(axis=1).argmax())
        raise DataError(
            f"{file}: boxes {first + 1} and {n + 1} are identical ({', '.join(cases.iloc[n])}): remove one of them"
        )
    tied = rows.duplicated(["finding", NUMBER_COLUMNS.index("score")], keep=False)
    if tied.mean() > MAX_TIED_SHARE:
        log.warning(
            "%s: %d of %d scores are tied within their finding: see docs/protocols.md", file, tied.sum(), len(rows)
        )
    groups = boxes.groupby([*cases.to_numpy().T])
    return {(str(image), str(finding)): group.to_numpy() for (image, finding), group in groups}


def _from_csv(file: Path, box_format: BoxFormat | None) -> pd.DataFrame:
    table = read_table(file)
    if "score" not in table:
        raise DataError(f"{file} has the columns {', '.join(map(str, table))}: {NEED}")
    if box_format is None:
        raise BadValueError("--boxes with a CSV file requires --box_format: xyxy (corners) or xywh (corner and size)")
    edges = next((edges for edges in EDGES[box_format] if {*edges} <= {*table.columns}), None)
    if edges is None:
        raise DataError(f"{file} has the columns {', '.join(map(str, table))} and --box_format is {box_format}: {NEED}")
    numbers = table[[*edges, "score"]].apply(pd.to_numeric, errors="coerce")
    sizes = image_sizes(file, table, edges)
    return table[["image", "finding"]].join(numbers.set_axis(NUMBER_COLUMNS, axis=1)).assign(**sizes)


def _from_json(file: Path, box_format: BoxFormat | None, index: Path | None) -> pd.DataFrame:
    if box_format == "xyxy":
        raise BadValueError(f"{file} is COCO JSON, whose boxes are xywh: leave out --box_format xyxy")
    return read_coco(file, index).rename(columns=dict(zip("xywh", NUMBER_COLUMNS, strict=False)))


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


MIN_STANDARD_ERRORS, MIN_RATIO = 3.0, 1.2
"""Another reading fits better if its mean gain is so many standard errors, and its mean larger by this factor."""


def fits_better(as_given: FloatArray, other: FloatArray, ratio: float = MIN_RATIO) -> bool:
    """Return True if another reading of N cases fits the truth much better than the one ``as_given``; nan is ignored.

    >>> fits_better(np.array([0.1, 0.2, 0.0]), np.array([0.8, 0.9, 0.8])), fits_better(np.ones(3), np.ones(3))
    (True, False)
    """
    gain = (other - as_given)[np.isfinite(other - as_given)]
    if len(gain) < 2 or np.nanmean(other) <= ratio * np.nanmean(as_given):
        return False
    return bool(gain.mean() > MIN_STANDARD_ERRORS * gain.std(ddof=1) / np.sqrt(len(gain)))


def log_other_frame(boxes: BoxesByCase, samples: Sequence[Sample], file: Path) -> None:
    """Log a warning if boxes with swapped axes, or multiplied by one factor, fit the truth at least twice as well."""
    pairs = [
        (s.boxes[word], boxes[s.image_id, word]) for s in samples for word in s.boxes if (s.image_id, word) in boxes
    ]
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


ADVICE = (
    "use --alignment conventional (for maps that you would enlarge by plain interpolation), pixels (for maps of the "
    "size of the image or of a resized copy), or FILE.json (size, stride and offset of the grid, each [y, x])"
)


@dataclass(frozen=True)
class Geometry:
    """A declared alignment or grid."""

    declared: Any
    """Value in the cell's recipe (not ``Record.geometry``): conventional, pixels, none (boxes), or the grid as a dict
    of size, stride and offset."""
    grid: Grid | Alignment

    @property
    def alignment(self) -> Alignment:
        """Alignment in a record's cell. Pixels and boxes have exact positions, so they count as aligned."""
        return "conventional" if self.declared == "conventional" else "aligned"

    @property
    def sentence(self) -> str:
        """Description in a sentence."""
        return f"alignment {self.declared}" if isinstance(self.declared, str) else f"grid {json.dumps(self.declared)}"

    def on(self, shape: tuple[int, int]) -> Grid:
        """Return the grid of maps of ``shape`` (h, w) on frames of any size.

        Without a declared grid, positions divide the frame evenly, each in the middle of its part.
        """
        return self.grid if isinstance(self.grid, Grid) else conventional(shape, shape)


BOX_GEOMETRY = Geometry("none", "conventional")
"""Geometry of entries of boxes."""


def of(word: str | None) -> Geometry:
    """Return the geometry of ``--alignment``. Raises ``BadValueError`` if it is missing or its file is broken.

    >>> of("conventional").sentence, of("pixels").alignment
    ('alignment conventional', 'aligned')
    """
    if word is None:
        raise BadValueError(f"--maps requires --alignment: {ADVICE}")
    if word in ("conventional", "pixels"):
        return Geometry(word, "conventional")  # pixels divide the frame evenly, so both words have the same grid
    try:
        content = json.loads(limits.require_size(Path(word)).read_text(encoding="utf-8"))
        pairs = {name: (float(content[name][0]), float(content[name][1])) for name in ("size", "stride", "offset")}
        if min(*pairs["size"], *pairs["stride"]) <= 0 or not all(map(math.isfinite, sum(pairs.values(), ()))):
            raise ValueError("size and stride must be above 0 and all numbers finite")
    except (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise BadValueError(
            f"--alignment {word!r} is neither conventional nor pixels and cannot be read as a grid "
            f"({type(error).__name__}: {error}): {ADVICE}"
        ) from error
    size = (int(pairs["size"][0]), int(pairs["size"][1]))
    return Geometry({name: list(pair) for name, pair in pairs.items()}, Grid(size, pairs["stride"], pairs["offset"]))
