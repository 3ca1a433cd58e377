"""Time scoring a map by Locus, OpenCV, scikit-image and SciPy, and scoring a data set as large as NIH by Locus."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from locus.core import limits
from locus.core.errors import LocusError
from locus.core.frames import Grid, iou
from locus.core.types import FloatArray, generator
from locus.flags.parser import AtLeast, AtMost
from locus.scoring import pixels, protocols
from locus.scoring.protocols.base import Case
from locus.scoring.surface import surface
from locus.scoring.surface.bilinear import components
from tools.speed import timing
from tools.speed.timing import compared, short, table

Map = NDArray[np.float32]
Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class ScoringConfig:
    """Time scoring, contour searches and component labelling: ``python -m tools.speed scoring``."""

    positions: Annotated[tuple[int, ...], AtLeast(2)] = (7, 14, 32)
    """Sides of the small maps, which are scored in a frame of 1024 pixels."""
    thresholds: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """Numbers of score thresholds for the small maps."""
    grids: Annotated[tuple[int, ...], AtLeast(2)] = (7, 16)
    """Sides of the maps of the whole data set."""
    methods: Annotated[int, AtLeast(1)] = 10
    """Number of methods to score on the whole data set."""
    images: Annotated[int, AtLeast(20), AtMost(880)] = 880
    """Number of images of the whole data set."""
    rounds: Annotated[int, AtLeast(1)] = 7
    """Number of rounds. All contenders are timed in turn, and the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 2.0
    """Seconds after which a contender is not timed again. Each contender is timed at least once."""


def report(config: ScoringConfig) -> Iterator[str]:
    """Yield the machine and the tables. Raises ``LocusError`` for a missing package and for contenders that differ."""
    packages = ("numpy", "numba", "opencv-python-headless", "scikit-image", "scipy")
    yield timing.machine(limits.cpus(), *packages)
    yield "Milliseconds for a small map in a frame of 1024 px:\n\n" + small_table(
        {positions: on_small_map(positions, config) for positions in config.positions}
    )
    counts = config.images, min(VALIDATION, config.images)
    measured = {
        (name, side): timing.in_new_process(
            whole, name, side, 1 if name == "chexlocalize" else config.methods, counts
        )
        for side in config.grids
        for name in WHOLE
    }
    yield "A whole data set:\n\n" + whole_table(measured)


# Maps


def smooth(positions: int) -> Map:
    """Return a map in [0,1] like a class activation map: noise, blurred over a tenth of its side."""
    return scaled(blurred(generator(0, "smooth map").random((positions, positions))))


def blurred(noise: NDArray[np.floating]) -> NDArray[np.floating]:
    """Blur (h,w) noise over a tenth of its side, at least over .6 positions."""
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), max(len(noise) / 10, 0.6)))


def scaled(values: NDArray[np.generic]) -> Map:
    """Min-max scale values to [0,1] float32."""
    return pixels.min_max_float32(np.asarray(values, dtype=np.float32))


# Small maps: the best IoU of a component's box with the truth, at many thresholds in the frame of the image

SIDE = 1024
TRUTH = (300, 350, 650, 700)
"""Truth box, xyxy in the frame."""
TOLERANCE = 0.01
"""Maximum mean |ΔIoU| of two contenders."""


def on_surface(values: Map, thresholds: FloatArray) -> FloatArray:
    """Return the IoUs by Locus."""
    boxes, index, _ = components(surface(values, (SIDE, SIDE), "conventional"), thresholds)
    best = np.zeros(len(thresholds))
    np.maximum.at(best, index, iou(boxes, TRUTH)[:, 0])
    return best


def on_pixels(
    values: Map, thresholds: FloatArray, boxes: Callable[[NDArray[np.bool_]], Iterable[Box]]
) -> FloatArray:
    """Resize the map, binarise it at each threshold, and take the ``boxes`` of the white regions."""
    resized = scaled(cv2.resize(values, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))
    return np.array(
        [
            max((_overlap(*box) for box in boxes(resized > threshold)), default=0.0)
            for threshold in thresholds
        ]
    )


