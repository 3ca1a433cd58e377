"""Time scoring a map by Locus, OpenCV, scikit-image and SciPy, and scoring a data set as large as NIH by Locus.

The original evaluator of MaxBoxAcc is implemented from its rules: for each threshold, binarise, find all contours, and
take the box of the largest one or all boxes; then compute the IoUs threshold by threshold.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import exp, log
from typing import Annotated, Literal, NamedTuple

import cv2
import numpy as np
from cv2.typing import MatLike
from numpy.typing import NDArray

from locus.benchmark.scoring import pixels, protocols
from locus.benchmark.scoring.pixels import PIXEL, levels, quantised, score_thresholds
from locus.benchmark.scoring.protocols.base import Case
from locus.benchmark.scoring.protocols.maxbox import sweep
from locus.benchmark.scoring.surface import surface
from locus.benchmark.scoring.surface.bilinear import components
from locus.core import limits
from locus.core.errors import LocusError
from locus.core.frames import Grid, iou
from locus.core.parser import AtLeast, AtMost
from locus.core.types import FloatArray, generator
from tools.speed import timing
from tools.speed.timing import NOTHING, compared, short, table

Map = NDArray[np.float32]
Picture = Callable[[FloatArray, FloatArray], NDArray[np.floating]]
Box = tuple[float, float, float, float]
Which = Literal["largest", "all"]


@dataclass(frozen=True)
class ScoringConfig:
    """Time scoring, contour searches and component labelling: ``python -m tools.speed scoring``."""

    positions: Annotated[tuple[int, ...], AtLeast(2)] = (7, 14, 32)
    """Sides of the small maps, which are scored in a frame of 1024 pixels."""
    thresholds: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """Numbers of score thresholds for the small maps."""
    sizes: Annotated[tuple[int, ...], AtLeast(8)] = (224, 28, 112, 512, 1024)
    """Sides in pixels of the large maps. The original evaluator's algorithm is timed at the first size."""
    levels: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """Numbers of score thresholds for the large maps: few and many."""
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
    yield "Curve of MaxBoxAcc for a map of pixels, times compared with Locus:\n\n" + ratio_table(on_large_maps(config))
    counts = config.images, min(VALIDATION, config.images)
    measured = {
        (name, side): timing.in_new_process(whole, name, side, 1 if name == "chexlocalize" else config.methods, counts)
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


def picture(kind: str, side: int) -> Map:
    """Return a (side,side) float32 map of a ``kind`` in [0,1]."""
    y, x = (np.mgrid[:side, :side] + 0.5) / side
    return np.asarray(KINDS[kind](y, x), dtype=np.float32)


def _coarse(positions: int) -> Picture:
    return lambda y, x: scaled(cv2.resize(smooth(positions), (len(x), len(y))))


def _spots(*spots: tuple[float, float, float]) -> Picture:
    """Return a function that draws Gaussian spots, each (y, x, width)."""
    return lambda y, x: scaled(np.max([np.exp(-((y - a) ** 2 + (x - b) ** 2) / (2 * s**2)) for a, b, s in spots], 0))


def _radius(y: FloatArray, x: FloatArray) -> FloatArray:
    return np.hypot(y - 0.5, x - 0.5)


NOISE = "pixel noise"
"""Hardest map for a contour search."""
KINDS: Mapping[str, Picture] = {
    "7×7 map": _coarse(7),
    "14×14 map": _coarse(14),
    "32×32 map": _coarse(32),
    "spots": _spots((0.3, 0.3, 0.1), (0.6, 0.7, 0.15), (0.8, 0.2, 0.05)),
    "spot at the border": _spots((0.5, 0.0, 0.15)),
    "one pixel": lambda y, x: ((y > 0.5) & (y < 0.5 + 1.1 / len(y)) & (x > 0.5) & (x < 0.5 + 1.1 / len(y))) * 1.0,
    "plateaus": lambda y, x: np.floor(8 * _spots((0.4, 0.4, 0.2), (0.7, 0.8, 0.1))(y, x)) / 8,
    "two equal squares": lambda y, x: (
        ((abs(y - 0.3) < 0.1) & (abs(x - 0.3) < 0.1) | (abs(y - 0.7) < 0.1) & (abs(x - 0.7) < 0.1)) * 1.0
    ),
    "ring": lambda y, x: np.exp(-((_radius(y, x) - 0.3) ** 2) / 0.005),
    "nested rings": lambda y, x: (1 + np.cos(40 * _radius(y, x))) / 2 * (1 - _radius(y, x)),
    "full frame with a hole": lambda y, x: (_radius(y, x) > 0.2) * 1.0,
    "thin lines": lambda y, x: ((np.floor(y * len(y)) % 16 == 0) | (np.floor(x * len(x)) % 16 == 0)) * x,
    "checkerboard": lambda y, x: ((np.floor(y * len(y) / 8) + np.floor(x * len(x) / 8)) % 2) * 1.0,
    "low range": lambda y, x: 0.05 * _spots((0.4, 0.6, 0.2))(y, x),
    "blurred noise": lambda y, x: scaled(cv2.GaussianBlur(generator(0, "noise").random(y.shape), (0, 0), 2)),
    NOISE: lambda y, x: generator(0, "noise").random(y.shape, dtype=np.float32),
}
"""Kind -> function of the pixel centres y, x in [0,1]: class activation maps, and hard maps for a contour search."""
HARD = ("7×7 map", "32×32 map", "plateaus", "nested rings", "blurred noise", NOISE)
"""Maps on which Locus is compared with a search per distinct level, at all sizes."""
PATIENT = 512
"""Maximum side of pixel noise; a search of larger maps takes minutes."""


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


def on_pixels(values: Map, thresholds: FloatArray, boxes: Callable[[NDArray[np.bool_]], Iterable[Box]]) -> FloatArray:
    """Resize the map, binarise it at each threshold, and take the ``boxes`` of the white regions."""
    resized = scaled(cv2.resize(values, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR))
    return np.array([max((_overlap(*box) for box in boxes(resized > one)), default=0.0) for one in thresholds])


def by_contours(binary: NDArray[np.bool_]) -> Iterator[Box]:
    """Yield the boxes of the outer contours with OpenCV."""
    for contour in cv2.findContours(binary.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)[0]:
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


def check_small(values: Map, contenders: Mapping[str, Callable[[Map, FloatArray], FloatArray]] = SMALL) -> None:
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
    calls = {(name, count): partial(SMALL[name], values, np.arange(count) / count) for name, count in pairs}
    return timing.fastest(calls, config.rounds, config.budget)


def small_table(times: Mapping[int, Mapping[tuple[str, int], timing.Time]]) -> str:
    """Return a table of the times per map; brackets compare a contender with Locus."""

    def cell(column: Mapping[tuple[str, int], timing.Time], name: str, count: int) -> str:
        timed, ours = column[name, count], column["Locus, surface", count]
        return compared(timed.wall, timed.least / ours.least if timed is not ours else None)

    tasks = list(next(iter(times.values())))
    rows = [(name, f"{count}", *(cell(column, name, count) for column in times.values())) for name, count in tasks]
    return table(("contender", "thresholds", *(f"{positions}×{positions}" for positions in times)), rows)


# Maps of pixels: the curve of MaxBoxAcc


def box(side: int) -> FloatArray:
    """Return a (1,4) truth box in a map of side ``side``."""
    return np.round(np.array([[0.25, 0.3, 0.65, 0.7]]) * side)


def ours(values: Map, step: float, which: Which) -> FloatArray:
    """Return the best IoU at each threshold by the function of the protocol."""
    return sweep(values, box(len(values)), step, which)


def original(values: Map, step: float, which: Which) -> FloatArray:
    """Search contours at each threshold, even if two thresholds have the same integer level."""
    image, searched = quantised(values), []
    for threshold in score_thresholds(step):
        _, binary = cv2.threshold(image, int(threshold * np.max(image)), 255, cv2.THRESH_BINARY)
        searched.append(np.array(_boxes(binary, which)))
    overlap, out, first = iou(np.concatenate(searched) + PIXEL, box(len(values))), [], 0
    for boxes in searched:
        out.append(max(overlap.max(1)[first : first + len(boxes)]))
        first += len(boxes)
    return np.array(out)


def per_level(values: Map, step: float, which: Which) -> FloatArray:
    """Search contours once per distinct integer level of the thresholds, the fastest loop."""
    image = quantised(values)
    distinct, inverse = np.unique(levels(image, step), return_inverse=True)
    searched = [_boxes((image > level).view(np.uint8), which) for level in distinct]
    overlap = iou(np.concatenate([np.array(boxes) for boxes in searched]) + PIXEL, box(len(values)))[:, 0]
    first = np.cumsum([0, *map(len, searched[:-1])])
    return np.asarray(np.maximum.reduceat(overlap, first)[inverse])


def _boxes(binary: MatLike, which: Which) -> list[tuple[int, int, int, int]]:
    """Return boxes as inclusive corners, by the rules of the original evaluator."""
    contours, _ = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
    height, width = binary.shape
    selected = [max(contours, key=cv2.contourArea)] if contours and which == "largest" else contours
    rectangles = [cv2.boundingRect(contour) for contour in selected]
    return [(x, y, min(x + w, width - 1), min(y + h, height - 1)) for x, y, w, h in rectangles] or [(0, 0, 0, 0)]


Curve = Callable[[Map, float, Which], FloatArray]
LARGE: Mapping[str, Curve] = {"original evaluator": original, "OpenCV, contours per distinct level": per_level}
WHICH: tuple[Which, ...] = ("largest", "all")


class Ratios(NamedTuple):
    """Times of a contender on several maps, divided by those of Locus."""

    contender: str
    which: Which
    side: int
    thresholds: int
    by_map: Mapping[str, float]


def check_large(values: Map, contenders: Mapping[str, Curve] = LARGE) -> None:
    """Raise ``LocusError`` if the IoUs of a contender do not equal those of Locus exactly."""
    for name, curve in contenders.items():
        for which in WHICH:
            if not np.array_equal(curve(values, 0.1, which), ours(values, 0.1, which)):
                raise LocusError(f"the IoUs of {name} and Locus differ for the same map: not timed")


def on_large_maps(config: ScoringConfig) -> Iterator[Ratios]:
    """Time the original evaluator on all maps at one size, and the search per level on hard maps at all sizes."""
    few, many = min(config.levels), max(config.levels)
    first, *_ = config.sizes
    for which, count in zip(WHICH, (many, few), strict=True):
        yield _ratios("original evaluator", which, first, count, tuple(KINDS), config)
    for side in sorted(config.sizes):
        kinds = tuple(kind for kind in HARD if kind != NOISE or side <= PATIENT)
        for which in WHICH:
            yield _ratios("OpenCV, contours per distinct level", which, side, few, kinds, config)


def _ratios(name: str, which: Which, side: int, count: int, kinds: Sequence[str], config: ScoringConfig) -> Ratios:
    by_map = {}
    for kind in kinds:
        values = picture(kind, side)
        check_large(values)
        calls = {curve: partial(curve, values, 1 / count, which) for curve in (ours, LARGE[name])}
        times = timing.fastest(calls, config.rounds, config.budget)
        by_map[kind] = times[LARGE[name]].least / times[ours].least
    return Ratios(name, which, side, count, by_map)


def ratio_table(rows: Iterable[Ratios]) -> str:
    """Return a table of the lowest and highest ratio, and of the geometric mean."""
    header = ("contender", "contours", "side", "thresholds", "maps", "lowest", "geometric mean", NOISE, "highest")
    return table(header, [_summary(row) for row in rows])


def _summary(row: Ratios) -> tuple[str, ...]:
    ratios = list(row.by_map.values())
    mean = exp(sum(map(log, ratios)) / len(ratios))
    numbers = (min(ratios), mean, row.by_map.get(NOISE), max(ratios))
    cells = (row.contender, row.which, row.side, row.thresholds, len(ratios))
    return (*map(str, cells), *(NOTHING if one is None else f"{short(one)}×" for one in numbers))


# A whole data set. Wang et al., "ChestX-ray8", CVPR 2017, table 4: 984 boxes on 880 images of 726 patients. Sides are
# log-normal, similar to those of the published boxes; no image has two boxes of a finding.

BOXES = {
    "Atelectasis": 180, "Cardiomegaly": 146, "Effusion": 153, "Infiltration": 123, "Mass": 85, "Nodule": 79,
    "Pneumonia": 120, "Pneumothorax": 98,
}  # fmt: skip
IMAGES, PATIENTS, TRAININGS = 880, 726, 5
VALIDATION = 352
"""Number of images in the validation splits of five folds, a tenth of the training images each."""
SURFACE = ("wang", "locus", "seed", "pointing", "energy")
WHOLE: Mapping[str, tuple[str, ...]] = {
    "surface": SURFACE,
    "surface, maxbox and pxap": (*SURFACE, "maxbox", "pxap"),
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
    seconds, held_out = 0.0, []
    for method in range(methods):
        held_out = cases(counts[0], side, method)
        seconds += _seconds(WHOLE[name], held_out, cases(counts[1], side, method, validation=True))
    return Whole(len(held_out), methods, seconds, timing.peak())


def _seconds(names: Sequence[str], held_out: Sequence[Case], validation: Sequence[Case]) -> float:
    """Return the seconds to score one method by all protocols."""
    begun = time.perf_counter()
    for protocol in (protocols.get(name)() for name in names):
        protocol.evaluate(held_out, tuple(BOXES), 0, validation if protocol.chooses_thresholds else ())
    return time.perf_counter() - begun


def whole_table(measured: Mapping[tuple[str, int], Whole]) -> str:
    """Return a table of seconds and peak memory."""
    rows = [
        (name, f"{one.maps} of {side}×{side}", f"{one.methods}", short(one.seconds), short(one.mib))
        for (name, side), one in measured.items()
    ]
    return table(("protocols", "maps", "methods", "seconds", "peak MiB"), rows)


def boxes(seed: int = 0) -> list[dict[str, FloatArray]]:
    """Return finding -> (1,4) box, for each image."""
    random = generator(seed, "boxes")
    out: list[dict[str, FloatArray]] = [{} for _ in range(IMAGES)]
    for n, finding in enumerate(random.permutation([name for name, count in BOXES.items() for _ in range(count)])):
        free = [n] if n < IMAGES else [i for i, by_finding in enumerate(out) if finding not in by_finding]
        sides = np.clip(np.exp(random.normal(5.3, 0.5, 2)), 30, 900)
        corner = random.random(2) * (SIDE - sides)
        out[int(random.choice(free))][str(finding)] = np.concatenate([corner, corner + sides])[None]
    return out


def cases(images: int, side: int, seed: int, validation: bool = False) -> list[Case]:
    """Return a case for each image × finding with a random map of ``side``×``side`` positions; seeds are methods."""
    truth, grid = boxes(1 if validation else 0)[:images], Grid((8 * side, 8 * side), (8, 8), (0, 0))
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
