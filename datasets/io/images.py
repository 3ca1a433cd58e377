"""From a PNG or JPEG file of 8 or 16 bit to gray uint8 pixels; DICOM files go to ``datasets.io.dicom``."""

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from core.errors import DataError
from datasets.io import limits
from datasets.io.paths import refuse_links

DICOM = (".dcm", ".dicom")
SUFFIXES = (".png", ".jpg", ".jpeg", *DICOM)
KINDS: tuple[Literal["PNG", "JPEG"], ...] = ("PNG", "JPEG")
"""What a file may be, by its content."""
BROKEN = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What reading a broken file ends in."""
ROWS = 256
"""Rows of 16 bit that are brought to 8 bit at a time."""


def decode(path: Path | str, content: bytes | None = None) -> NDArray[np.uint8]:
    """(H, W) uint8 gray pixels of the whole file. Alpha is dropped, colour becomes luma, 16 bit is divided by 257.

    ``content``: the bytes of the image where it is not on disk; ``path`` is then its name alone. Raises ``DataError``
    with the path and the reason when the file is absent, truncated, broken or no image.
    """
    if is_dicom(path):
        from datasets.io import dicom

        return dicom.decode(Path(path), content)
    with _opened(path, content) as image:
        return _gray(image)


def frame(path: Path | str) -> tuple[int, int]:
    """(H, W) of a file by its header alone. Raises ``DataError`` as ``decode`` does.

    PNG, JPEG and DICOM by the end of the name.
    """
    if is_dicom(path):
        from datasets.io import dicom

        return dicom.header(Path(path)).frame
    with _opened(path) as image:
        return image.height, image.width


def frame_or_dot(path: Path | str) -> tuple[int, int]:
    """``frame``; (1, 1) stands in for a broken file, of which whoever decodes it hears why."""
    try:
        return frame(path)
    except DataError:
        return 1, 1


def is_dicom(path: Path | str) -> bool:
    """Whether a file is one of DICOM by its name.

    >>> is_dicom("a.DCM"), is_dicom("a.png")
    (True, False)
    """
    return Path(path).suffix.lower() in DICOM


@contextlib.contextmanager
def _opened(path: Path | str, content: bytes | None = None) -> Iterator[Image.Image]:
    """The file, or its ``content``, as an image of a kind in ``KINDS``, whatever its name says."""
    try:
        with open_image(path if content is None else io.BytesIO(content), KINDS) as image:
            if image.width * image.height > limits.LARGEST:
                raise DataError(f"cannot decode {path}: its header says {image.height} rows and {image.width} columns")
            yield image
    except FileNotFoundError:
        raise DataError(f"no image file {path}") from None
    except UnidentifiedImageError:
        raise DataError(f"cannot decode {path}: it is no image of a known kind (PNG, JPEG)") from None
    except BROKEN as error:
        raise DataError(f"cannot decode {path}: {error}") from error


def open_image(source: Path | str | io.BytesIO, formats: tuple[Literal["PNG", "JPEG"], ...]) -> Image.Image:
    """Open an image of one of these ``formats`` by its content; the only place that opens images with Pillow.

    Pillow's readers of other formats may start programs (Ghostscript for EPS) or open further files, whatever the
    name of the file ends in. Raises ``UnidentifiedImageError`` for other formats, and Pillow's own errors.
    """
    return Image.open(source, formats=formats)


def find(folder: Path, *patterns: str) -> dict[str, Path]:
    """File name -> path of the images in those of ``folder``'s sub-folders that match a pattern; sorted by name.

    Raises ``DataError`` for a link that leads out of ``folder``.
    """
    subfolders = sorted({subfolder for pattern in patterns for subfolder in folder.glob(pattern) if subfolder.is_dir()})
    files, links = {}, []
    for subfolder in subfolders:
        with os.scandir(subfolder) as entries:  # which knows links without looking at each file
            for entry in entries:
                if entry.name.lower().endswith(SUFFIXES):
                    files[entry.name] = Path(entry.path)
                    links += [files[entry.name]] if entry.is_symlink() else []
    refuse_links([*subfolders, *links], folder)
    return dict(sorted(files.items()))


def _gray(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        return _eight_bit(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "P"):
        image = image.convert("RGBA" if image.mode in ("P", "PA") else image.mode)
        image = image.getchannel("L") if image.mode == "LA" else image.convert("RGB")
    return np.asarray(image.convert("L"), dtype=np.uint8)


def _eight_bit(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """16 bit to 8 bit: 0 stays 0 and 65535 becomes 255."""
    gray = np.empty(values.shape, np.uint8)
    for first in range(0, len(values), ROWS):
        part = slice(first, first + ROWS)
        gray[part] = np.clip(np.rint(values[part].astype(np.float64) / 257), 0, 255)
    return gray
