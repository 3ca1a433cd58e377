"""Phantom patients: anatomy and findings in unit coordinates, independent of the pixel size, and their truth at a size.

``PhantomOptions``  validated options
``Window``, ``inside``, ``band``, ``noise``, ``blurred``  drawing primitives: windows, soft edges, value noise, blur
``BOX_STATISTICS``, ``place_box``  positions and sizes of findings
``LOOKS``           appearance of each finding: its outline, which is the truth, and its opacity
``draw_patient``    a random ``Patient``, with its masks and tight boxes

Pixels are computed only with sums, products, quotients and comparisons of float32 (no exp, no pow, no matrix product),
so the results are identical on every processor. The anatomy is drawn in ``locus.datasets.phantom``.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from locus.core.errors import BadValueError, UnknownNameError
from locus.core.frames import as_boxes
from locus.core.types import FloatArray

Pixels = NDArray[np.floating]
UnitBox = tuple[float, float, float, float]
"""xyxy as shares of the image side: x to the right, y down, (0, 0) the upper left corner."""

WHOLE: UnitBox = (0.0, 0.0, 1.0, 1.0)
Quantiles = Sequence[float]
PROBABILITIES = (0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0)
MIN_EDGE_DISTANCE = 0.02
"""Minimum distance of a box from the edge, as a share of the image side."""
BOTH_LUNGS_WIDTH = 0.4
"""Boxes wider than this extend into both lungs."""
STATISTICS = Path(__file__).parents[1] / "lists" / "box_statistics.json"
Look = tuple[Pixels, Pixels]
"""Appearance of a finding within its box: (h, w) ``outline``, .5 on the edge of the truth mask, and (h, w) ``opacity``.

The functions below return it for a window's p (1, w) and q (h, 1) and a (6, 6) texture in [0, 1). The box is
[-1, 1] x [-1, 1]; p = -1 is the side of the chest wall. Every outline touches all four sides of its box.
"""
STRENGTH = {
    "Atelectasis": 0.38, "Effusion": 0.38, "Infiltration": 0.32, "Mass": 0.50, "Nodule": 0.44,
    "Pneumonia": 0.38, "Pneumothorax": -0.23,
}  # fmt: skip
"""Brightness that a finding adds at opacity 1; the heart is drawn with the anatomy instead."""
EDGES = (0.006, 0.04)
"""Range of the width of a finding's edge in the phantom, as a share of the image side."""
DRAWING = 3
"""Version of the drawing. Increase it when the pixels of a patient change, so that records differ."""
Count = Annotated[int, Field(ge=0, le=1_000_000)]
Share = Annotated[float, Field(ge=0, le=1)]
Factor = Annotated[float, Field(ge=0, le=10)]
PARTS = {
    "diaphragm": 2, "torso": 2, "lungs": 5, "ribs": 4, "clavicles": 2, "vessels": 12, "mediastinum": 4, "tube": 4,
    "electrode 1": 3, "electrode 2": 3, "electrode 3": 3, "marker": 3, "exposure": 2,
}  # fmt: skip
"""Number of random numbers for each part of the drawing."""
REACH = 0.375**0.5
"""Half side of the squares over which an edge is averaged twice, in widths of the edge (two standard deviations)."""
SECOND_NODULE = 0.3
"""Share of the images with a nodule that have two."""


class Window(NamedTuple):
    """The part of an image around a box; in its coordinates the box is [-1, 1] x [-1, 1]."""

    rows: slice
    columns: slice
    p: Pixels
    """(1, w) across, at pixel centres."""
    q: Pixels
    """(h, 1) down, at pixel centres."""


