"""Implanted data set: real radiographs without findings, with the phantom's findings drawn on them.

The lungs may be at other places than in the phantom. A finding drawn over the abdomen or outside the body would be
invisible and its label wrong, so ``arranged`` tries several random positions and uses the one with the most air.

Findings are softer than in the phantom, so that a network cannot memorise their shapes: edges are blurred, density
varies inside a finding, and lung markings vanish behind a pneumothorax. The size of the heart is changed, too.

The patients and shapes come from ``locus.datasets.phantom``, the radiographs from ``locus.datasets.nih``.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from locus.core.errors import DataError, UnknownNameError
from locus.core.files import file_hash, json_hash
from locus.core.frames import resize_image
from locus.core.names import find_finding
from locus.core.types import Sample, generator
from locus.datasets import nih as nih_tables
from locus.datasets import splits
from locus.datasets.base import About, Request, content_stamp
from locus.datasets.io import pd
from locus.datasets.io.images import decode, find
from locus.datasets.nih import IMAGE_FOLDERS, entries
from locus.datasets.phantom import FIRST_INDEX, Phantom, draw_side_marker
from locus.datasets.phantom import patient as draw

DRAWING = 1
"""Version of the drawing; increase it when the same number gives other pixels."""
USUAL_HEART: draw.UnitBox = (0.40, 0.455, 0.71, 0.725)
"""Usual position of the heart: the median of the phantom's hearts that are not enlarged."""
REACH = 1.9
"""Extent of the deformation around the heart, in half sides of the heart's new box."""
TONE = (0.85, 2.0)
"""Range of the random exponent of the exposure."""
SOFT = (0.01, 0.035)
"""Range of the width of a finding's blurred edge, as a share of the image side."""
CRISP = 0.6
"""Share of the pneumothoraces with a pleural line as fine as in the phantom."""
VANISHED = 0.8
"""Degree to which lung markings vanish behind a pneumothorax, in [0, 1]."""
HEART_TONE = 0.12
"""Strength of an enlarged heart, as in ``STRENGTH``."""
OUTSIDE = 0.08
"""Tone below which a pixel is outside the body."""
WHITER = 0.05
"""Difference between the whitest tone of a finding and the 90th percentile of the image."""
ARRANGED_AT = 64
"""Side in pixels of the small copy that is used to choose positions, so that they do not depend on the image size."""
HELD_OUT = 0.03
"""Share of the patients in the test split, and of the others in validation; small because backgrounds are few."""
MARKER, MARKER_SIDE = "marker", 0.04
"""Name of the letter in the image, and its side as a share of the image side."""
WITH_FINDING, OTHERWISE, IN_TEST = 0.95, 0.05, 0.5
"""Share of the images with a marker: those with its finding, the others, and all test images."""
UNIFORM_SIDE = (0.05, 0.6)
"""Range of a box's width and height under the placement ``uniform``, as shares of the image side."""
UNIFORM_ASPECT = (0.5, 2.0)
"""Range of a box's height divided by its width, before it is limited to ``UNIFORM_SIDE``."""
Placement = Literal["nih", "uniform"]
"""Where findings are drawn: by the statistics of NIH's boxes, or uniformly with sizes from one range."""
MIN_PATIENTS = 3
"""Minimum number of patients for three splits."""


def exposed(background: NDArray[np.uint8], heart: draw.Lesion, exposure: float) -> draw.Pixels:
    """Return the ``background``, (S,S) uint8, as tones in [0,1], with its heart stretched to ``heart``.

    ``exposure`` in [0,1) selects the exponent of the tones, within the range ``TONE``.
    """
    low, high = TONE
    return _with_heart(
        (background.astype(np.float32) / 255) ** np.float32(low * (high / low) ** exposure), heart
    )


def implant(
    image: draw.Pixels, patient: draw.Patient, conspicuity: Mapping[str, float], white: float
) -> draw.Pixels:
    """Draw a patient's findings into a copy of an image.

    Args:
        image: the ``exposed`` image (S,S).
        patient: the patient with the lesions.
        conspicuity: finding -> factor of its contrast.
        white: the tone at which lesions saturate.
    """
    image = image.copy()
    for lesion in patient.lesions:
        _draw(image, lesion, patient.conspicuity * conspicuity[lesion.finding], white)
    return image


