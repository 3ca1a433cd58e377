"""Implanted data set: real radiographs without findings, with the phantom's findings drawn on them."""

from __future__ import annotations

import functools
from collections.abc import Collection
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from core.errors import DataError
from core.files import file_hash, json_hash
from core.frames import resize_image
from core.lazy import pd
from core.seeds import generator
from datasets import splits
from datasets.base import Request
from datasets.implanted.picture import DRAWING, arranged, exposed, implant
from datasets.io.content import content_stamp
from datasets.io.images import decode, find
from datasets.nih import tables as nih_tables
from datasets.nih.lists import entries
from datasets.nih.tables import IMAGE_FOLDERS
from datasets.phantom import FIRST, Phantom
from datasets.phantom.options import Conspicuity, Count, PhantomOptions, Prevalence, per_finding
from datasets.phantom.patient import Patient, draw_patient

ARRANGED_AT = 64
"""Side in pixels of the small copy that is used to choose positions, so that they do not depend on the image size."""
HELD_OUT = 0.03
"""Share of the patients in the test split, and of the others in validation; small because backgrounds are few."""
FEWEST = 3
"""Minimum number of patients for three splits."""


class Implanted(Phantom):
    """Real NIH radiographs labelled "No Finding", with synthetic findings whose truth is known.

    The root has NIH's layout, see :class:`datasets.nih.NIH`. Backgrounds are images without any of the 14 findings, of
    patients **without any truth box**. A network trained here has not seen any patient of the boxed images, so one
    training run can be tested on all folds of NIH's boxed images (but not on images without a box). The number of an
    image selects, by ``PCG64([seed, "implanted", number])``, a phantom patient (see :class:`datasets.phantom.Phantom`),
    a background and an exposure. The heart of the background is stretched to the size of the patient's. Each finding is
    drawn at the position with the most air among ``places`` candidates.

    Labels are those of the synthetic findings. A box is the tight box of a mask, in the frame (img_size, img_size).
    The box of Cardiomegaly is the target box of the stretched heart, which is accurate if the heart of the background
    was in the usual position. Positions and sizes are drawn from the statistics of NIH's published boxes, as in the
    phantom.

    Split by the patients of the backgrounds: 3% test, 3% of the others validation; ``patient`` and ``kfold`` work as
    in other data sets. No restriction on use, as for NIH ChestX-ray14; acknowledge the NIH Clinical Center. Cite: Wang
    et al., ChestX-ray8, CVPR 2017, 3462-3471.

    Options: ``train``, ``val``, ``test``, numbers of images; ``prevalence`` and ``conspicuity``, one number or one per
    finding; ``places``, 1 to 64.
    """

    name = "implanted"
    origin = layout = nih_tables.LAYOUT

    def __init__(
        self,
        request: Request,
        train: Count = 12000,
        val: Count = 400,
        test: Count = 400,
        prevalence: Prevalence = 0.18,
        conspicuity: Conspicuity = 1.2,
        places: Annotated[int, Field(ge=1, le=64)] = 6,
    ) -> None:
        self.apply(request, self.name)
        counts = {"train": train, "val": val, "test": test}
        self.options = PhantomOptions(per_finding(prevalence, 0.18), per_finding(conspicuity, 1))
        self.places, root = places, request.folder(self.layout)
        self._files = find(root, *IMAGE_FOLDERS)
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
            "prevalence": self.options.prevalence,
            "conspicuity": self.options.conspicuity,
        }
        files = [self._files[image] for image in self._backgrounds.index]
        self.drawn_from = json_hash([self.describe, [[Path(path).name, *content_stamp(path)] for path in files]])

    @functools.cached_property
    def patients(self) -> list[str]:
        """Patient of each background."""
        return [str(self._backgrounds[self._chosen(number)[1]]) for number in self.indices.tolist()]

    def drawn(self, number: int) -> tuple[Patient, str, dict[str, Any]]:
        """Return patient, name and attributes as the phantom does; decodes a small copy of the background."""
        patient, background, _ = self._plan(number)
        about = {"background": background, "conspicuity": patient.conspicuity}
        return patient, str(self._backgrounds[background]), about

    def render(self, number: int) -> NDArray[np.uint8]:
        """Return the (size, size) image ``number``. Raises ``DataError`` if its background cannot be decoded."""
        patient, background, exposure = self._plan(number)
        image = resize_image(decode(self._files[background]), (self.size, self.size))
        return implant(exposed(image, patient.heart, exposure), patient, self.options.conspicuity)

    def _plan(self, number: int) -> tuple[Patient, str, float]:
        """Return the phantom patient with its findings positioned, the name of the background, and the exposure."""
        patient, background, exposure, rng = self._chosen(number)
        try:
            small = _small(self._files[background])
        except DataError:  # reading the image reports the error
            return patient, background, exposure
        return arranged(patient, exposed(small, patient.heart, exposure), self.places, rng), background, exposure

    def _chosen(self, number: int) -> tuple[Patient, str, float, np.random.Generator]:
        """Return patient, background and exposure of image ``number``, and the generator for the positions."""
        rng = generator(self.seed, "implanted", number)
        patient = draw_patient(rng, self.options)
        background = str(self._backgrounds.index[int(rng.integers(len(self._backgrounds)))])
        return patient, background, float(rng.random()), rng


@functools.lru_cache(maxsize=4096)
def _small(path: str) -> NDArray[np.uint8]:
    return resize_image(decode(path), (ARRANGED_AT, ARRANGED_AT))


def backgrounds(root: Path, files: Collection[str], request: Request) -> pd.Series[str]:
    """Return image -> patient for the backgrounds of a split: normal ``files`` of patients without a truth box.

    Raises ``DataError`` if there are too few.
    """
    table, boxed = entries(root, nih_tables.FINDINGS), nih_tables.read_boxes(root)[0]
    is_clear = table[list(nih_tables.FINDINGS)].max(axis=1) == 0
    is_boxed_patient = table["patient"].isin(table["patient"][table.index.isin(list(boxed))])
    patients = table["patient"][table.index.isin(list(files)) & ~is_boxed_patient & is_clear]
    if patients.nunique() < FEWEST:
        count = f"{patients.nunique()} patients with a normal image and without a truth box"
        raise DataError(f"{root} has {count}, but {FEWEST} are required: {nih_tables.LAYOUT}")
    chosen: pd.Series[str] = patients[_names(patients.tolist(), request) == request.split]
    return chosen


def _names(patients: list[str], request: Request) -> splits.SplitNames:
    """Return (N,) split names. The official partition is a small random holdout."""
    if request.partition == "official":
        return splits.hold_out_val(patients, ~splits.cut(patients, HELD_OUT, request.seed), request.seed, HELD_OUT)
    return splits.assign(patients, request)
