"""ChestX-Det10 with its official split, on which zero-shot grounding is compared."""

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from locus.datasets import splits
from locus.datasets._files import (
    FileDataset,
    described,
    in_split,
    training_rows,
    with_file,
    without_pixels,
)
from locus.datasets.base import About, Request
from locus.datasets.chestx_det import TEN, marked_samples, read_marks
from locus.datasets.io.images import find
from locus.datasets.io.tables import read_pairs
from locus.datasets.nih import JOINED, patient_of

TABLES = ("train.json", "test.json")
LAYOUT = (
    "expected train.json and test.json from https://github.com/Deepwise-AILab/ChestX-Det10-Dataset, images in "
    "train_data/*.png and test_data/*.png (not needed with images=False), and optionally annotations.json with NIH's "
    "names of the images"
)


class ChestXDet10(FileDataset):
    """ChestX-Det10: 3,543 of NIH's radiographs under new numbers, with boxes of 10 findings.

    ::

        root/  train.json (3,001)   test.json (542)   train_data/*.png   test_data/*.png   annotations.json (optional)

    Labels: 10 findings. Boxes: left, top, right, bottom, in the frame of NIH's images, **1024x1024**.

    Official split: the two files; validation is cut from train. **It shares patients**: 271 of the 429 patients of the
    test images have training images. ``annotations.json`` (fields ``file_name`` and ``image``, NIH's name) says which;
    these training images are then left out, and intervals are by patient. Without the file, or with
    ``by_patient=False``, each image counts as a patient. Option ``images=False``: the truth alone.

    The authors state no licence of the annotations and ask for a citation: Liu et al., ChestX-Det10, arXiv:2006.10550.
    """

    name = "chestx_det10"
    about = About(
        title="ChestX-Det10",
        size="3,543 of NIH's images under new numbers, 1024x1024 pixels, PNG",
        access="free download",
        licence="not stated by the authors, who ask for a citation; NIH's terms for the images",
        citation="Liu et al., ChestX-Det10, arXiv:2006.10550",
        boxes="one of 10 findings, drawn by three radiologists",
    )
    origin = layout = LAYOUT

    def __init__(self, request: Request, images: bool = True, by_patient: bool = True) -> None:
        root = request.folder(LAYOUT)
        self.split = request.split
        self.findings = request.task({10: TEN}, self.name, 10)
        paths = [root / name for name in TABLES]
        train = read_marks(paths[0])
        entries = train | read_marks(paths[1], train)
        files: Mapping[str, str] = find(root, "train_data", "test_data", "images") if images else {}
        names = with_file(root, entries, files, LAYOUT) if images else [*entries]
        nih = read_pairs(root / JOINED, "file_name", "image") if by_patient else {}
        patients = {image: patient_of(nih.get(image, image)) for image in names}
        training = np.array([image in train for image in names])
        people = [*patients.values()]
        official = partial(_official, people, training, request.seed)
        # images that are left out have patients of the test images, which ``in_split`` would refuse
        units = names if request.partition == "official" else people
        chosen = {
            image: entries[image] for image in compress(names, in_split(units, request, official))
        }
        read_from = files or dict.fromkeys(chosen, "")
        rows, clipped = marked_samples(root, chosen, read_from, self.findings, patients.__getitem__)
        self.rows = rows if images else without_pixels(rows)
        options = {"images": images, "by_patient": by_patient}
        self.training_part = partial(
            training_rows, type(self), request, ("train", "val"), **options
        )
        patient_source = "NIH's" if nih else "unknown: each image counts as one"
        without_file = len(entries) - len(names)
        self.describe = described(
            request.partition, self.rows, without_file, clipped, paths, patients=patient_source
        )


def _official(patients: Sequence[str], training: NDArray[np.bool_], seed: int) -> splits.SplitNames:
    """Return (N,) split names by the two files, without the training images of patients of the test images."""
    names = splits.hold_out_val(patients, training, seed)
    names[training & np.isin(patients, np.unique(np.asarray(patients)[~training]))] = (
        splits.LEFT_OUT
    )
    return names
