"""Phantom data set: chest-like images with known truth.

``render`` draws a patient: anatomy, findings, clutter, soft tissue, exposure and grain, in this order. Boxes are in
shares of the image side. Each structure is drawn in the coordinates p and q of a window, in which the window's box is
[-1, 1] x [-1, 1]: the whole image, or a smaller box for vessels, gastric bubble, heart, findings and clutter. Each step
uses its own random numbers in [0, 1) from ``Patient.anatomy``; tones are shares of white.
"""

import functools
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locus.core.files import json_hash
from locus.core.types import Sample, generator
from locus.datasets import splits
from locus.datasets.base import About, Dataset, Request
from locus.datasets.phantom import patient as draw

FIRST_INDEX = {"train": 0, "val": 1_000_000, "test": 2_000_000}
"""Index of the first image of each split."""
AIR, WHITEST = 0.03, 0.95
"""Tone outside the body, and the tone at which findings saturate."""
LUNG_BOXES: tuple[draw.UnitBox, draw.UnitBox] = ((0.12, 0.25, 0.46, 0.8), (0.54, 0.25, 0.88, 0.8))
"""Areas of the vessels, left and right in the image."""


class Phantom(Dataset):
    """Images generated from ``PCG64([seed, index])``: nothing to download, and the same on every machine.

    Eight independent findings with NIH's names, with sizes and positions from the statistics of NIH's published boxes.
    Every finding is drawn with a mask. Each connected piece of a mask (such as a second nodule) has a tight box. A
    finding that is too small to be visible at ``img_size`` counts as absent. The same index is the same patient at
    every size; the frame is (img_size, img_size).

    Training, validation and test are disjoint ranges of indices; the size of one does not affect the others. A phantom
    patient has one image, so the partitions ``patient`` and ``kfold`` split the union of the three. Made for Locus; no
    licence or citation is required.

    Options: ``train``, ``val``, ``test``, numbers of images; ``prevalence`` and ``conspicuity``, one number or one per
    finding; ``grain``, standard deviation of the pixel noise as a share of white; ``clutter``, frequency of tubes,
    electrodes and side markers (0 none, 1 usual). The edge of each finding is blurred over a random width, .6 to 4 per
    cent of the image side, and the truth ends at half height.
    """

    name = "phantom"
    about = About(
        title="Phantom",
        size="any number, generated",
        access="nothing to download",
        licence="none is required",
        citation="none is required",
        boxes="the exact extent of a drawn finding",
    )
    synthetic = True

    def __init__(
        self,
        request: Request,
        train: draw.Count = 3000,
        val: draw.Count = 400,
        test: draw.Count = 800,
        prevalence: draw.Prevalence = 0.18,
        conspicuity: draw.Conspicuity = 1.0,
        grain: draw.Share = 0.03,
        clutter: draw.Factor = 1.0,
    ) -> None:
        self.set_request(request, "the phantom")
        counts = {"train": train, "val": val, "test": test}
        self.options = draw.PhantomOptions(
            draw.per_finding(prevalence, 0.18),
            draw.per_finding(conspicuity, 1),
            grain,
            clutter,
            draw.EDGES,
        )
        self.indices = _indices(counts, request)
        about = {
            "source": "drawn by code",
            "drawing": draw.DRAWING,
            "seed": self.seed,
            "img_size": self.size,
        }
        self.describe = {**about, "counts": counts, **asdict(self.options), "edges": [*draw.EDGES]}
        self.drawn_from = json_hash(self.describe)

    def set_request(self, request: Request, title: str) -> None:
        """Set findings, split, seed and size of a ``request``. Raises ``BadValueError``."""
        self.findings = request.task({len(draw.FINDINGS): draw.FINDINGS}, title, len(draw.FINDINGS))
        self.split = request.split
        self.seed = request.seed
        self.size = draw.check_size(request.img_size)

    def __len__(self) -> int:
        return len(self.indices)

    @functools.cached_property
    def patients(self) -> list[str]:
        """Patient of each image: the number of the image."""
        return [f"{number:07d}" for number in self.indices]

    def sample(self, index: int) -> Sample:
        """Return the sample at ``index`` of this split; its pixels are drawn on demand."""
        number = int(self.indices[index])
        patient, name, meta = self.drawn(number)
        boxes = patient.boxes(self.size)
        labels = [finding in boxes for finding in draw.FINDINGS]
        image_id = f"{self.name}-{self.seed}-{number:07d}"
        source = f"{self.name}:{self.drawn_from}:{number}"
        return Sample(
            image_id=image_id,
            patient_id=name,
            frame=(self.size, self.size),
            labels=np.array(labels, np.float32),
            boxes=boxes,
            read=functools.partial(self.render, number),
            source=source,
            meta=meta,
            read_masks=functools.partial(self.masks, number),
        )

    def drawn(self, number: int) -> tuple[draw.Patient, str, dict[str, Any]]:
        """Return the phantom patient of image ``number``, the patient's name, and the sample's other attributes."""
        patient, _ = self._patient(number)
        return patient, f"{number:07d}", {"conspicuity": patient.conspicuity}

    def render(self, number: int) -> NDArray[np.uint8]:
        """Draw the (size, size) image ``number``."""
        patient, rng = self._patient(number)
        return render(patient, self.options, self.size, rng)

    def masks(self, number: int) -> dict[str, NDArray[np.bool_]]:
        """Return finding -> (size, size) truth mask of image ``number``, without findings smaller than a pixel."""
        return self.drawn(number)[0].masks(self.size)

    def _patient(self, number: int) -> tuple[draw.Patient, np.random.Generator]:
        rng = generator(self.seed, number)
        return draw.draw_patient(rng, self.options), rng