def window(size: int, box: UnitBox, margin: float = 0.0, reach: float = 0.0) -> Window:
    """Return the pixels of an image within a box.

    Args:
        size: height and width of the image in pixels.
        box: the box xyxy as shares of the image.
        margin: extension of the window on each side, in half sides of the box.
        reach: further extension on each side, as a share of the image side.
    """
    columns, p = _axis(size, box[0], box[2], margin, reach)
    rows, q = _axis(size, box[1], box[3], margin, reach)
    return Window(rows, columns, p[None], q[:, None])


def _axis(size: int, low: float, high: float, margin: float, reach: float) -> tuple[slice, Pixels]:
    middle = (low + high) / 2
    half = (high - low) / 2
    first = min(max(int((middle - half * (1 + margin) - reach) * size), 0), size)
    last = max(min(int((middle + half * (1 + margin) + reach) * size) + 1, size), first)
    centres = (np.arange(first, last, dtype=np.float64) + 0.5) / size
    return slice(first, last), ((centres - middle) / half).astype(np.float32)


def smooth(t: Pixels) -> Pixels:
    """Smooth step t*t*(3 - 2t): 0 below 0, 1 above 1."""
    t = np.minimum(np.maximum(t, 0), 1)
    return t * t * (3 - 2 * t)


def inside(radius2: Pixels, soft: float) -> Pixels:
    """Return the alpha of a shape given by squared radius: .5 on its outline (radius2 = 1), 1 inside, 0 outside."""
    return smooth((1 + soft - radius2) * (0.5 / soft))


def band(distance: Pixels, half_width: float) -> Pixels:
    """Return the alpha of a line: 1 at signed ``distance`` 0, falling to 0 at ``half_width`` on either side."""
    return smooth(1 - np.abs(distance) * (1 / half_width))


def noise(texture: Pixels, p: Pixels, q: Pixels) -> Pixels:
    """Value noise: the (k, k) ``texture`` interpolated bilinearly over [-1, 1] x [-1, 1], (h, w)."""
    low, high, share = _between(q[:, 0], texture.shape[0])
    lines = texture[low] * (1 - share[:, None]) + texture[high] * share[:, None]  # (h, k)
    low, high, share = _between(p[0], texture.shape[1])
    return lines[:, low] * (1 - share) + lines[:, high] * share


def _between(coordinates: Pixels, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Pixels]:
    position = np.clip((coordinates + 1) * ((n - 1) / 2), 0, n - 1)
    low = np.minimum(position.astype(np.int64), n - 2)
    return low, low + 1, position - low.astype(np.float32)


def blurred(values: Pixels, reach: float) -> Pixels:
    """Average (h, w) values twice over squares of half side ``reach`` pixels, which may be a fraction; 0 outside.

    >>> blurred(np.array([[0, 0, 8, 0, 0]] * 5, np.float32), reach=1.0)[2].tolist()
    [0.5, 2.0, 3.0, 2.0, 0.5]
    """
    for axis in (0, 0, 1, 1):
        values = _averaged(values, reach, axis)
    return values


def _averaged(values: Pixels, reach: float, axis: int) -> Pixels:
    """Average over ``reach`` pixels on either side along an axis: differences of the integral, at any position."""
    n = values.shape[axis]
    whole = int(reach + 0.5)
    before = [(whole + 1, whole + 1) if a == axis else (0, 0) for a in (0, 1)]
    integral = np.pad(values, before).cumsum(axis, dtype=np.float64)
    share = reach + 0.5 - whole

    def window_sum(first: int) -> Pixels:
        return integral[first : first + n] if axis == 0 else integral[:, first : first + n]

    upper = window_sum(2 * whole) * (1 - share) + window_sum(2 * whole + 1) * share
    lower = window_sum(1) * (1 - share) + window_sum(0) * share
    return ((upper - lower) / (2 * reach)).astype(np.float32)


def blend(image: Pixels, window: Window, alpha: Pixels, tone: float) -> None:
    """Move the window's pixels towards a tone, in place.

    Args:
        image: the image.
        window: the window.
        alpha: share of the way for each pixel of the window.
        tone: the tone.
    """
    pixels = image[window.rows, window.columns]
    pixels += alpha * (tone - pixels)


