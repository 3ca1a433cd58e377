"""Decode DICOM files to grey uint8 pixels: modality, window, inverted grays and compressed files."""

import contextlib
import io
import logging
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray

from core.errors import DataError, NotAvailableError, one_line
from datasets.io import dicom_pixels, limits
from datasets.io.ages import years

DEFLATED = "1.2.840.10008.1.2.1.99"
"""Transfer syntax of files that are compressed as a whole."""
BROKEN = (*dicom_pixels.BROKEN, EOFError, struct.error, zlib.error)
"""Errors that a broken DICOM file may raise, in addition to those of pydicom."""
ABOUT = {"sex": "PatientSex", "view": "ViewPosition"}
HEADER = ("Rows", "Columns", "PatientID", "PatientAge", *ABOUT.values())


@dataclass(frozen=True)
class Header:
    """Header of an image, without its pixels."""

    frame: tuple[int, int]
    """(H, W) in pixels."""
    patient: str
    """Pseudonym of the patient; "" if missing."""
    meta: dict[str, Any]
    """sex, age (years) and view, if the file has them."""


def library() -> ModuleType:
    """Return the package pydicom. Raises ``NotAvailableError`` if it is not installed."""
    try:
        import pydicom
    except ImportError:
        raise NotAvailableError("reading DICOM files requires pydicom: pip install pydicom") from None
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)  # its tracebacks are replaced by one error here
    return pydicom


def header(path: Path) -> Header:
    """Read the header of a file without its pixels.

    Raises ``DataError`` with the path and the reason if it is broken.
    """
    with _opened(path, stop_before_pixels=True, specific_tags=list(HEADER)) as file:
        meta: dict[str, Any] = {word: str(file[tag].value) for word, tag in ABOUT.items() if file.get(tag)}
        age = years(str(file.get("PatientAge") or ""))
        meta |= {} if math.isnan(age) else {"age": age}
        return Header(_frame(path, file), str(file.get("PatientID") or ""), meta)


def decode(path: Path, content: bytes | None = None) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 grey pixels of a file of any transfer syntax and bit depth; bright is dense.

    Applies, in the order of the standard (DICOM PS3.4, N.2), rescale slope and intercept (or modality LUT), VOI LUT or
    the first window, and inversion for ``MONOCHROME1``. The range of the window becomes 0 to 255; without a window, the
    range of the image does, except that 8-bit pixels are unchanged. Colour is converted to luma. ``content``: the bytes
    of the file if it is not on disk. Raises ``DataError`` with the path and the reason.
    """
    with _opened(path, content) as file:
        _frame(path, file)
        return _gray(path, file)


@contextlib.contextmanager
def _opened(path: Path, content: bytes | None = None, **options: Any) -> Iterator[Any]:
    """Yield the data set of a file, or of its ``content``, and convert any error of a broken one to ``DataError``."""
    errors = library().errors
    try:
        with (
            warnings.catch_warnings(),
            path.open("rb") if content is None else io.BytesIO(content) as stream,
        ):
            warnings.simplefilter("ignore", UserWarning)  # harmless violations of the standard
            _refuse_bomb(path, stream)
            yield library().dcmread(stream, **options)
    except FileNotFoundError:
        raise DataError(f"image file {path} not found") from None
    except errors.InvalidDicomError:
        raise DataError(f"cannot decode {path}: it is not a DICOM file") from None
    except (*BROKEN, errors.BytesLengthException) as error:
        raise DataError(f"cannot decode {path}: {one_line(error) or type(error).__name__}") from error


def _refuse_bomb(path: Path, file: BinaryIO) -> None:
    """Raise ``DataError`` if a file that is compressed as a whole expands beyond the largest allowed image.

    pydicom would decompress all of it at once.
    """
    reader = library().filereader
    reader.read_preamble(file, force=False)
    meta = reader._read_file_meta_info(file)  # leaves the stream where the compressed data starts
    packed = file.read(2 * limits.LARGEST) if meta.get("TransferSyntaxUID") == DEFLATED else b""
    file.seek(0)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    count = len(stream.decompress(packed, 2 * limits.LARGEST))
    if stream.unconsumed_tail or count >= 2 * limits.LARGEST:
        raise DataError(f"cannot decode {path}: its content is larger than {2 * limits.LARGEST:,} bytes")


def _frame(path: Path, file: Any) -> tuple[int, int]:
    """Return (H, W) of a single image of valid size."""
    height, width = int(file.get("Rows") or 0), int(file.get("Columns") or 0)
    count = int(file.get("NumberOfFrames") or 1)
    if not 0 < height * width <= limits.LARGEST:
        size, allowed = f"{height}x{width} pixels", f"1 to {limits.LARGEST:,} pixels in all are allowed"
        raise DataError(f"cannot decode {path}: its size is {size}; {allowed}")
    if count != 1:
        raise DataError(f"cannot decode {path}: it has {count} frames, expected one")
    return height, width


def _gray(path: Path, file: Any) -> NDArray[np.uint8]:
    pixels = dicom_pixels.stored(path, file)
    kind = file.PhotometricInterpretation
    if pixels.ndim == 3 and pixels.dtype == np.uint8:  # pydicom converts colours to RGB
        return np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), dtype=np.uint8)
    if kind not in ("MONOCHROME1", "MONOCHROME2") or pixels.ndim != 2:
        supported = "MONOCHROME1, MONOCHROME2 and 8-bit colour"
        raise DataError(f"cannot decode {path}: its pixels are {kind}; supported are {supported}")
    values, low, high = dicom_pixels.windowed(pixels, file)
    grey = np.clip((values - low) / (high - low), 0, 1) * 255 if high != low else np.zeros_like(values)
    grey = 255 - grey if kind == "MONOCHROME1" else grey
    return np.rint(grey).astype(np.uint8)