def _indices(counts: dict[str, int], request: Request) -> NDArray[np.int64]:
    ranges = {name: FIRST_INDEX[name] + np.arange(count) for name, count in counts.items()}
    if request.partition == "official":
        return ranges[request.split]
    union = np.concatenate(list(ranges.values()))
    return union[splits.assign([f"{i:07d}" for i in union], request) == request.split]


def render(
    patient: draw.Patient, options: draw.PhantomOptions, size: int, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Return the image of a patient.

    Args:
        patient: the phantom patient.
        options: the options of the data set.
        size: height and width in pixels.
        rng: generates the grain, the only part that depends on the pixel size.

    Returns:
        (size, size) uint8.
    """
    image = np.full((size, size), AIR, np.float32)
    window = draw.window(size, draw.WHOLE)
    body = _torso(image, window, patient)
    lungs = _lungs(image, window, patient)
    _bones(image, window, lungs, patient)
    _vessels(image, patient)
    _mediastinum(image, window, patient)
    _findings(image, patient, options)
    _clutter(image, patient, options.clutter)
    image += (draw.noise(patient.tissue, window.p, window.q) - 0.5) * 0.12 * body
    return _exposed(image, patient, rng, options.grain)


def _torso(image: draw.Pixels, window: draw.Window, patient: draw.Patient) -> draw.Pixels:
    """Draw the body and return its (size, size) alpha: shoulders narrow towards the neck, the abdomen is brighter."""
    width, slope = patient.anatomy["torso"]
    half = np.minimum(0.95 + 0.2 * width, 0.35 + (window.q + 1) * (1.8 + slope))
    body = draw.smooth((half - np.abs(window.p)) * 12 + 0.5)
    draw.blend(image, window, body, 0.55)
    draw.add(image, window, draw.smooth(window.q * 1.4 - 0.1) * body, 0.14)
    return body


def _lungs(image: draw.Pixels, window: draw.Window, patient: draw.Patient) -> draw.Pixels:
    """Draw both lung fields, ellipses cut by a domed diaphragm, and return their (size, size) alpha."""
    left, right, apex, width, air = patient.anatomy["lungs"]
    top = -0.84 + 0.08 * apex
    half_width = 0.31 + 0.05 * width
    alpha = np.zeros((window.q.size, window.p.size), np.float32)
    for side, shift, bottom in zip((-1, 1), (left, right), patient.diaphragm, strict=True):
        across = (window.p - 0.42 * side - 0.04 * (shift - 0.5)) / half_width
        floor = 2 * bottom - 1
        half_height = (floor - top) * 0.62
        along = (window.q - top - half_height) / half_height
        dome = floor + 0.16 * (across * across * 0.5 - 0.6 * side * across - 0.25)
        field = np.minimum(
            draw.inside(across * across + (along * along) ** 2, 0.25),
            draw.smooth((dome - window.q) * 14 + 0.5),
        )
        np.maximum(alpha, field, out=alpha)
    draw.blend(image, window, alpha, 0.24 + 0.08 * air)
    return alpha


def _bones(
    image: draw.Pixels, window: draw.Window, alpha: draw.Pixels, patient: draw.Patient
) -> None:
    """Draw ribs, as one wave over the lungs' ``alpha``, and both clavicles."""
    bow, shift, count, contrast = patient.anatomy["ribs"]
    from_midline = np.abs(window.p) - 0.1
    curve = (from_midline - 0.45) ** 2 * (0.9 + 0.4 * bow)
    phase = (window.q - curve - 0.2 * shift) * (4.4 + 1.2 * count)
    draw.add(image, window, draw.band(phase - np.rint(phase), 0.26) * alpha, 0.05 + 0.05 * contrast)
    rise, height = patient.anatomy["clavicles"]
    arch = from_midline - from_midline * from_midline
    line = window.q + 0.72 - 0.06 * height + arch * (0.25 + 0.2 * rise)
    inner_end = draw.smooth(from_midline * 12)
    outer_end = draw.smooth((0.85 - from_midline) * 8)
    draw.add(image, window, draw.band(line, 0.045) * inner_end * outer_end, 0.12)


def _vessels(image: draw.Pixels, patient: draw.Patient) -> None:
    """Draw six branches from each hilum that thin out towards the chest wall."""
    jitters = patient.anatomy["vessels"]
    for side, box in zip((-1, 1), LUNG_BOXES, strict=True):
        window = draw.window(image.shape[0], box)
        outwards = (1 + side * window.p) / 2
        fade = draw.smooth(1.05 - outwards) * draw.smooth(outwards * 9)
        for k, jitter in enumerate(jitters[:6] if side < 0 else jitters[6:]):
            slope = -1.1 + 0.5 * k + 0.4 * jitter
            off_branch = window.q + 0.25 - outwards * slope * (0.7 + 0.3 * outwards)
            draw.add(image, window, draw.band(off_branch, 0.07) * fade, 0.07)


def _mediastinum(image: draw.Pixels, window: draw.Window, patient: draw.Patient) -> None:
    """Draw mediastinum, spine, gastric bubble and the heart, which is always present."""
    width, bubble_x, bubble_width, tone = patient.anatomy["mediastinum"]
    column = draw.smooth(
        (0.13 + 0.05 * width + 0.03 * window.q - np.abs(window.p - 0.02)) * 12 + 0.5
    )
    draw.blend(image, window, column * 0.85, 0.60)
    draw.add(image, window, draw.band(window.p, 0.08) * draw.smooth(1 - window.q), 0.05)
    bubble_box = _around(
        0.70 + 0.05 * bubble_x, patient.diaphragm[1] + 0.09, 0.05 + 0.03 * bubble_width, 0.03
    )
    bubble = draw.window(image.shape[0], bubble_box, margin=0.3)
    draw.blend(
        image, bubble, draw.inside(bubble.p * bubble.p + bubble.q * bubble.q, 0.3) * 0.6, 0.35
    )
    heart, outline = patient.heart.outline(image.shape[0])
    draw.blend(image, heart, outline * 0.85, 0.62 + 0.06 * tone)


def _around(x: float, y: float, half_width: float, half_height: float) -> draw.UnitBox:
    """Return the box around a point; shares of the image side."""
    return x - half_width, y - half_height, x + half_width, y + half_height


def _findings(image: draw.Pixels, patient: draw.Patient, options: draw.PhantomOptions) -> None:
    """Draw the findings except the heart: each whitens darker pixels or darkens brighter ones."""
    for lesion in patient.lesions:
        if lesion.finding == "Cardiomegaly":
            continue
        window, opacity = lesion.opacity(image.shape[0])
        strength = (
            draw.STRENGTH[lesion.finding]
            * patient.conspicuity
            * options.conspicuity[lesion.finding]
        )
        pixels = image[window.rows, window.columns]
        room = WHITEST - pixels if strength > 0 else pixels + 0.1
        draw.add(image, window, opacity * np.maximum(room, 0) * 1.4, strength)


def _clutter(image: draw.Pixels, patient: draw.Patient, amount: float) -> None:
    """Draw a tube, up to three electrodes and a side marker, unrelated to the findings."""
    size = image.shape[0]
    presence, length, bend, lean = patient.anatomy["tube"]
    if presence < 0.35 * amount:
        window = draw.window(size, (0.3, 0.0, 0.7, 0.35 + 0.3 * length))
        line = window.p - (bend - 0.5) * 0.8 * window.q * window.q - (lean - 0.5) * 0.6
        draw.add(image, window, draw.band(line, 0.05) * draw.smooth((1 - window.q) * 8), 0.22)
    for name in ("electrode 1", "electrode 2", "electrode 3"):
        presence, x, y = patient.anatomy[name]
        if presence < 0.2 * amount:
            window = draw.window(
                size, _around(0.15 + 0.7 * x, 0.15 + 0.65 * y, 0.018, 0.018), margin=0.4
            )
            draw.blend(
                image, window, draw.inside(window.p * window.p + window.q * window.q, 0.3), 0.9
            )
    presence, side, y = patient.anatomy["marker"]
    if presence < 0.8 * amount:
        box = _around(0.9 if side < 0.8 else 0.1, 0.05 + 0.1 * y, 0.02, 0.03)
        draw_side_marker(image, draw.window(size, box, margin=0.2))


def draw_side_marker(image: draw.Pixels, window: draw.Window) -> None:
    """Draw a side marker, two bright strokes that meet: an L in the window's corner."""
    upright = draw.band(window.p + 0.8, 0.45)
    level = draw.band(window.q - 0.8, 0.45)
    draw.blend(image, window, np.maximum(upright, level), WHITEST)


def _exposed(
    image: draw.Pixels, patient: draw.Patient, rng: np.random.Generator, grain: float
) -> NDArray[np.uint8]:
    contrast, brightness = patient.anatomy["exposure"]
    image = (image - 0.45) * (0.8 + 0.4 * contrast) + (0.39 + 0.12 * brightness)
    image += rng.standard_normal(image.shape, dtype=np.float32) * grain
    return np.clip(image * 255 + 0.5, 0, 255).astype(np.uint8)