def add(image: Pixels, window: Window, alpha: Pixels, amount: float) -> None:
    """Add to the window's pixels, in place.

    Args:
        image: the image.
        window: the window.
        alpha: a factor for each pixel of the window.
        amount: what is added where ``alpha`` is 1.
    """
    image[window.rows, window.columns] += alpha * amount


@dataclass(frozen=True)
class BoxStatistics:
    """Box statistics of one finding, as shares of the image side; quantiles are at ``PROBABILITIES``."""

    width: Quantiles
    height: Quantiles
    y: Quantiles
    """Of the centre."""
    left: float
    """Median x of the centres in the left half of the image."""
    right: float
    """Median x of the centres in the right half."""
    std_x: float
    """Standard deviation of x within a half."""
    share_right: float
    alike: float
    """Share of boxes whose width and height have the same rank (independent in the others)."""
    tilt: float
    """Share of boxes whose height and y have the same rank, or opposite ranks if negative."""


BOX_STATISTICS = {
    name: BoxStatistics(**row) for name, row in json.loads(STATISTICS.read_bytes()).items()
}
"""Statistics of NIH's 984 published boxes (BBox_List_2017.csv).

The 10th, 50th and 90th percentiles are those of all boxes; the quartiles and the two extremes (of the smallest and
largest 2%) are those of 604 of them.
"""
HEART = BOX_STATISTICS.pop("normal heart")


def place_box(statistics: BoxStatistics, u: Sequence[float]) -> UnitBox:
    """Return the box of a finding from seven random numbers ``u`` in [0, 1).

    They select the width, equal ranks of width and height, the height, equal ranks of height and y, y, the side, and x.
    """
    width = _at(u[0], statistics.width)
    rank = u[0] if u[1] < statistics.alike else u[2]
    height = _at(rank, statistics.height)
    y = _at(_tilted(rank, statistics.tilt, u[3], u[4]), statistics.y)
    return _box_inside(_centre_x(statistics, width, u[5], u[6]), y, width, height)


def _tilted(rank: float, tilt: float, chance: float, free: float) -> float:
    if chance >= abs(tilt):
        return free
    return rank if tilt > 0 else 1 - rank


def _centre_x(statistics: BoxStatistics, width: float, side: float, u: float) -> float:
    if width > BOTH_LUNGS_WIDTH and statistics.width[3] < BOTH_LUNGS_WIDTH:
        return _at(u, (0.43, 0.46, 0.485, 0.51, 0.535, 0.56, 0.60))
    middle = statistics.right if side < statistics.share_right else statistics.left
    return middle + statistics.std_x * _at(u, (-2.0, -1.28, -0.67, 0.0, 0.67, 1.28, 2.0))


def _box_inside(x: float, y: float, width: float, height: float) -> UnitBox:
    x = min(max(x, MIN_EDGE_DISTANCE + width / 2), 1 - MIN_EDGE_DISTANCE - width / 2)
    y = min(max(y, MIN_EDGE_DISTANCE + height / 2), 1 - MIN_EDGE_DISTANCE - height / 2)
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _at(share: float, quantiles: Quantiles) -> float:
    return float(np.interp(share, PROBABILITIES, quantiles))


