"""SIIM-ACR Pneumothorax Segmentation 2019."""

from collections.abc import Mapping
from functools import partial
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from locus.core.types import Sample
from locus.datasets import _files
from locus.datasets._files import (
    described,
    file_sample,
    in_split,
    training_rows,
    with_file,
    without_pixels,
)
from locus.datasets.base import About, Request
from locus.datasets.io import rle
from locus.datasets.io.tables import raise_if_any, read_csv, xrv_table
from locus.datasets.splits import of_lovt

FRAME = (1024, 1024)
"""(H, W) of every image."""
FINDING, TABLE = "Pneumothorax", "train-rle.csv"
LAYOUT = (
    f"expected {TABLE} (ImageId, EncodedPixels) and dicom-images-train/<study>/<series>/<ImageId>.dcm, from "
    "https://www.kaggle.com/c/siim-acr-pneumothorax-segmentation"
)


class SiimPneumothorax(_files.FileDataset):
    """SIIM-ACR Pneumothorax Segmentation: 12,047 of NIH's radiographs, with masks of pneumothoraces on 2,669.

    ::

        root/  dicom-images-train/<study>/<series>/<ImageId>.dcm   train-rle.csv

    Labels: 1 finding, Pneumothorax. Masks: run lengths along columns, each start relative to the end of the last run,
    in the frame of the DICOM files, **1024x1024**; several masks of an image are joined. Boxes: one around each
    connected part. Patients are not published: each image counts as one.

    The official partition is random. Option ``images=False``: the truth alone, from the table in the package
    torchxrayvision; the official partition is then that of LoVT (7,229, 2,409 and 2,409 images).

    Licence: the rules of the challenge, and NIH's terms for the images. Cite: Society for Imaging Informatics in
    Medicine, SIIM-ACR Pneumothorax Segmentation (2019).
    """

    name = "siim_pneumothorax"
    about = About(
        title="SIIM-ACR Pneumothorax Segmentation",
        size="12,047 of NIH's images, 1024x1024 pixels, DICOM; masks on 2,669",
        access="Kaggle, after accepting the challenge's rules",
        licence="the challenge's rules, and NIH's terms for the images",
        citation="Society for Imaging Informatics in Medicine, SIIM-ACR Pneumothorax Segmentation (2019)",
        boxes="each connected part of a mask, drawn by radiologists",
    )
    origin = layout = LAYOUT

    def __init__(self, request: Request, images: bool = True) -> None:
        self.findings = request.task({1: (FINDING,)}, self.name, 1)
        self.split = request.split
        path = (
            request.folder(LAYOUT) / TABLE
            if images
            else xrv_table("siim-pneumothorax-train-rle.csv.gz")
        )
        masks = _masks(path)
        files: Mapping[str, Path | str] = (
            _files.by_stem(path.parent, "dicom-images-train/*/*") if images else {}
        )
        names = with_file(path.parent, masks, files, LAYOUT) if images else [*masks]
        official = None if images else partial(of_lovt, self.name, names, path)
        chosen = compress(names, in_split(names, request, official))
        rows = [_sample(image, files.get(image, ""), masks[image]) for image in chosen]
        self.rows = rows
        if not images:
            self.rows = without_pixels(rows)
            self.training_part = partial(training_rows, type(self), request, images=False)
        lists = "none published: drawn by image" if images else "LoVT's"
        about = {"lists": lists, "patients": "unknown: each image counts as one"}
        self.describe = described(
            request.partition, self.rows, len(masks) - len(names), 0, [path], **about
        )


def _masks(path: Path) -> dict[str, list[rle.RunLengthMask]]:
    """Return image -> its masks, none for an image without a pneumothorax."""
    table = read_csv(path, ("ImageId", "EncodedPixels"))
    masks = dict[str, list[rle.RunLengthMask]]()
    for image, text in zip(table["ImageId"], table["EncodedPixels"].str.strip(), strict=True):
        masks.setdefault(image, []).extend(
            [] if text == "-1" else [rle.relative(text, FRAME, f"{path}: {image}")]
        )
    empty = table["ImageId"][table["EncodedPixels"].str.strip() == "-1"].unique()
    both = [image for image in empty if masks[image]]
    raise_if_any(
        path, both, "images with -1 (no pneumothorax) beside a mask", "; remove one of them"
    )
    return masks


def _sample(image: str, file: Path | str, masks: list[rle.RunLengthMask]) -> Sample:
    if not masks:
        return file_sample(image, image, file, FRAME, np.zeros(1, np.float32), {}, read_masks=dict)
    whole = masks[0] if len(masks) == 1 else rle.union(masks)
    labels = np.ones(1, np.float32)
    truth = {FINDING: whole.boxes()}
    return file_sample(image, image, file, FRAME, labels, truth, read_masks=partial(_mask, whole))


def _mask(whole: rle.RunLengthMask) -> dict[str, NDArray[np.bool_]]:
    return {FINDING: whole.mask()}