def marker_box(seed: int, number: int, chance: float) -> draw.UnitBox | None:
    """Return the box of the letter on image ``number``, which has one with this ``chance``: beside either shoulder."""
    present, side, x, y = generator(seed, MARKER, number).random(4).tolist()
    left, top = (0.04 if side < 0.5 else 0.82) + 0.1 * x, 0.03 + 0.2 * y
    return (left, top, left + MARKER_SIDE, top + MARKER_SIDE) if present < chance else None


def _draw(image: draw.Pixels, lesion: draw.Lesion, factor: float, white: float) -> None:
    """Draw a finding: whiten pixels darker than ``white``, or darken and blur the inside of a pneumothorax."""
    window = draw.window(len(image), lesion.box, margin=0.4)
    opacity = _opacity(lesion, window, len(image))
    pixels = image[window.rows, window.columns]
    if lesion.finding == "Pneumothorax":
        pixels += (
            np.clip(opacity, 0, 1)
            * (_blurred(pixels, max(len(image) // 32, 1)) - pixels)
            * VANISHED
        )
    strength = (
        HEART_TONE if lesion.finding == "Cardiomegaly" else draw.STRENGTH[lesion.finding] * 1.4
    )
    pixels += (
        strength * factor * opacity * np.maximum(white - pixels if strength > 0 else pixels, 0)
    )


def _opacity(lesion: draw.Lesion, window: draw.Window, size: int) -> draw.Pixels:
    """Return the (h, w) visible opacity of the finding, with a soft edge and an uneven density."""
    _, outline, opacity = lesion.look(size)
    if lesion.finding == "Pneumonia":
        opacity = outline * (0.4 + 0.8 * draw.noise(lesion.texture, window.p, window.q))
    elif lesion.finding in ("Effusion", "Mass", "Nodule"):
        opacity = opacity * (0.75 + 0.4 * draw.noise(lesion.texture.T, window.p, window.q))
    elif lesion.finding == "Pneumothorax" and lesion.texture[4, 4] < CRISP:
        return opacity
    low, high = SOFT
    return _blurred(
        opacity, max(round((low + (high - low) * float(lesion.texture[5, 5])) * size), 1)
    )


def _blurred(values: draw.Pixels, reach: int) -> draw.Pixels:
    """Box blur over 2 * ``reach`` + 1 pixels along both axes, with repeated edges."""
    for axis, n in enumerate(values.shape):
        pads = [(reach + 1, reach) if a == axis else (0, 0) for a in (0, 1)]
        wide = np.pad(values, pads, mode="edge").cumsum(axis, dtype=np.float32)
        high, low = (np.take(wide, np.arange(k, k + n), axis) for k in (2 * reach + 1, 0))
        values = (high - low) / (2 * reach + 1)
    return values


def _with_heart(image: draw.Pixels, heart: draw.Lesion) -> draw.Pixels:
    """Stretch the content of ``USUAL_HEART`` to the box ``heart``; the surroundings move less."""
    copy = image.copy()
    window = draw.window(len(image), heart.box, margin=REACH - 1)
    share = draw.smooth(
        (REACH - np.sqrt(window.p * window.p + window.q * window.q)) / (REACH - 0.7)
    )  # 1 in the heart, 0 at the reach
    rows, columns = (
        _moved(unit, share, heart.box, axis, len(image))
        for unit, axis in ((window.q, 1), (window.p, 0))
    )
    copy[window.rows, window.columns] = _sampled(image, rows, columns)
    return copy


def _moved(
    unit: draw.Pixels, share: draw.Pixels, box: draw.UnitBox, axis: int, size: int
) -> draw.Pixels:
    """Return the source positions of the window's pixels along one ``axis`` (0 across, 1 down)."""
    middles = (
        (b[axis] + b[axis + 2] + unit * (b[axis + 2] - b[axis])) / 2 for b in (USUAL_HEART, box)
    )
    usual, target = (middle * size - 0.5 for middle in middles)
    return share * usual + (1 - share) * target


def _sampled(image: draw.Pixels, rows: draw.Pixels, columns: draw.Pixels) -> draw.Pixels:
    """Sample ``image`` bilinearly at positions in pixels, clamped to the image."""
    last = len(image) - 1
    rows, columns = np.clip(rows, 0, last), np.clip(columns, 0, last)
    top = np.minimum(rows.astype(np.int64), last - 1)
    left = np.minimum(columns.astype(np.int64), last - 1)
    down, right = rows - top, columns - left
    upper = image[top, left] * (1 - right) + image[top, left + 1] * right
    lower = image[top + 1, left] * (1 - right) + image[top + 1, left + 1] * right
    return upper * (1 - down) + lower * down


def whitest(image: draw.Pixels) -> float:
    """Return the tone at which findings saturate in this image, in [0,1].

    >>> round(whitest(np.full((4, 4), 0.5, np.float32)), 2) > 0.5
    True
    """
    return min(float(np.quantile(image, 0.9)) + WHITER, 1.0)


def arranged(
    patient: draw.Patient,
    image: draw.Pixels,
    tries: int,
    rng: np.random.Generator,
    placement: Placement = "nih",
) -> draw.Patient:
    """Return a patient with each finding but the heart at the airiest of several positions.

    Args:
        patient: the patient with its findings.
        image: (S,S) pixels of the radiograph.
        tries: number of positions.
        rng: generator of the positions.
        placement: distribution of the positions: ``nih`` or ``uniform``.
    """
    white = whitest(image)
    lesions = []
    for lesion in patient.lesions:
        candidates = _candidates(lesion, tries, rng, placement)
        airiest = max(candidates, key=lambda candidate: air(candidate, image, white))
        lesions.append(airiest)
    return replace(patient, lesions=tuple(lesions))


def _candidates(
    lesion: draw.Lesion, tries: int, rng: np.random.Generator, placement: Placement
) -> list[draw.Lesion]:
    """Return the finding at ``tries`` random positions; a heart stays where it is."""
    is_uniform = placement == "uniform"
    shape = (tries, 4) if is_uniform else (tries - 1, 7)
    rows = rng.random(
        shape
    ).tolist()  # also for a heart, so that the numbers of the other findings do not depend on it
    if lesion.finding == "Cardiomegaly":
        return [lesion]
    if is_uniform:
        return [replace(lesion, box=uniform_box(u)) for u in rows]
    statistics = draw.BOX_STATISTICS[lesion.finding]
    return [lesion, *(replace(lesion, box=draw.place_box(statistics, u)) for u in rows)]


def uniform_box(u: Sequence[float]) -> draw.UnitBox:
    """Return a box that no statistic of NIH's boxes influences, from four random numbers ``u`` in [0, 1).

    They select the width (log-uniform), the height by the aspect ratio (log-uniform), and the position: every one at
    which the box is inside the image is equally likely.
    """
    smallest, largest = UNIFORM_SIDE
    width = _log_uniform(u[0], UNIFORM_SIDE)
    height = min(max(width * _log_uniform(u[1], UNIFORM_ASPECT), smallest), largest)
    left, top = u[2] * (1 - width), u[3] * (1 - height)
    return left, top, left + width, top + height


def _log_uniform(u: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return low * (high / low) ** u


def air(lesion: draw.Lesion, image: draw.Pixels, white: float) -> float:
    """Return the mean of ``white`` minus the tone within the finding's outline; 0 for pixels outside the body.

    This is the contrast, in tones of [0,1], that a white finding can have at this position.
    """
    window, outline, _ = lesion.look(len(image))
    pixels = image[window.rows, window.columns]
    room = np.maximum(white - pixels, 0) * (pixels > OUTSIDE)
    return float((room * outline).sum() / max(float(outline.sum()), 1e-6))


class Implanted(Phantom):
    """Real NIH radiographs labelled "No Finding", with synthetic findings whose truth is known.

    The root has NIH's layout, see :class:`locus.datasets.nih.NIH`. Backgrounds are images without any of the 14
    findings, of patients **without any truth box**. A network trained here has not seen any patient of the boxed
    images, so one training run can be tested on all folds of NIH's boxed images (but not on images without a box). The
    number of an image selects, by ``PCG64([seed, "implanted", number])``, a phantom patient (see
    :class:`locus.datasets.phantom.Phantom`), a background and an exposure. The heart of the background is stretched to
    the size of the patient's. Each finding is drawn at the position with the most air among ``places`` candidates.

    Labels are those of the synthetic findings. A box is the tight box of a mask, in the frame (img_size, img_size).
    The box of Cardiomegaly is the target box of the stretched heart, which is accurate if the heart of the background
    was in the usual position. Positions and sizes are drawn from the statistics of NIH's published boxes, as in the
    phantom.

    ``sample.without(finding)`` is the same image without a finding, which differs only where that is drawn; without
    Cardiomegaly the heart has its normal size, so its surroundings move, too. ``sample.without("marker")`` has no
    letter.

    Split by the patients of the backgrounds: 3% test, 3% of the others validation; ``patient`` and ``kfold`` work as
    in other data sets. No restriction on use, as for NIH ChestX-ray14; acknowledge the NIH Clinical Center. Cite: Wang
    et al., ChestX-ray8, CVPR 2017, 3462-3471.

    Options: ``train``, ``val``, ``test``, numbers of images; ``prevalence`` and ``conspicuity``, one number or one per
    finding; ``places``, 1 to 64; ``placement``: ``nih`` (positions and sizes as above) or ``uniform`` (positions
    uniform over the image, sizes of all findings from one range; an enlarged heart stays in its place); ``marker``, a
    finding: a letter beside a shoulder is on 95% of the training and validation images with this finding, on 5% of the
    others, and on half of the test images (``meta["marker"]`` is its box). A network can take it for the finding: a
    shortcut.
    """

    name = "implanted"
    about = About(
        title="NIH with drawn findings",
        size="NIH's images without a finding, of patients without a boxed image",
        access="NIH's files",
        licence="as NIH ChestX-ray14",
        citation="Wang et al., ChestX-ray8, CVPR 2017, 3462-3471",
        boxes="the exact extent of a drawn finding",
    )
    origin = layout = nih_tables.LAYOUT

    def __init__(
        self,
        request: Request,
        train: draw.Count = 12000,
        val: draw.Count = 400,
        test: draw.Count = 400,
        prevalence: draw.Prevalence = 0.18,
        conspicuity: draw.Conspicuity = 1.2,
        places: Annotated[int, Field(ge=1, le=64)] = 6,
        marker: draw.Finding | None = None,
        placement: Placement = "nih",
    ) -> None:
        self.set_request(request, self.name)
        counts = {"train": train, "val": val, "test": test}
        self.options = draw.PhantomOptions(
            draw.per_finding(prevalence, 0.18), draw.per_finding(conspicuity, 1)
        )
        self.places = places
        self.marker = marker
        self.placement = placement
        root = request.folder(self.layout)
        self._files = find(root, *IMAGE_FOLDERS)
        self._backgrounds = backgrounds(root, self._files, request)
        self.indices = FIRST_INDEX[self.split] + np.arange(
            counts[self.split] if len(self._backgrounds) else 0
        )
        hashes = {
            path.name: file_hash(path) for path in sorted(root.glob("*.csv")) if path.is_file()
        }
        hashes |= nih_tables.from_package(root, (nih_tables.ENTRIES, (nih_tables.BOX_FILE,)))
        about = {
            "source": "drawn into radiographs",
            "drawing": DRAWING,
            "seed": self.seed,
            "img_size": self.size,
        }
        about |= {
            "counts": counts,
            "partition": request.partition,
            "backgrounds": len(self._backgrounds),
        }
        drawn = {
            "places": places,
            "prevalence": self.options.prevalence,
            "conspicuity": self.options.conspicuity,
        }
        self.describe = {**about, "tables": hashes, **drawn}
        if marker is not None:
            self.describe[MARKER] = marker
        if placement != "nih":
            self.describe["placement"] = placement
        files = [self._files[image] for image in self._backgrounds.index]
        self.drawn_from = json_hash(
            [self.describe, [[Path(path).name, *content_stamp(path)] for path in files]]
        )

    @functools.cached_property
    def patients(self) -> list[str]:
        """Patient of each background."""
        return [str(self._backgrounds[self._chosen(number)[1]]) for number in self.indices.tolist()]

    def sample(self, index: int) -> Sample:
        """Return the sample at ``index`` of this split, which can be drawn without a finding."""
        return replace(
            super().sample(index),
            read_without=functools.partial(self.render, int(self.indices[index])),
        )

    def drawn(self, number: int) -> tuple[draw.Patient, str, dict[str, Any]]:
        """Return patient, name and attributes as the phantom does; decodes a small copy of the background."""
        patient, background, _ = self._plan(number)
        about: dict[str, Any] = {"nih": background, "conspicuity": patient.conspicuity}
        box = self._marker_box(number, patient)
        if box is not None:
            about[MARKER] = [edge * self.size for edge in box]
        return patient, str(self._backgrounds[background]), about

    def render(self, number: int, without: str = "") -> NDArray[np.uint8]:
        """Return the (size, size) image ``number``, or the same image ``without`` a finding or the marker.

        Raises ``DataError`` if its background cannot be decoded, ``UnknownNameError`` for another name.
        """
        if without not in ("", MARKER) and find_finding(without, self.findings) is None:
            raise UnknownNameError("finding", without, (*self.findings, MARKER))
        patient, background, exposure = self._plan(number)
        image = resize_image(decode(self._files[background]), (self.size, self.size))
        whole = exposed(image, patient.heart, exposure)
        white = whitest(whole)
        removed = find_finding(without, self.findings)
        if removed == "Cardiomegaly":
            whole = exposed(image, self._normal_heart(number), exposure)
        without_finding = replace(
            patient,
            lesions=tuple(lesion for lesion in patient.lesions if lesion.finding != removed),
        )
        drawn = implant(whole, without_finding, self.options.conspicuity, white)
        box = None if without == MARKER else self._marker_box(number, patient)
        if box is not None:
            draw_side_marker(drawn, draw.window(self.size, box))
        return np.clip(drawn * 255 + 0.5, 0, 255).astype(np.uint8)

    def _marker_box(self, number: int, patient: draw.Patient) -> draw.UnitBox | None:
        """Return the box of the marker on image ``number``; None without one."""
        if self.marker is None:
            return None
        has_finding = any(lesion.finding == self.marker for lesion in patient.lesions)
        chance = WITH_FINDING if has_finding else OTHERWISE
        if self.split == "test":
            chance = IN_TEST
        return marker_box(self.seed, number, chance)

    def _normal_heart(self, number: int) -> draw.Lesion:
        """Return the heart that the patient has without Cardiomegaly."""
        prevalence = {
            finding: share
            for finding, share in self.options.prevalence.items()
            if finding != "Cardiomegaly"
        }
        options = replace(self.options, prevalence={**prevalence, "Cardiomegaly": 0.0})
        return draw.draw_patient(generator(self.seed, "implanted", number), options).heart

    def _plan(self, number: int) -> tuple[draw.Patient, str, float]:
        """Return the phantom patient with its findings positioned, the name of the background, and the exposure."""
        patient, background, exposure, rng = self._chosen(number)
        try:
            small = _small(self._files[background])
        except DataError:  # reading the image reports the error
            return patient, background, exposure
        image = exposed(small, patient.heart, exposure)
        return arranged(patient, image, self.places, rng, self.placement), background, exposure

    def _chosen(self, number: int) -> tuple[draw.Patient, str, float, np.random.Generator]:
        """Return patient, background and exposure of image ``number``, and the generator for the positions."""
        rng = generator(self.seed, "implanted", number)
        patient = draw.draw_patient(rng, self.options)
        background = str(self._backgrounds.index[int(rng.integers(len(self._backgrounds)))])
        return patient, background, float(rng.random()), rng


@functools.lru_cache(maxsize=4096)
def _small(path: str) -> NDArray[np.uint8]:
    return resize_image(decode(path), (ARRANGED_AT, ARRANGED_AT))


def backgrounds(root: Path, files: Collection[str], request: Request) -> pd.Series[str]:
    """Return image -> patient for the backgrounds of a split: normal ``files`` of patients without a truth box.

    Raises ``DataError`` if there are too few.
    """
    table = entries(root, nih_tables.FINDINGS)
    boxed = nih_tables.read_boxes(root)[0]
    is_clear = table[list(nih_tables.FINDINGS)].max(axis=1) == 0
    is_boxed_patient = table["patient"].isin(table["patient"][table.index.isin(list(boxed))])
    patients = table["patient"][table.index.isin(list(files)) & ~is_boxed_patient & is_clear]
    if patients.nunique() < MIN_PATIENTS:
        count = f"{patients.nunique()} patients with a normal image and without a truth box"
        raise DataError(f"{root} has {count}, but {MIN_PATIENTS} are required: {nih_tables.LAYOUT}")
    chosen: pd.Series[str] = patients[_names(patients.tolist(), request) == request.split]
    return chosen


def _names(patients: list[str], request: Request) -> splits.SplitNames:
    """Return (N,) split names. The official partition is a small random holdout."""
    if request.partition == "official":
        return splits.hold_out_val(
            patients, ~splits.cut(patients, HELD_OUT, request.seed), request.seed, HELD_OUT
        )
    return splits.assign(patients, request)