def atelectasis(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Three plate-like, slightly oblique streaks in a thin haze."""
    outline = inside((p * p) ** 2 + (q * q) ** 2, 0.5)
    phase = q * 1.5 + p * (texture[0, 0] - 0.5) + (noise(texture, p, q) - 0.5) * 0.7
    streaks = band(phase - np.rint(phase), 0.38)
    return outline, outline * (0.35 + 0.65 * streaks)


def heart(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Ellipse that leans towards the left of the patient: Cardiomegaly when it is large."""
    lean = 0.35 + 0.3 * texture[0, 0]
    across = p * np.sqrt(1 + lean * lean) - lean * q
    outline = inside(across * across + q * q, 0.16)
    return outline, outline


def effusion(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Fluid below a level that rises towards the chest wall."""
    t = np.clip((p + 1) / 2, 0, 1)
    t = np.maximum(t - 0.15, 0)
    level = -1 + (0.7 + 0.6 * texture[0, 0]) * t * (2 - t)
    edges = np.minimum(
        np.minimum((q - level) * 2.5, (1 - q) * 6), np.minimum((p + 1) * 6, (1 - p) * 3)
    )
    outline = smooth(edges + 0.5)
    return outline, outline


def infiltration(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Patchy, ill-defined opacities."""
    return _patchy(inside(p * p + q * q, 0.6), p, q, texture)


def infiltration_both(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Patchy opacities in both lungs."""
    return _patchy(_both(p, q), p, q, texture)


def _patchy(outline: Pixels, p: Pixels, q: Pixels, texture: Pixels) -> Look:
    return outline, outline * smooth(noise(texture, p, q) * 2.2 - 0.5)


def _both(p: Pixels, q: Pixels) -> Pixels:
    """Outline of two lobes, one in each lung, that meet over the hila."""
    return inside(
        np.minimum((np.abs(p) - 0.55) ** 2 / 0.2025 + q * q, p * p * 2.4 + (q * 2.2) ** 2), 0.6
    )


def mass(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """One disc with lobes."""
    radius2 = p * p + q * q
    for a, b in ((0, 1), (2, 3)):
        x, y = texture[a, b] - 0.5, texture[b, a] - 0.5
        radius2 = np.minimum(
            radius2, ((p - x) ** 2 + (q - y) ** 2) / (1 - np.maximum(abs(x), abs(y))) ** 2
        )
    outline = inside(radius2, 0.6)
    return outline, outline * (0.8 + 0.2 * noise(texture, p, q))


def nodule(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """A small disc."""
    outline = inside(p * p + q * q, 0.3)
    return outline, outline


def pneumonia(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """A dense consolidation crossed by dark branches of air (air bronchograms)."""
    return _consolidated(
        inside(np.minimum(p * p + q * q, ((p * p) ** 2 + (q * q) ** 2) * 1.1), 0.5), p, q, texture
    )


def pneumonia_both(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """Consolidation in both lungs, with branches of air in each."""
    return _consolidated(_both(p, q), np.abs(p) * 2 - 1.1, q, texture)


def _consolidated(outline: Pixels, p: Pixels, q: Pixels, texture: Pixels) -> Look:
    bend = (noise(texture, p, q) - 0.5) * 0.5
    air = np.maximum(band(q - p * 0.5 + bend, 0.12), band(q + p * 0.7 - 0.2 + bend, 0.1))
    return outline, outline * (0.75 + 0.25 * noise(texture, p, q)) * (1 - 0.6 * air)


def pneumothorax(p: Pixels, q: Pixels, texture: Pixels) -> Look:
    """A dark rim between the chest wall and the pleural line of the collapsed lung, which shines."""
    t, s = (1 - p) / 2, (1 - q) / 2
    radius2 = (
        t * t + s * s
    )  # the collapsed lung is around the corner away from the wall and the apex
    lung = 0.35 + 0.25 * texture[0, 0]
    rim = np.minimum(np.minimum((radius2 - lung) * 5, (1.6 - radius2) * 3), np.minimum(s, t) * 8)
    edges = np.minimum(rim, np.minimum(1 - s, 1 - t) * 8)
    outline = smooth(edges + 0.5)
    line = band(radius2 - lung, 0.1) * smooth(
        np.minimum(np.minimum(s, t), np.minimum(1 - s, 1 - t)) * 10
    )
    return outline, outline - 1.2 * line


LOOKS: dict[str, Callable[[Pixels, Pixels, Pixels], Look]] = {
    "Atelectasis": atelectasis, "Cardiomegaly": heart, "Effusion": effusion, "Infiltration": infiltration,
    "Mass": mass, "Nodule": nodule, "Pneumonia": pneumonia, "Pneumothorax": pneumothorax,
}  # fmt: skip
BOTH = {"Infiltration": infiltration_both, "Pneumonia": pneumonia_both}
"""Variants for boxes that extend into both lungs."""


FINDINGS = tuple(LOOKS)


def _finding(name: str) -> str:
    if name not in FINDINGS:
        raise UnknownNameError("finding", name, FINDINGS)
    return name


Finding = Annotated[str, AfterValidator(_finding)]
Prevalence = Share | Mapping[Finding, Share]
"""One number for all findings, or numbers for some of them and the default for the rest; so is ``Conspicuity``."""
Conspicuity = Factor | Mapping[Finding, Factor]


@dataclass(frozen=True)
class PhantomOptions:
    """Options of the phantom; shares are in [0, 1]."""

    prevalence: Mapping[str, float]
    """finding -> share of the images that have it."""
    conspicuity: Mapping[str, float]
    """finding -> factor of its brightness."""
    grain: float = 0
    """Standard deviation of the pixel noise, as a share of white."""
    clutter: float = 0
    """Frequency of tubes, electrodes and side markers: 0 is none, 1 is usual."""
    edges: tuple[float, float] = (0, 0)
    """Range of the width of a finding's edge, as a share of the image side; 0 is the outline as drawn."""


def check_size(img_size: int | None) -> int:
    """Return the side in pixels; None is 128."""
    size = 128 if img_size is None else img_size
    if not 32 <= size <= 4096:
        raise BadValueError(f"img_size is {size}: it must be 32 to 4096 pixels")
    return size


def per_finding(value: Prevalence | Conspicuity, default: float) -> dict[str, float]:
    """Return the value of each finding."""
    given = value if isinstance(value, Mapping) else dict.fromkeys(FINDINGS, value)
    return {name: float(given.get(name, default)) for name in FINDINGS}


@dataclass(frozen=True, eq=False)
class Lesion:
    """One connected piece of a finding, with its box."""

    finding: str
    box: UnitBox
    texture: Pixels
    edge: float = 0.0
    """Width of the edge, as a share of the image side."""

    def look(self, size: int) -> tuple[Window, Pixels, Pixels]:
        """Return window, sharp outline and sharp opacity for an image of ``size`` x ``size`` pixels."""
        lesion_window = window(size, self.box, 0.4, 2 * self.edge * REACH)
        wide = self.box[2] - self.box[0] > BOTH_LUNGS_WIDTH
        draw = BOTH[self.finding] if wide and self.finding in BOTH else LOOKS[self.finding]
        mirrored = self.finding != "Cardiomegaly" and self.box[0] + self.box[2] > 1
        outline, opacity = draw(
            -lesion_window.p if mirrored else lesion_window.p, lesion_window.q, self.texture
        )
        return lesion_window, outline, opacity

    def outline(self, size: int) -> tuple[Window, Pixels]:
        """Return window and outline with the edge, .5 on the edge of the truth.

        A blurred outline is scaled to 1 where it is highest, so its truth ends at half height.
        """
        lesion_window, sharp, _ = self.look(size)
        soft = self._softened(sharp, size)
        return lesion_window, soft / soft.max() if self.edge and (sharp >= 0.5).any() else soft

    def opacity(self, size: int) -> tuple[Window, Pixels]:
        """Return window and opacity with the edge."""
        lesion_window, _, opacity = self.look(size)
        return lesion_window, self._softened(opacity, size)

    def _softened(self, values: Pixels, size: int) -> Pixels:
        return blurred(values, self.edge * REACH * size) if self.edge else values

    def mask(self, size: int) -> NDArray[np.bool_]:
        """Return the (size, size) truth: the inside of the outline."""
        lesion_window, outline = self.outline(size)
        whole = np.zeros((size, size), bool)
        whole[lesion_window.rows, lesion_window.columns] = outline >= 0.5
        return whole

    def tight(self, size: int) -> list[int] | None:
        """Return the box of the mask, xyxy in pixels; None if the mask has no pixel."""
        lesion_window, outline = self.outline(size)
        rows, columns = (np.flatnonzero((outline >= 0.5).any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return None
        x, y = lesion_window.columns.start, lesion_window.rows.start
        return [
            x + int(columns[0]),
            y + int(rows[0]),
            x + int(columns[-1]) + 1,
            y + int(rows[-1]) + 1,
        ]


@dataclass(frozen=True, eq=False)
class Patient:
    """One phantom: all numbers of the drawing, independent of the pixel size."""

    lesions: tuple[Lesion, ...]
    heart: Lesion
    anatomy: Mapping[str, tuple[float, ...]]
    """part of ``PARTS`` -> its numbers in [0, 1)."""
    tissue: Pixels
    """(9, 9) texture of the soft tissue."""
    conspicuity: float
    """Factor of all findings' brightness, .75 to 1.25."""

    @property
    def diaphragm(self) -> tuple[float, float]:
        """y of the lungs' lower edges, left and right; independent of findings, which are drawn only in their boxes."""
        left, right = self.anatomy["diaphragm"]
        return 0.71 + 0.10 * left, 0.72 + 0.10 * right

    def boxes(self, size: int) -> dict[str, FloatArray]:
        """Return finding -> (M,4) tight boxes of the pieces' masks, in pixels of a ``size`` x ``size`` image."""
        pieces: dict[str, list[list[int]]] = {}
        for lesion in self.lesions:
            box = lesion.tight(size)
            if box:
                pieces.setdefault(lesion.finding, []).append(box)
        return {finding: as_boxes(tight) for finding, tight in pieces.items()}

    def masks(self, size: int) -> dict[str, NDArray[np.bool_]]:
        """Return finding -> (size, size) mask, without findings smaller than a pixel."""
        union: dict[str, NDArray[np.bool_]] = {}
        for lesion in self.lesions:
            mask = lesion.mask(size)
            if mask.any():
                union[lesion.finding] = union.get(lesion.finding, mask) | mask
        return union


def draw_patient(rng: np.random.Generator, options: PhantomOptions) -> Patient:
    """Draw a random patient.

    The numbers taken from ``rng`` do not depend on the options, so changing one option changes nothing else about
    the patients.
    """
    anatomy = {name: tuple(rng.random(count).tolist()) for name, count in PARTS.items()}
    chance = rng.random(12).tolist()
    places = rng.random((10, 7))
    textures = rng.random((10, 6, 6), dtype=np.float32)
    tissue = rng.random((9, 9), dtype=np.float32)
    present = [f for f, u in zip(FINDINGS, chance, strict=False) if u < options.prevalence[f]]
    chosen = [(f, i) for i, f in enumerate(FINDINGS) if f in present]
    if "Nodule" in present and chance[8] < SECOND_NODULE:
        chosen.append(("Nodule", 8))
    low, high = options.edges

    def lesion(finding: str, statistics: BoxStatistics, row: int, texture: Pixels) -> Lesion:
        edge = low + (high - low) * float(texture[5, 5])
        return Lesion(finding, place_box(statistics, places[row].tolist()), texture, edge)

    lesions = tuple(lesion(f, BOX_STATISTICS[f], i, textures[i]) for f, i in chosen)
    enlarged = (lesion for lesion in lesions if lesion.finding == "Cardiomegaly")
    heart = next(enlarged, lesion("Cardiomegaly", HEART, 9, textures[1]))
    return Patient(lesions, heart, anatomy, tissue, conspicuity=0.75 + 0.5 * chance[10])
