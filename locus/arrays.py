"""Maps and boxes made elsewhere as cases: of plain arrays, or of files (``entry``); without torch and pandas.

``score``    score plain arrays with the protocols of the suites
``Answers``  maps or boxes made elsewhere, with the truth of their images
``as_map``   check one map
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from numbers import Integral, Real
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from locus.core.errors import BadValueError, LocusError, NotAvailableError, examples, one_line
from locus.core.frames import Alignment, Grid, checked_boxes, resolve
from locus.core.names import require_findings, spelled_twice
from locus.core.types import FloatArray, Sample
from locus.scoring import protocols
from locus.scoring.large_maps import LazyMap
from locus.scoring.protocols.base import NOT_GIVEN, Case, Result, make_case
from locus.scoring.statistics.resample import ONE_BLAS_THREAD

Pair = tuple[str, str]
"""Image and finding."""
GridLike = Grid | Alignment
Frame = tuple[int, int]
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
    protocol: str = "single_box",
    probabilities: Mapping[Pair, float] | None = None,
) -> Result:
    """Score heat maps against truth boxes.

    Args:
        maps: (image, finding) -> (h,w) heat map of real numbers; None: the method failed, which counts as a miss.
        truth: (image, finding) -> (M,4) boxes xyxy in the frame; each case needs a map.
        frames: image -> (H,W) in pixels, or one for all images.
        grids: positions of a map in the image: a ``Grid``, or ``conventional`` (as plain interpolation assumes). One
            for all maps, or a dictionary by image or by (image, finding).
        patients: image -> patient, for cross-fitted thresholds and intervals. None: each image is a separate patient.
        negatives: images, or (image, finding) pairs, that do not show the finding. Other pairs without a box are
            unknown.
        protocol: name of the protocol.
        probabilities: (image, finding) -> probability in [0, 1], for protocols that rank boxes by confidence.

    Returns:
        ``scores`` (finding or ``mean``, metric, value, low, high, n, threshold source) and ``rows`` (one per case).

    Raises:
        BadValueError: a case without a map, an image without frame, grid or patient, an invalid map, box, probability,
            name or patient.
        NotAvailableError: the protocol needs more maps, or probabilities.
        UnknownNameError: an unknown protocol.

    Example:
        >>> maps = {("a", "Mass"): [[0, 0], [0, 1]], ("b", "Mass"): [[0, 1], [0, 0]]}
        >>> truth = {("a", "Mass"): [[50, 50, 90, 90]], ("b", "Mass"): [[0, 50, 40, 90]]}
        >>> result = score(maps, truth, frames=(100, 100), grids="conventional", protocol="pointing")
        >>> [(score.finding, score.value, score.n) for score in result.scores[:2]]
        [('Mass', 0.5, 2), ('mean', 0.5, 2)]
    """
    protocols.get(protocol)
    _check_pairs(maps, truth, negatives)
    negatives = frozenset(negatives)
    checked_probabilities = _checked_probabilities(
        {} if probabilities is None else probabilities, maps
    )
    findings = tuple(dict.fromkeys(finding for _, finding in (*truth, *maps)))
    images = dict.fromkeys(image for image, _ in maps)
    samples = {}
    for image, patient in _named_patients(images, patients).items():
        samples[image] = _sample(image, patient, _frame(frames, image), findings, truth, negatives)
    map_grids = {pair: _grid(grids, pair) for pair in maps}
    checked_maps = {
        pair: None if values is None else _heat_map(values, pair) for pair, values in maps.items()
    }
    for (image, finding), values in checked_maps.items():
        if values is not None:
            height, width = values.shape
            resolve(map_grids[image, finding], (height, width), samples[image].frame)
    answers = Answers(
        samples=samples,
        findings=findings,
        pairs=list(maps),
        grids=map_grids,
        maps=checked_maps,
        probabilities=checked_probabilities,
    )
    result: Result = protocols.get(protocol)().evaluate(answers.cases(protocol), findings)
    return result


def _named_patients(images: Iterable[str], patients: Mapping[str, str] | None) -> dict[str, str]:
    """Return image -> patient, or the image itself without ``patients``."""
    if patients is None:
        return {image: image for image in images}
    if not isinstance(patients, Mapping):
        raise BadValueError(
            f"patients is a {type(patients).__name__}: give a dictionary image -> patient"
        )
    patient_of = {image: _patient(patients, image) for image in images}
    repeated = spelled_twice(patient_of.values())
    if repeated:
        first, second = repeated
        raise BadValueError(
            f"the patients {first!r} and {second!r} are one number: write each patient in one way"
        )
    return patient_of


def _sample(
    image: str,
    patient: str,
    frame: Frame,
    findings: Sequence[str],
    truth: Mapping[Pair, ArrayLike],
    negatives: Set[Pair | str],
) -> Sample:
    """Return the truth of an image, without pixels: its boxes, and labels that are nan where nothing is known.

    Args:
        image: name of the image.
        patient: name of its patient.
        frame: (H,W) in pixels.
        findings: findings in the order of the labels.
        truth: (image, finding) -> (M,4) boxes xyxy in the frame.
        negatives: images, or (image, finding) pairs, that do not show the finding.
    """
    boxes = {}
    labels = []
    for finding in findings:
        is_absent = image in negatives or (image, finding) in negatives
        label = 0.0 if is_absent else np.nan
        if (image, finding) in truth:
            finding_boxes = checked_boxes(
                truth[image, finding], frame, f"the boxes of {image} {finding}"
            )
            if len(finding_boxes):
                boxes[finding] = finding_boxes
                label = 1.0
        labels.append(label)
        if is_absent and finding in boxes:
            problem = f"({image!r}, {finding!r}) is listed in negatives but has a truth box"
            raise BadValueError(f"{problem}: remove one or the other")
    return Sample(
        image_id=image,
        patient_id=patient,
        frame=frame,
        labels=np.array(labels, np.float32),
        boxes=boxes,
        read=_no_pixels,
    )


def _no_pixels() -> NoReturn:
    raise NotAvailableError("plain arrays have no image")


def _check_pairs(
    maps: Collection[Pair], truth: Mapping[Pair, ArrayLike], negatives: Collection[Pair | str]
) -> None:
    """Raise ``BadValueError`` unless each case with truth, and each negative, has a map."""
    for name, value in (("maps", maps), ("truth", truth)):
        if not isinstance(value, Mapping):
            raise BadValueError(
                f"{name} is a {type(value).__name__}: give a dictionary with keys (image, finding)"
            )
    is_collection = isinstance(negatives, Collection) and not isinstance(negatives, str)
    if not is_collection or not all(isinstance(negative, str | tuple) for negative in negatives):
        raise BadValueError(
            f"negatives is {negatives!r}: give a list of images or of (image, finding) pairs"
        )
    if not truth:
        raise BadValueError("truth is empty: give a dictionary (image, finding) -> (M,4) boxes")
    pairs = (*maps, *truth)
    if any(
        not isinstance(pair, tuple) or len(pair) != 2 or not isinstance(pair[0], str)
        for pair in pairs
    ):
        raise BadValueError("the keys of maps and truth must be pairs of names (image, finding)")
    require_findings(dict.fromkeys(finding for _, finding in pairs))
    missing = [" ".join(pair) for pair in truth if pair not in maps]
    if missing:
        problem = f"{len(missing)} of {len(truth)} cases with truth boxes have no map ({examples(missing)})"
        raise BadValueError(f"{problem}: give a map, or None where the method failed")
    known = {*maps, *(image for image, _ in maps)}
    unknown = [str(negative) for negative in negatives if negative not in known]
    if unknown:
        raise BadValueError(
            f"{len(unknown)} of {len(negatives)} negatives have no map: {examples(unknown)}"
        )


def _frame(frames: Mapping[str, Frame] | Frame, image: str) -> Frame:
    """Return the frame of an image. Raises ``BadValueError`` unless it is (H,W) in whole pixels."""
    frame = _value_for_image(frames, image, "frame") if isinstance(frames, Mapping) else frames
    is_pair = np.ndim(frame) == 1 and len(frame) == 2
    if not is_pair or not all(map(_is_whole, frame)):
        raise BadValueError(
            f"the frame of {image} is {frame}: give (height, width) in whole pixels"
        )
    height, width = frame
    return int(height), int(width)


def _is_whole(side: Any) -> bool:
    return isinstance(side, Real) and float(side) >= 1 and float(side).is_integer()


def _grid(grids: GridLike | Mapping[Any, GridLike], pair: Pair) -> GridLike:
    """Return the grid of a map. Raises ``BadValueError`` if there is none."""
    if not isinstance(grids, Mapping):
        grid = grids
    elif pair in grids:
        grid = grids[pair]
    else:
        grid = _value_for_image(grids, pair[0], "grid")
    if not isinstance(grid, Grid) and grid != "conventional":
        raise BadValueError(
            f"the grid of {' '.join(pair)} is {grid!r}: give a locus.Grid or 'conventional'"
        )
    return grid


def _value_for_image(values: Mapping[str, T], image: str, noun: str) -> T:
    if image not in values:
        raise BadValueError(f"the image {image} has no {noun}: give one for every image")
    return values[image]


def _patient(patients: Mapping[str, str], image: str) -> str:
    """Return the patient of an image. Raises ``BadValueError`` if it is missing or neither text nor a whole number."""
    patient: Any = _value_for_image(patients, image, "patient")
    if isinstance(patient, bool) or not isinstance(patient, str | Integral) or patient == "":
        raise BadValueError(f"the patient of {image} is {patient!r}: give a name or a whole number")
    return str(patient)


def _checked_probabilities(
    probabilities: Mapping[Pair, float | None], maps: Collection[Pair]
) -> Mapping[Pair, float | None]:
    """Return the probabilities. Raises ``BadValueError`` for one outside [0, 1], or of a pair without a map."""
    if not isinstance(probabilities, Mapping):
        raise BadValueError(
            f"probabilities is a {type(probabilities).__name__}: give (image, finding) -> probability"
        )
    for pair, value in probabilities.items():
        if pair not in maps:
            raise BadValueError(f"probabilities has {pair}, which has no map: use the keys of maps")
        if value is not None and not (isinstance(value, Real) and 0 <= value <= 1):
            raise BadValueError(
                f"the probability of {' '.join(pair)} is {value!r}: give a number from 0 to 1"
            )
    return probabilities


def _array(values: ArrayLike, where: str) -> NDArray[Any]:
    """Return an array. Raises ``BadValueError`` for values that are masked or no array."""
    if np.ma.is_masked(values):
        raise BadValueError(
            f"masked values in {where}: fill them, or give None where the method failed"
        )
    try:
        return np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:
        raise BadValueError(f"{where}: {one_line(error)}") from None


def _heat_map(values: ArrayLike, pair: Pair) -> FloatArray:
    where = f"the map of {' '.join(pair)}"
    return as_map(_array(values, where), where, BadValueError).astype(np.float64)


@dataclass(frozen=True, eq=False, kw_only=True)
class Answers:
    """Maps or boxes made elsewhere, checked, with the truth of their images."""

    samples: Mapping[str, Sample]
    """Image -> its truth, with labels in the order of ``findings``."""
    findings: tuple[str, ...]
    pairs: Sequence[Pair]
    """The cases, in order."""
    grids: Mapping[Pair, GridLike]
    """Positions of the maps in the image."""
    maps: Mapping[Pair, "NDArray[np.floating[Any]] | LazyMap | None"] = field(default_factory=dict)
    """(h,w) maps; None: the method failed."""
    boxes: Mapping[Pair, FloatArray] | None = None
    """(M,5) boxes and confidences, which replace maps; None for maps."""
    probabilities: Mapping[Pair, float | None] = field(default_factory=dict)

    def require(self, protocol: str) -> None:
        """Raise ``NotAvailableError`` if the protocol cannot score boxes, or needs more maps."""
        protocol_class = protocols.get(protocol)
        if self.boxes is not None:
            if not protocol_class.takes_boxes:
                raise NotAvailableError(f"{protocol} scores maps, but this entry has boxes")
            return
        if not protocol_class.counts_false_alarms:
            return
        boxed = [image for image, sample in self.samples.items() if sample.boxes]
        pairs = [(image, finding) for image in boxed for finding in self.findings]
        missing_count = sum(pair not in self.maps for pair in pairs)
        if missing_count:
            raise NotAvailableError(
                f"{protocol} also needs the maps of findings that an image does not show: {missing_count} of "
                f"{len(pairs)} maps of the boxed images are missing"
            )

    def cases(self, protocol: str) -> list[Case]:
        """Return the cases; they are the same for all protocols. Raises the error of ``require``."""
        self.require(protocol)
        return self._cases

    @cached_property
    def _cases(self) -> list[Case]:
        return [self._case(*pair) for pair in self.pairs]

    def _case(self, image: str, finding: str) -> Case:
        pair = (image, finding)
        sample = self.samples[image]
        label = float(sample.labels[self.findings.index(finding)])
        values = self.maps.get(pair)
        grid = self.grids[pair]
        if self.boxes is not None:
            boxes = self.boxes.get(pair, np.zeros((0, 5)))
            return make_case(sample, finding, label, values, grid, submitted_boxes=boxes)
        probability = self.probabilities.get(pair)
        return make_case(
            sample, finding, label, values, grid, probability=probability, reason=NOT_GIVEN
        )


def as_map(values: NDArray[Any], where: str, error: type[LocusError]) -> NDArray[Any]:
    """Return ``values`` if they are a map: real numbers (h,w). Raises ``error`` that names ``where`` for others."""
    if values.ndim != 2 or 0 in values.shape:
        raise error(f"{where} has the shape {values.shape}: a map must be (h, w)")
    if values.dtype.kind not in "buif":
        raise error(f"{where} has the type {values.dtype}: a map must contain real numbers")
    return values