def by_contours(binary: NDArray[np.bool_]) -> Iterator[Box]:
    """Yield the boxes of the outer contours with OpenCV."""
    for contour in cv2.findContours(
        binary.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
    )[0]:
        x, y, w, h = cv2.boundingRect(contour)
        yield x, y, x + w, y + h


def by_skimage(binary: NDArray[np.bool_]) -> Iterator[Box]:
    """Yield the boxes of the components with ``label`` and ``regionprops`` of scikit-image."""
    from skimage.measure import label, regionprops

    for region in regionprops(label(binary)):  # type: ignore[no-untyped-call]
        y0, x0, y1, x1 = region.bbox
        yield x0, y0, x1, y1


def by_scipy(binary: NDArray[np.bool_]) -> Iterator[Box]:
    """Yield the boxes of the components with ``label`` and ``find_objects`` of SciPy."""
    from scipy.ndimage import find_objects, label

    for rows, columns in find_objects(label(binary, np.ones((3, 3)))[0]):
        yield columns.start, rows.start, columns.stop, rows.stop


def _overlap(x0: float, y0: float, x1: float, y1: float) -> float:
    """Return the IoU of a box with the truth, in plain Python, which is fastest for one box."""
    a, b, c, d = TRUTH
    inside = max(0, min(x1, c) - max(x0, a)) * max(0, min(y1, d) - max(y0, b))
    return inside / ((x1 - x0) * (y1 - y0) + (c - a) * (d - b) - inside)


SMALL: Mapping[str, Callable[[Map, FloatArray], FloatArray]] = {
    "Locus, surface": on_surface,
    "OpenCV, contours per threshold": partial(on_pixels, boxes=by_contours),
    "scikit-image, labels per threshold": partial(on_pixels, boxes=by_skimage),
    "SciPy, labels per threshold": partial(on_pixels, boxes=by_scipy),
}


def check_small(
    values: Map, contenders: Mapping[str, Callable[[Map, FloatArray], FloatArray]] = SMALL
) -> None:
    """Raise ``LocusError`` if the IoUs of a contender differ from those of Locus by more than pixel rounding."""
    thresholds = np.linspace(0.1, 0.9, 17)
    ours = on_surface(values, thresholds)
    for name, score in contenders.items():
        difference = float(np.abs(score(values, thresholds) - ours).mean())
        if not difference <= TOLERANCE:
            gap = f"a mean IoU of {difference:.2g} (the limit for pixel rounding is {TOLERANCE})"
            raise LocusError(f"{name} differs from Locus by {gap}: not timed")


def on_small_map(positions: int, config: ScoringConfig) -> dict[tuple[str, int], timing.Time]:
    """Time all contenders on a map of ``positions``×``positions``."""
    values = smooth(positions)
    check_small(values)
    pairs = [(name, count) for count in sorted(config.thresholds) for name in SMALL]
    calls = {
        (name, count): partial(SMALL[name], values, np.arange(count) / count)
        for name, count in pairs
    }
    return timing.fastest(calls, config.rounds, config.budget)


def small_table(times: Mapping[int, Mapping[tuple[str, int], timing.Time]]) -> str:
    """Return a table of the times per map; brackets compare a contender with Locus."""

    def cell(column: Mapping[tuple[str, int], timing.Time], name: str, count: int) -> str:
        timed = column[name, count]
        ours = column["Locus, surface", count]
        return compared(timed.wall, timed.least / ours.least if timed is not ours else None)

    tasks = list(next(iter(times.values())))
    rows = [
        (name, f"{count}", *(cell(column, name, count) for column in times.values()))
        for name, count in tasks
    ]
    return table(
        ("contender", "thresholds", *(f"{positions}×{positions}" for positions in times)), rows
    )


# A whole data set. Wang et al., "ChestX-ray8", CVPR 2017, table 4: 984 boxes on 880 images of 726 patients. Sides are
# log-normal, similar to those of the published boxes; no image has two boxes of a finding.

