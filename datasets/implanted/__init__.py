"""The implanted data set: real radiographs without findings, into which the phantom's findings are drawn."""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from core.errors import BadValueError, DataError
from core.files import file_hash, key
from core.frames import resize_image
from core.lazy import Lazy
from core.seeds import generator
from datasets import splits
from datasets.base import Request
from datasets.implanted.picture import DRAWING, arranged, exposed, implant
from datasets.io.content import content_stamp
from datasets.io.images import decode, find
from datasets.nih import FOLDERS
from datasets.nih import tables as nih_tables
from datasets.nih.lists import entries
from datasets.phantom import FIRST, Phantom
from datasets.phantom.patient import Patient, draw_patient
from datasets.phantom.recipe import Amount, recipe

if TYPE_CHECKING:
    import pandas as pd
else:
    pd = Lazy("pandas")

ARRANGED_AT = 64
"""Pixels a side of the small copy on which places are chosen, so that a number has the same places at every size."""
HELD_OUT = 0.03
"""Share of the patients that the official test split keeps, and validation of the rest: backgrounds are few."""
FEWEST = 3
"""Patients that three splits need."""


class Implanted(Phantom):
    """Real NIH radiographs labelled "No Finding" with findings drawn into them: the truth is known, the rest is real.

    The root has NIH's own layout, see :class:`datasets.nih.NIH`. Backgrounds are the images at hand with none of the 14
    findings, of patients of whom **no image has a truth box**: what is learnt here meets no patient of the boxed
    images, whatever the folds of a later training, so one training serves all folds (for images without a box it is no
    held-out test). The number of an image gives, from ``PCG64([seed, "implanted", number])``, a phantom patient (see
    :class:`datasets.phantom.Phantom`), a background and an exposure. The background's heart is stretched to the
    patient's; of ``places`` places per finding the one with the most air is taken, and it is drawn there.

    Labels are those of the implanted findings. A box is the tight box of a drawn mask, in the frame (img_size,
    img_size); Cardiomegaly's is where the heart is put, right as far as the background's heart lay where hearts usually
    do. Places and sizes are drawn from the statistics of NIH's published boxes, as the phantom's are: no image's own
    box, but a prior.

    Split by the backgrounds' patients: 3 % test, 3 % of the rest validation; ``patient`` and ``kfold`` part them as
    everywhere. No restriction on use, as for NIH ChestX-ray14; acknowledge the NIH Clinical Center. Cite: Wang et al.,
    ChestX-ray8, CVPR 2017, 3462-3471.

    Options: ``train``, ``val``, ``test`` numbers of images; ``prevalence`` and ``conspicuity``, one number or one per
    finding; ``places``, 1 to 64.
    """

    name = "implanted"
    origin = layout = nih_tables.LAYOUT

    def __init__(
        self,
        request: Request,
        train: int = 12000,
        val: int = 400,
        test: int = 400,
        prevalence: Amount = 0.18,
        conspicuity: Amount = 1.2,
        places: int = 6,
    ) -> None:
        counts = self.check(request, self.name, {"train": train, "val": val, "test": test})
        if isinstance(places, bool) or not isinstance(places, int) or not 1 <= places <= 64:
            raise BadValueError(f"places is {places!r}: give a whole number from 1 to 64")
        self.recipe, self.places, root = recipe(prevalence, conspicuity), places, request.folder(self.layout)
        self._files = find(root, *FOLDERS)
        self._backgrounds = backgrounds(root, self._files, request)
        self.indices = FIRST[self.split] + np.arange(counts[self.split] if len(self._backgrounds) else 0)
        self.describe = {
            "source": "drawn into radiographs",
            "drawing": DRAWING,
            "seed": self.seed,
            "img_size": self.size,
            "counts": counts,
            "partition": request.partition,
            "backgrounds": len(self._backgrounds),
            "tables": {path.name: file_hash(path) for path in sorted(root.glob("*.csv")) if path.is_file()},
            "places": places,
            "prevalence": self.recipe.prevalence,
            "conspicuity": self.recipe.conspicuity,
        }
        files = [self._files[image] for image in self._backgrounds.index]
        self.drawn_from = key([self.describe, [[path.name, *content_stamp(path)] for path in files]])

    @functools.cached_property
    def patients(self) -> list[str]:
        """The background's patient of each image."""
        return [str(self._backgrounds[self._chosen(number)[1]]) for number in self.indices.tolist()]

    def drawn(self, number: int) -> tuple[Patient, str, dict[str, Any]]:
        """As the phantom's; a small copy of the background is decoded here."""
        patient, background, _ = self._plan(number)
        about = {"background": background, "conspicuity": patient.conspicuity}
        return patient, str(self._backgrounds[background]), about

    def render(self, number: int) -> NDArray[np.uint8]:
        """(size, size) picture of the image ``number``. Raises ``DataError`` when its background cannot be decoded."""
        patient, background, exposure = self._plan(number)
        image = resize_image(decode(self._files[background]), (self.size, self.size))
        return implant(exposed(image, patient.heart, exposure), patient, self.recipe.conspicuity)

    def _plan(self, number: int) -> tuple[Patient, str, float]:
        """The phantom patient, each finding at its place in the background; the background's name; the exposure."""
        patient, background, exposure, rng = self._chosen(number)
        try:
            small = _small(self._files[background])
        except DataError:  # nothing to look at: whoever reads the image hears why
            return patient, background, exposure
        return arranged(patient, exposed(small, patient.heart, exposure), self.places, rng), background, exposure

    def _chosen(self, number: int) -> tuple[Patient, str, float, np.random.Generator]:
        """Patient, background and exposure of the image ``number``, and the generator that draws its places next."""
        rng = generator(self.seed, "implanted", number)
        patient = draw_patient(rng, self.recipe)
        background = str(self._backgrounds.index[int(rng.integers(len(self._backgrounds)))])
        return patient, background, float(rng.random()), rng


@functools.lru_cache(maxsize=4096)
def _small(path: Path) -> NDArray[np.uint8]:
    return resize_image(decode(path), (ARRANGED_AT, ARRANGED_AT))


def backgrounds(root: Path, files: Collection[str], request: Request) -> pd.Series[str]:
    """Image -> patient of the split's backgrounds among ``files``. Raises ``DataError`` for too few, or no table.

    Radiographs without a finding, of patients without any truth box; every patient is on one side.
    """
    table, boxed = entries(root, nih_tables.FINDINGS), nih_tables.read_boxes(root)[0]
    free = table[list(nih_tables.FINDINGS)].max(axis=1) == 0
    known = table["patient"].isin(table["patient"][table.index.isin(list(boxed))])
    patients = table["patient"][table.index.isin(list(files)) & ~known & free]
    if patients.nunique() < FEWEST:
        what = "patients with an image without findings and none with a truth box"
        raise DataError(f"{root} has {patients.nunique()} {what}, {FEWEST} are needed: {nih_tables.LAYOUT}")
    chosen: pd.Series[str] = patients[_names(patients.tolist(), request) == request.split]
    return chosen


def _names(patients: list[str], request: Request) -> splits.Names:
    """(N,) split names; there are no official lists of backgrounds, that partition holds out few."""
    if request.partition == "official":
        return splits.hold_out_val(patients, ~splits.cut(patients, HELD_OUT, request.seed), request.seed, HELD_OUT)
    return splits.assign(patients, request)
