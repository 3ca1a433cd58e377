"""The implanted data set: real radiographs without findings, into which the phantom's findings are drawn."""

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import BadValueError, DataError
from core.files import file_hash, key
from core.frames import resize_image
from core.seeds import generator
from core.types import Sample
from datasets.base import Dataset, Request
from datasets.implanted.backgrounds import backgrounds
from datasets.implanted.picture import DRAWING, exposed, implant
from datasets.implanted.places import arranged
from datasets.io.cache import content_stamp
from datasets.io.images import decode, find
from datasets.nih.tables import LAYOUT
from datasets.phantom import FIRST
from datasets.phantom import truth as phantom_truth
from datasets.phantom.patient import Patient, draw_patient
from datasets.phantom.recipe import FINDINGS, Amount, check_count, check_size, recipe

ARRANGED_AT = 64
"""Pixels a side of the small copy on which places are chosen, so that a number has the same places at every size."""


class Implanted(Dataset):
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
    origin = layout = LAYOUT

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
        if request.findings not in (None, len(FINDINGS)):
            raise BadValueError(f"implanted has no task with {request.findings} findings; it has: {len(FINDINGS)}")
        if isinstance(places, bool) or not isinstance(places, int) or not 1 <= places <= 64:
            raise BadValueError(f"places is {places!r}: give a whole number from 1 to 64")
        self.findings, self.split, self.seed = FINDINGS, request.split, request.seed
        self.size = check_size(request.img_size)
        self.recipe = recipe(prevalence, conspicuity, 0, 0, shortcut=None, shortcut_present=0, shortcut_absent=0)
        self.places, root = places, request.folder(LAYOUT)
        counts = {name: check_count(value, name) for name, value in (("train", train), ("val", val), ("test", test))}
        self._files = find(root, "images", "images_*", "images_*/images")
        self._backgrounds = backgrounds(root, self._files, request)
        self.numbers = FIRST[self.split] + np.arange(counts[self.split] if len(self._backgrounds) else 0)
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
        self._drawn_from = key([self.describe, [[path.name, *content_stamp(path)] for path in files]])

    def __len__(self) -> int:
        return len(self.numbers)

    @functools.cached_property
    def patients(self) -> list[str]:
        """The background's patient of each image."""
        return [str(self._backgrounds[self._drawn(number)[1]]) for number in self.numbers.tolist()]

    def sample(self, index: int) -> Sample:
        """The sample at ``index``: a small copy of its background is decoded here, its picture when asked for."""
        number = int(self.numbers[index])
        patient, background, _ = self._plan(number)
        boxes = phantom_truth.boxes(patient, self.size)
        return Sample(
            image_id=f"implanted-{self.seed}-{number:07d}",
            patient_id=str(self._backgrounds[background]),
            frame=(self.size, self.size),
            labels=np.array([f in boxes for f in FINDINGS], np.float32),
            boxes=boxes,
            read=functools.partial(self.render, number),
            source=f"implanted:{self._drawn_from}:{number}",
            meta={"background": background, "conspicuity": patient.conspicuity},
            read_masks=functools.partial(self.masks, number),
        )

    def render(self, number: int) -> NDArray[np.uint8]:
        """(size, size) picture of the image ``number``. Raises ``DataError`` when its background cannot be decoded."""
        patient, background, exposure = self._plan(number)
        image = resize_image(decode(self._files[background]), (self.size, self.size))
        return implant(exposed(image, patient.heart, exposure), patient, self.recipe.conspicuity)

    def masks(self, number: int) -> dict[str, NDArray[np.bool_]]:
        """finding -> (size, size) truth mask of the image ``number``; findings that show no pixel are left out."""
        return phantom_truth.masks(self._plan(number)[0], self.size)

    def _plan(self, number: int) -> tuple[Patient, str, float]:
        """The phantom patient, each finding at its place in the background; the background's name; the exposure."""
        patient, background, exposure, rng = self._drawn(number)
        try:
            small = _small(self._files[background])
        except DataError:  # nothing to look at: whoever reads the image hears why
            return patient, background, exposure
        return arranged(patient, exposed(small, patient.heart, exposure), self.places, rng), background, exposure

    def _drawn(self, number: int) -> tuple[Patient, str, float, np.random.Generator]:
        """Patient, background and exposure of the image ``number``, and the generator that draws its places next."""
        rng = generator(self.seed, "implanted", number)
        patient = draw_patient(rng, self.recipe)
        background = str(self._backgrounds.index[int(rng.integers(len(self._backgrounds)))])
        return patient, background, float(rng.random()), rng


@functools.lru_cache(maxsize=4096)
def _small(path: Path) -> NDArray[np.uint8]:
    return resize_image(decode(path), (ARRANGED_AT, ARRANGED_AT))
