"""Phantom data set: chest-like images with known truth."""

import functools
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from locus.core.files import json_hash
from locus.core.types import Sample, generator
from locus.datasets import splits
from locus.datasets.base import Dataset, Request
from locus.datasets.phantom import patient
from locus.datasets.phantom.patient import DRAWING, FINDINGS, Patient, PhantomOptions, draw_patient, per_finding
from locus.datasets.phantom.picture import render

FIRST = {"train": 0, "val": 1_000_000, "test": 2_000_000}


class Phantom(Dataset):
    """Images generated from ``PCG64([seed, index])``: nothing to download, and the same on every machine.

    Eight independent findings with NIH's names, with sizes and positions from the statistics of NIH's published boxes.
    Every finding is drawn with a mask, and its edge has a random width; the mask ends where the finding has half its
    full opacity. Each connected piece of a mask (such as a second nodule) has a tight box. A
    finding that is too small to be visible at ``img_size`` counts as absent. The same index is the same patient at
    every size; the frame is (img_size, img_size).

    Training, validation and test are disjoint ranges of indices; the size of one does not affect the others. A phantom
    patient has one image, so the partitions ``patient`` and ``kfold`` split the union of the three. Made for Locus; no
    licence or citation is required.

    Options: ``train``, ``val``, ``test``, numbers of images; ``prevalence`` and ``conspicuity``, one number or one per
    finding; ``grain``, standard deviation of the pixel noise as a share of white; ``clutter``, frequency of tubes and
    electrodes (0 none, 1 usual).
    """

    name = "phantom"
    synthetic = True

    def __init__(
        self,
        request: Request,
        train: patient.Count = 3000,
        val: patient.Count = 400,
        test: patient.Count = 800,
        prevalence: patient.Prevalence = 0.18,
        conspicuity: patient.Conspicuity = 1.0,
        grain: patient.Share = 0.03,
        clutter: patient.Factor = 1.0,
    ) -> None:
        self.apply(request, "the phantom")
        counts = {"train": train, "val": val, "test": test}
        self.options = PhantomOptions(
            per_finding(prevalence, 0.18), per_finding(conspicuity, 1), grain, clutter, patient.EDGES
        )
        self.indices = _indices(counts, request)
        about = {"source": "drawn by code", "drawing": DRAWING, "seed": self.seed, "img_size": self.size}
        self.describe = {**about, "counts": counts, **asdict(self.options), "edges": [*patient.EDGES]}
        self.drawn_from = json_hash(self.describe)

    def apply(self, request: Request, title: str) -> None:
        """Set findings, split, seed and size of a ``request``. Raises ``BadValueError``."""
        self.findings = request.task({len(FINDINGS): FINDINGS}, title, len(FINDINGS))
        self.split, self.seed, self.size = request.split, request.seed, patient.check_size(request.img_size)

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
        return patient, f"{number:07d}", {"conspicuity": patient.conspicuity}

    def render(self, number: int) -> NDArray[np.uint8]:
        """Draw the (size, size) image ``number``."""
        patient, rng = self._patient(number)
        return render(patient, self.options, self.size, rng)

    def masks(self, number: int) -> dict[str, NDArray[np.bool_]]:
        """Return finding -> (size, size) truth mask of image ``number``, without findings smaller than a pixel."""
        return self.drawn(number)[0].masks(self.size)

    def _patient(self, number: int) -> tuple[Patient, np.random.Generator]:
        rng = generator(self.seed, number)
        return draw_patient(rng, self.options), rng


def _indices(counts: dict[str, int], request: Request) -> NDArray[np.int64]:
    ranges = {name: FIRST[name] + np.arange(count) for name, count in counts.items()}
    if request.partition == "official":
        return ranges[request.split]
    union = np.concatenate(list(ranges.values()))
    return union[splits.assign([f"{i:07d}" for i in union], request) == request.split]
