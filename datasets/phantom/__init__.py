"""Phantom data set: chest-like images with known truth."""

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.files import key
from core.seeds import generator
from core.types import Sample
from datasets import splits
from datasets.base import Dataset, Request
from datasets.phantom.patient import TOKEN, Patient, draw_patient
from datasets.phantom.picture import render
from datasets.phantom.recipe import DRAWING, FINDINGS, Amount, check_count, check_size, recipe

FIRST = {"train": 0, "val": 1_000_000, "test": 2_000_000}


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
    finding; ``grain``, standard deviation of the pixel noise as a share of white; ``clutter``, frequency of tubes and
    electrodes (0 none, 1 usual); ``shortcut``, a finding correlated with a token in the corner, which is drawn with
    probability ``shortcut_present`` if the finding is present, else ``shortcut_absent``. The box of the token is in
    ``Sample.meta["token"]``. ``softness`` blurs the edges of findings by a Gaussian with this standard deviation, as a
    share of the image side; masks, boxes and the heart are unchanged.
    """

    name = "phantom"
    synthetic = True

    def __init__(
        self,
        request: Request,
        train: int = 3000,
        val: int = 400,
        test: int = 800,
        prevalence: Amount = 0.18,
        conspicuity: Amount = 1.0,
        grain: float = 0.03,
        clutter: float = 1.0,
        shortcut: str | None = None,
        shortcut_present: float = 0.9,
        shortcut_absent: float = 0.03,
        softness: float = 0,
    ) -> None:
        counts = self.check(request, "the phantom", {"train": train, "val": val, "test": test})
        shares = {"shortcut_present": shortcut_present, "shortcut_absent": shortcut_absent, "softness": softness}
        self.recipe = recipe(prevalence, conspicuity, shortcut, grain=grain, clutter=clutter, **shares)
        self.indices = _indices(counts, request)
        about = {"source": "drawn by code", "drawing": DRAWING, "seed": self.seed, "img_size": self.size}
        self.describe = {**about, "counts": counts, **self.recipe.described}
        self.drawn_from = key(self.describe)

    def check(self, request: Request, title: str, counts: Mapping[str, int]) -> dict[str, int]:
        """Set the drawing options of a ``request`` and return the ``counts``. Raises ``BadValueError``."""
        self.findings = request.task({len(FINDINGS): FINDINGS}, title, len(FINDINGS))
        self.split, self.seed, self.size = request.split, request.seed, check_size(request.img_size)
        return {name: check_count(count, name) for name, count in counts.items()}

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
        return Sample(
            image_id=f"{self.name}-{self.seed}-{number:07d}",
            patient_id=name,
            frame=(self.size, self.size),
            labels=np.array([f in boxes for f in FINDINGS], np.float32),
            boxes=boxes,
            read=functools.partial(self.render, number),
            source=f"{self.name}:{self.drawn_from}:{number}",
            meta=meta,
            read_masks=functools.partial(self.masks, number),
        )

    def drawn(self, number: int) -> tuple[Patient, str, dict[str, Any]]:
        """Return the phantom patient of image ``number``, the patient's name, and the sample's other attributes."""
        patient, _ = self._patient(number)
        token = [edge * self.size for edge in TOKEN] if patient.token else None
        return patient, f"{number:07d}", {"conspicuity": patient.conspicuity, "token": token}

    def render(self, number: int) -> NDArray[np.uint8]:
        """Draw the (size, size) image ``number``."""
        patient, rng = self._patient(number)
        return render(patient, self.recipe, self.size, rng)

    def masks(self, number: int) -> dict[str, NDArray[np.bool_]]:
        """Return finding -> (size, size) truth mask of image ``number``, without findings smaller than a pixel."""
        return self.drawn(number)[0].masks(self.size)

    def _patient(self, number: int) -> tuple[Patient, np.random.Generator]:
        rng = generator(self.seed, number)
        return draw_patient(rng, self.recipe), rng


def _indices(counts: dict[str, int], request: Request) -> NDArray[np.int64]:
    ranges = {name: FIRST[name] + np.arange(count) for name, count in counts.items()}
    if request.partition == "official":
        return ranges[request.split]
    union = np.concatenate(list(ranges.values()))
    return union[splits.assign([f"{i:07d}" for i in union], request) == request.split]
