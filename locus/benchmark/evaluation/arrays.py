"""Score plain arrays with the protocols of the suites, without torch and without files."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from locus.benchmark.scoring import protocols
from locus.benchmark.scoring.protocols.base import NOT_GIVEN, Case, Result
from locus.benchmark.scoring.statistics.resample import ONE_BLAS_THREAD
from locus.core.errors import BadValueError, NotAvailableError, examples
from locus.core.frames import Alignment, Grid
from locus.core.types import FloatArray

Pair = tuple[str, str]
"""(image, finding)."""
Frame = tuple[int, int]
GridLike = Grid | Alignment
T = TypeVar("T")


@ONE_BLAS_THREAD
def score(
    maps: Mapping[Pair, ArrayLike | None],
    truth: Mapping[Pair, ArrayLike],
    *,
    frames: Mapping[str, Frame] | Frame,
    grids: GridLike | Mapping[Any, GridLike],
    patients: Mapping[str, str] | None = None,
    negatives: Collection[Pair | str] = (),
    protocol: str = "locus",
    probabilities: Mapping[Pair, float] | None = None,
) -> Result:
    """Score heat maps against truth boxes.

    Args:
        maps: (image, finding) -> (h,w) heat map, in any unit; None: the method failed, which counts as a miss.
        truth: (image, finding) -> (M,4) boxes xyxy in the frame; each case needs a map.
        frames: image -> (H,W) in pixels, or one for all images.
        grids: positions of a map in the image: a ``Grid``, or ``conventional`` (as plain interpolation assumes). One
            for all maps, or a dictionary by image or by (image, finding).
        patients: image -> patient, for cross-fitted thresholds and intervals. None: each image is a separate patient.
        negatives: images, or (image, finding) pairs, that do not show the finding. Other pairs without a box are
            unknown.
        protocol: name of the protocol.
        probabilities: (image, finding) -> classifier probability, for protocols that rank boxes by confidence.

    Returns:
        ``scores`` (finding or ``mean``, metric, value, low, high, n, threshold origin) and ``rows`` (one per case).

    Raises:
        BadValueError: a case without a map, an image without frame, grid or patient, an invalid map or box.
        NotAvailableError: the protocol needs more maps, or probabilities.
        UnknownNameError: an unknown protocol.

    >>> maps = {("a", "Mass"): [[0, 0], [0, 1]], ("b", "Mass"): [[0, 1], [0, 0]]}
    >>> truth = {("a", "Mass"): [[50, 50, 90, 90]], ("b", "Mass"): [[0, 50, 40, 90]]}
    >>> result = score(maps, truth, frames=(100, 100), grids="conventional", protocol="pointing")
    >>> [(one.finding, one.value, one.n) for one in result.scores[:2]]
    [('Mass', 0.5, 2), ('mean', 0.5, 2)]
    """
    part = protocols.get(protocol)()
    _check_pairs(maps, truth, negatives)
    findings = tuple(dict.fromkeys(finding for _, finding in (*truth, *maps)))
    images = {image for image, _ in truth}
    n_missing = sum((image, finding) not in maps for image in images for finding in findings)
    if part.counts_false_alarms and n_missing:
        needed = "a map for every finding of every image with a truth box, also for findings that it does not show"
        raise NotAvailableError(f"{protocol} needs {needed}: {n_missing} are missing")
    cases = []
    for pair, values in maps.items():
        image, finding = pair
        frame = _frame(frames, image)
        boxes = _boxes(truth.get(pair, ()), pair, frame)
        absent = pair in negatives or image in negatives
        if absent and len(boxes):
            raise BadValueError(
                f"({image!r}, {finding!r}) is listed in negatives but has a truth box: remove one or the other"
            )
        case = Case(
            image_id=image,
            patient_id=image if patients is None else _of_image(patients, image, "patient"),
            finding=finding,
            map=None if values is None else _heat_map(values, pair),
            grid=_grid(grids, pair),
            frame=frame,
            boxes=boxes,
            reason=NOT_GIVEN if values is None else "",
            label=1.0 if len(boxes) else 0.0 if absent else np.nan,
            probability=(probabilities or {}).get(pair),
        )
        cases.append(case)
    result: Result = part.evaluate(cases, findings)
    return result


def _check_pairs(maps: Collection[Pair], truth: Mapping[Pair, ArrayLike], negatives: Collection[Pair | str]) -> None:
    """Raise ``BadValueError`` unless each case with truth, and each negative, has a map."""
    if not truth:
        raise BadValueError("truth is empty: give a dictionary (image, finding) -> (M,4) boxes")
    if any(not isinstance(pair, tuple) or len(pair) != 2 for pair in (*maps, *truth)):
        raise BadValueError("the keys of maps and truth must be pairs (image, finding)")
    if missing := [" ".join(pair) for pair in truth if pair not in maps]:
        cases = f"{len(missing)} of {len(truth)} cases with truth boxes have no map ({examples(missing)})"
        raise BadValueError(f"{cases}: give a map, or None where the method failed")
    with_map = {*maps, *(image for image, _ in maps)}
    if unknown := [str(negative) for negative in negatives if negative not in with_map]:
        raise BadValueError(f"{len(unknown)} of {len(negatives)} negatives have no map: {examples(unknown)}")


def _frame(frames: Mapping[str, Frame] | Frame, image: str) -> Frame:
    frame = _of_image(frames, image, "frame") if isinstance(frames, Mapping) else frames
    if len(frame) != 2 or not all(np.isfinite(side) and side >= 1 for side in frame):
        raise BadValueError(f"the frame of {image} is {frame}: give (height, width) in pixels")
    return int(frame[0]), int(frame[1])


def _grid(grids: GridLike | Mapping[Any, GridLike], pair: Pair) -> GridLike:
    grid = grids
    if isinstance(grids, Mapping):
        grid = grids[pair] if pair in grids else _of_image(grids, pair[0], "grid")
    if not isinstance(grid, Grid) and grid != "conventional":
        raise BadValueError(f"the grid of {' '.join(pair)} is {grid!r}: give a locus.Grid or 'conventional'")
    return grid


def _of_image(values: Mapping[str, T], image: str, what: str) -> T:
    if image not in values:
        raise BadValueError(f"the image {image} has no {what}: give one for every image")
    return values[image]


def _heat_map(values: ArrayLike, pair: Pair) -> FloatArray:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise BadValueError(f"the map of {' '.join(pair)} is not numeric: {error}") from None
    if array.ndim != 2 or 0 in array.shape:
        raise BadValueError(f"the map of {' '.join(pair)} has the shape {array.shape}: give (h, w)")
    return array


def _boxes(boxes: ArrayLike, pair: Pair, frame: Frame) -> FloatArray:
    array = np.asarray(boxes, dtype=np.float64)
    array = array.reshape(0, 4) if not array.size else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise BadValueError(f"the boxes of {' '.join(pair)} have the shape {array.shape}: give (M, 4), x0 y0 x1 y1")
    if broken := int((~np.isfinite(array).all(1) | (array[:, 2:] <= array[:, :2]).any(1)).sum()):
        raise BadValueError(f"{broken} of {len(array)} boxes of {' '.join(pair)} are invalid: give x0 < x1 and y0 < y1")
    if len(array) and (array.min() < 0 or (array[:, 2:].max(0) > frame[::-1]).any()):
        raise BadValueError(f"a box of {' '.join(pair)} is outside the frame {frame} (height, width)")
    return array
