"""The COVID-19 Radiography Database."""

import functools
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import BadValueError
from core.files import key
from datasets.base import SPLITS, Dataset, Request
from datasets.covid_radiography import files as covid_files
from datasets.covid_radiography.files import CLASSES, FRAME, LAYOUT, ORIGIN
from datasets.file_dataset import task
from datasets.io.images import decode
from datasets.lungs import LungSample


class CovidRadiography(Dataset):
    """COVID-19 Radiography Database: 21,165 frontal radiographs of four classes, in later releases with lung masks.

    COVID-19 3,616, Lung Opacity 6,012, Normal 10,192 and Viral Pneumonia 1,345, gathered from several collections.

    ::

        root/  COVID/images/*.png  COVID/masks/*.png     (or COVID/*.png, as first released; or all of it inside
               Lung_Opacity/  Normal/  Viral Pneumonia/   the folder that the archive unpacks to)

    Labels: one class per image, 1 in its column and 0 in the others: train with ``--multi_label False``. No boxes. The
    lungs of a sample are in ``LungSample.lungs``, (H, W) in the frame of 299x299 of the published images; the files of
    the masks are smaller and are brought there by the nearest pixel.

    Official split (there is none; this is the one of earlier work): 60 images of each class for test and 60 for
    validation (options ``test``, ``val``), drawn by the seed for each class alone, the rest is training. Where the
    folders ``train``, ``val`` and ``test`` with these classes lie in the root, they are the split. **Patients are not
    known**: each image counts as its own, so that images of one patient may be on two sides, and classes come from
    different hospitals: scores are optimistic.

    ``--download True``, or https://www.kaggle.com/datasets/tawsifurrahman/covid19-radiography-database; its sources
    have terms of their own. Cite: Chowdhury et al., IEEE Access 8 (2020), 132665-132676; Rahman et al., Computers in
    Biology and Medicine 132 (2021), 104319.
    """

    name = "covid_radiography"
    origin, layout = ORIGIN, LAYOUT

    def __init__(self, request: Request, val: int = 60, test: int = 60) -> None:
        self.split = request.split
        self.findings = task(request, {len(CLASSES): tuple(CLASSES)}, self.name, len(CLASSES))
        for name, number in (("val", val), ("test", test)):
            if isinstance(number, bool) or not isinstance(number, int) or number < 1:
                raise BadValueError(f"{name} is {number!r}: give a number of images per class, 60 or another from 1")
        pictures, parted = covid_files.find_all(request.folder(LAYOUT))
        names = covid_files.splits_of(pictures, parted, request, val, test)
        self._pictures = [picture for picture, name in zip(pictures, names, strict=True) if name == self.split]
        counts = {name: int((names == name).sum()) for name in SPLITS}
        self.describe = {
            "partition": request.partition,
            "split_by": "folders" if parted else "seed",
            "val": val,
            "test": test,
            "images": len(self),
            "counts": counts,
            "classes": {finding: sum(p.finding == finding for p in self._pictures) for finding in CLASSES},
            "files": key([picture.name for picture in pictures]),
            "images_with_lungs": sum(picture.mask is not None for picture in self._pictures),
            "patients": "unknown",
        }

    def __len__(self) -> int:
        return len(self._pictures)

    @functools.cached_property
    def labels(self) -> NDArray[np.float32]:
        """(N, 4) labels, 1 in the column of the class."""
        labels = [[picture.finding == finding for finding in self.findings] for picture in self._pictures]
        return np.array(labels, np.float32).reshape(-1, 4)

    def sample(self, index: int) -> LungSample:
        """The picture at ``index``; neither it nor its mask is decoded before it is asked for."""
        picture = self._pictures[index]
        return LungSample(
            image_id=picture.name,
            patient_id=picture.name,
            frame=FRAME,
            labels=self.labels[index],
            boxes={},
            read=functools.partial(decode, picture.path),
            source=str(picture.path),
            read_lungs=None if picture.mask is None else functools.partial(_lungs, picture.mask),
        )


def _lungs(path: Path) -> NDArray[np.bool_]:
    """(299, 299) the white of a mask's file, by the nearest pixel."""
    white = decode(path) > 127
    sides = zip(FRAME, white.shape, strict=True)
    rows, columns = (((np.arange(new) + 0.5) * old / new).astype(int) for new, old in sides)
    return np.asarray(white[np.ix_(rows, columns)])