BOXES = {
    "Atelectasis": 180, "Cardiomegaly": 146, "Effusion": 153, "Infiltration": 123, "Mass": 85, "Nodule": 79,
    "Pneumonia": 120, "Pneumothorax": 98,
}  # fmt: skip
IMAGES, PATIENTS, TRAININGS = 880, 726, 5
VALIDATION = 352
"""Number of images in the validation splits of five folds, a tenth of the training images each."""
SURFACE = ("wang", "single_box", "adaptive_threshold", "pointing", "energy")
WHOLE: Mapping[str, tuple[str, ...]] = {
    "surface": SURFACE,
    "chexlocalize": ("chexlocalize",),
}
"""Name in the table -> protocols."""


class Whole(NamedTuple):
    """Measurement of a whole data set."""

    maps: int
    methods: int
    seconds: float
    mib: float | None


def whole(name: str, side: int, methods: int, counts: tuple[int, int]) -> Whole:
    """Score ``methods`` methods with maps of ``side``×``side`` positions by the protocols of ``name``, as suites do.

    ``counts``: numbers of test and validation images. Compiling and drawing the maps are not timed, but their memory
    counts.
    """
    _seconds(WHOLE[name], cases(20, side, 0), cases(20, side, 0, validation=True))
    timing.reset_peak()
    seconds = 0.0
    held_out = []
    for method in range(methods):
        held_out = cases(counts[0], side, method)
        seconds += _seconds(WHOLE[name], held_out, cases(counts[1], side, method, validation=True))
    return Whole(len(held_out), methods, seconds, timing.peak())


def _seconds(names: Sequence[str], held_out: Sequence[Case], validation: Sequence[Case]) -> float:
    """Return the seconds to score one method by all protocols."""
    begun = time.perf_counter()
    for protocol in (protocols.get(name)() for name in names):
        protocol.evaluate(
            held_out, tuple(BOXES), 0, validation if protocol.chooses_thresholds else ()
        )
    return time.perf_counter() - begun


def whole_table(measured: Mapping[tuple[str, int], Whole]) -> str:
    """Return a table of seconds and peak memory."""
    rows = [
        (
            name,
            f"{whole.maps} of {side}×{side}",
            f"{whole.methods}",
            short(whole.seconds),
            short(whole.mib),
        )
        for (name, side), whole in measured.items()
    ]
    return table(("protocols", "maps", "methods", "seconds", "peak MiB"), rows)


def boxes(seed: int = 0) -> list[dict[str, FloatArray]]:
    """Return finding -> (1,4) box, for each image."""
    random = generator(seed, "boxes")
    out: list[dict[str, FloatArray]] = [{} for _ in range(IMAGES)]
    for n, finding in enumerate(
        random.permutation([name for name, count in BOXES.items() for _ in range(count)])
    ):
        free = (
            [n]
            if n < IMAGES
            else [i for i, by_finding in enumerate(out) if finding not in by_finding]
        )
        sides = np.clip(np.exp(random.normal(5.3, 0.5, 2)), 30, 900)
        corner = random.random(2) * (SIDE - sides)
        out[int(random.choice(free))][str(finding)] = np.concatenate([corner, corner + sides])[None]
    return out


def cases(images: int, side: int, seed: int, validation: bool = False) -> list[Case]:
    """Return a case for each image × finding with a random map of ``side``×``side`` positions; seeds are methods."""
    truth = boxes(1 if validation else 0)[:images]
    grid = Grid((8 * side, 8 * side), (8, 8), (0, 0))
    noise = generator(seed, "maps").random((len(truth), len(BOXES), side, side), dtype=np.float32)
    return [
        Case(
            image_id=f"image {i}",
            patient_id=f"patient {i * PATIENTS // IMAGES}",
            finding=finding,
            map=blurred(noise[i, k]).astype(np.float16),
            grid=grid,
            frame=(SIDE, SIDE),
            boxes=by_finding.get(finding, np.zeros((0, 4))),
            training=i % TRAININGS,
        )
        for i, by_finding in enumerate(truth)
        for k, finding in enumerate(BOXES)
    ]
