"""Pixels of a DICOM file: stored values, decompressed, and the range of values to display."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import DataError

READERS = {
    "1.2.840.10008.1.2.5": "pydicom",
    **dict.fromkeys([f"1.2.840.10008.1.2.4.{n}" for n in (50, 90, 91)], "pillow"),
}
"""Compression (RLE, JPEG baseline, JPEG 2000) -> the pydicom plugin that reads it.

``OTHERS`` reads lossless JPEG, JPEG-LS and 12-bit JPEG. gdcm is not used even if it is installed, because a damaged
file may crash it (``docs/data_setup.md``).
"""
OTHERS, INSTALL = "pylibjpeg", "pip install '.[dicom]' (pylibjpeg-libjpeg in it is under the GPL, version 3)"
BROKEN = (
    ArithmeticError, AttributeError, LookupError, MemoryError, NotImplementedError, OSError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip
"""Errors that decoding broken pixels may raise."""
Values = tuple[NDArray[np.float64], float, float]
"""Values to display, and those displayed as black and as white."""


def stored(path: Path, file: Any) -> NDArray[Any]:
    """Return the stored values, (H, W) or (H, W, 3).

    Raises ``DataError`` if the plugin for the compression is not installed, and errors of pydicom for broken pixels.
    """
    syntax = file.file_meta.TransferSyntaxUID
    if syntax.is_encapsulated:
        file.pixel_array_options(decoding_plugin=_reader(path, file, syntax))
    return np.asarray(file.pixel_array)


def _reader(path: Path, file: Any, syntax: Any) -> str:
    """Return the plugin for a compressed file. Raises ``DataError`` if the image size differs from the header."""
    from pydicom import encaps
    from pydicom.pixels.decoders.base import get_decoder

    word = READERS.get(syntax, OTHERS)
    if word not in get_decoder(syntax).available_plugins:
        raise DataError(f"cannot decode {path}: no decoder for {syntax.name} is installed: {INSTALL}")
    if word == OTHERS:
        announced = (file.Rows, file.Columns)
        size = coded_size(next(encaps.generate_frames(file.PixelData, number_of_frames=1)))
        if size != announced:
            raise DataError(
                f"cannot decode {path}: the compressed image is {size}, but the header says {announced} (rows, columns)"
            )
    return word


def coded_size(stream: bytes) -> tuple[int, int] | None:
    """Return (H, W) of a JPEG stream from its first frame header; None without one.

    >>> coded_size(bytes.fromhex("ffd8 ffc3 000b 0c 0018 0020 01 011100"))
    (24, 32)
    """
    at = 2
    while at + 9 <= len(stream) and stream[at] == 0xFF:
        kind, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4])
        if kind == 0xFF:  # padding
            at += 1
            continue
        if kind == 0xF7 or (0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC)):
            return int.from_bytes(stream[at + 5 : at + 7]), int.from_bytes(stream[at + 7 : at + 9])
        at += 2 + length
    return None


def windowed(pixels: NDArray[Any], file: Any) -> Values:
    """Rescale stored values by the file's modality, then by its VOI LUT or else its first window, if any."""
    from pydicom.pixels import processing

    values = np.asarray(processing.apply_modality_lut(pixels, file))
    if "VOILUTSequence" in file:
        output = np.asarray(processing.apply_voi(values, file), np.float64)
    elif file.get("WindowCenter") not in (None, "") and file.get("WindowWidth") not in (None, ""):
        return _between(values, file)
    elif pixels.dtype == np.uint8 and np.array_equal(values, pixels):
        return values.astype(np.float64), 0.0, 255.0
    else:
        output = values.astype(np.float64)
    return output, float(output.min()), float(output.max())


def _between(values: NDArray[Any], file: Any) -> Values:
    """Apply the file's first window, linear or sigmoid; return the values and the two ends of the output range."""
    from pydicom.pixels import processing

    output = np.asarray(processing.apply_windowing(values, file), np.float64)
    centre, width = (float(np.atleast_1d(file[word].value)[0]) for word in ("WindowCenter", "WindowWidth"))
    ends = processing.apply_windowing(np.array([centre - 100 * width, centre + 100 * width]), file)
    return output, float(ends[0]), float(ends[1])
