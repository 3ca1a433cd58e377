"""DICOM files: decode them to grey uint8 pixels, and read and cache their headers.

``decode`` applies modality, window and inversion (``MONOCHROME1``) and reads compressed files. ``header`` returns size,
patient, sex, age and view without the pixels. ``read_headers`` caches the headers of a data set in a table.
``locus.datasets.io.images`` decodes PNG and JPEG, and calls this module for DICOM.
"""

import contextlib
import dataclasses
import functools
import io
import itertools
import json
import logging
import math
import struct
import warnings
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter
from tqdm import tqdm

from locus.core import limits
from locus.core.errors import DataError, one_line, require_extra
from locus.core.files import json_hash, write_text
from locus.datasets.base import ANNOUNCED_FILE_COUNT, content_stamp
from locus.datasets.io.tables import years

log = logging.getLogger(__name__)
READERS = {
    "1.2.840.10008.1.2.5": "pydicom",
    **dict.fromkeys([f"1.2.840.10008.1.2.4.{n}" for n in (50, 90, 91)], "pillow"),
}
"""Compression (RLE, JPEG baseline, JPEG 2000) -> the pydicom plugin that reads it.

``OTHERS`` reads lossless JPEG, JPEG-LS and 12-bit JPEG. gdcm is not used even if it is installed, because a damaged
file may crash it (``docs/data_setup.md``).
"""
OTHERS = "pylibjpeg"
INSTALL = "pip install 'locus-cxr[dicom]' (pylibjpeg-libjpeg in it is under the GPL, version 3)"
BROKEN_PIXELS = (
    ArithmeticError, AttributeError, LookupError, MemoryError, NotImplementedError, OSError, RuntimeError, TypeError,
    ValueError,
)  # fmt: skip
"""Errors that decoding broken pixels may raise."""
DEFLATED = "1.2.840.10008.1.2.1.99"
"""Transfer syntax of files that are compressed as a whole."""
BROKEN = (*BROKEN_PIXELS, EOFError, struct.error, zlib.error)
"""Errors that a broken DICOM file may raise, in addition to those of pydicom."""
ABOUT = {"sex": "PatientSex", "view": "ViewPosition"}
HEADER = ("Rows", "Columns", "PatientID", "PatientAge", *ABOUT.values())

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

    plugin = READERS.get(syntax, OTHERS)
    if plugin not in get_decoder(syntax).available_plugins:
        raise DataError(
            f"cannot decode {path}: no decoder for {syntax.name} is installed: {INSTALL}"
        )
    if plugin == OTHERS:
        announced = (file.Rows, file.Columns)
        size = coded_size(next(encaps.generate_frames(file.PixelData, number_of_frames=1)))
        if size != announced:
            raise DataError(
                f"cannot decode {path}: the compressed image is {size}, but the header says {announced} (rows, columns)"
            )
    return plugin


def coded_size(stream: bytes) -> tuple[int, int] | None:
    """Return (H, W) of a JPEG stream from its first frame header; None without one.

    >>> coded_size(bytes.fromhex("ffd8 ffc3 000b 0c 0018 0020 01 011100"))
    (24, 32)
    """
    position = 2
    while position + 9 <= len(stream) and stream[position] == 0xFF:
        kind = stream[position + 1]
        length = int.from_bytes(stream[position + 2 : position + 4])
        if kind == 0xFF:  # padding
            position += 1
            continue
        if kind == 0xF7 or (0xC0 <= kind <= 0xCF and kind not in (0xC4, 0xC8, 0xCC)):
            height = int.from_bytes(stream[position + 5 : position + 7])
            width = int.from_bytes(stream[position + 7 : position + 9])
            return height, width
        position += 2 + length
    return None


def windowed(pixels: NDArray[Any], file: Any) -> Values:
    """Rescale stored values by the file's modality, then by its VOI LUT or else its first window, if any."""
    from pydicom.pixels import processing

    table = file.get("ModalityLUTSequence")
    values = (
        _looked_up(pixels, table[0])
        if table
        else np.asarray(processing.apply_modality_lut(pixels, file))
    )
    has_table = bool(file.get("VOILUTSequence"))
    window = None if has_table else _window(file)
    if has_table:
        output = _looked_up(values, file.VOILUTSequence[0]).astype(np.float64)
    elif window is not None:
        return _between(values, file, *window)
    elif pixels.dtype == np.uint8 and np.array_equal(values, pixels):
        return values.astype(np.float64), 0.0, 255.0
    else:
        output = values.astype(np.float64)
    anatomy = output[~_padding(pixels, file)]
    if not len(anatomy):
        anatomy = output
    return output, float(anatomy.min()), float(anatomy.max())


def _looked_up(values: NDArray[Any], item: Any) -> NDArray[np.integer]:
    """Return the ``values`` by a lookup table, whose entries have one or two bytes, whatever its descriptor says."""
    count = item.LUTDescriptor[0] or 2**16
    first = item.LUTDescriptor[1]
    data = (
        item.LUTData
        if isinstance(item.LUTData, bytes)
        else np.asarray(item.LUTData, "<u2").tobytes()
    )
    entries = np.frombuffer(data, "<u2" if len(data) >= 2 * count else np.uint8)[:count]
    return entries[np.clip(values.astype(np.int64) - first, 0, len(entries) - 1)]


def _padding(pixels: NDArray[Any], file: Any) -> NDArray[np.bool_]:
    """Return True for the pixels that do not belong to the image (DICOM PS3.3, C.7.5.1.1.2)."""
    first = file.get("PixelPaddingValue")
    if first in (None, ""):
        return np.zeros(pixels.shape, bool)
    last = file.get("PixelPaddingRangeLimit")
    ends = sorted(
        _as_stored(int(value), pixels.dtype)
        for value in (first, first if last in (None, "") else last)
    )
    return np.asarray((pixels >= ends[0]) & (pixels <= ends[1]))


def _as_stored(value: int, kind: np.dtype[Any]) -> int:
    """Return a value of 16 bits as pixels of 16 bits have it: writers confuse the types US and SS.

    >>> _as_stored(63536, np.dtype("int16")), _as_stored(-2000, np.dtype("uint16"))
    (-2000, 63536)
    """
    return int(np.array(value).astype(kind)) if kind.itemsize == 2 else value


def _window(file: Any) -> tuple[int, float, float] | None:
    """Return number, centre and width of the file's first window with a width above 0; None if it has none."""
    tags = (file.get(keyword) for keyword in ("WindowCenter", "WindowWidth"))
    centres, widths = (
        [] if value in (None, "") else [*map(float, np.atleast_1d(value))] for value in tags
    )
    windows = zip(itertools.count(), centres, widths, strict=False)
    return next(
        (window for window in windows if window[2] > 0 and all(map(math.isfinite, window))), None
    )


def _between(values: NDArray[Any], file: Any, index: int, centre: float, width: float) -> Values:
    """Apply a window, linear or sigmoid; return the values and the two ends of the output range."""
    from pydicom.pixels import processing

    if not file.get("VOILUTFunction"):  # missing or empty
        file.VOILUTFunction = "LINEAR"
    if width < 1 and file.VOILUTFunction == "LINEAR":
        file.VOILUTFunction = "LINEAR_EXACT"  # LINEAR has one unit less than the width
    output = np.asarray(processing.apply_windowing(values, file, index), np.float64)
    ends = processing.apply_windowing(
        np.array([centre - 100 * width, centre + 100 * width]), file, index
    )
    return output, float(ends[0]), float(ends[1])


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
    """Return the package pydicom, which takes time to import."""
    require_extra("dicom", "pydicom", "reading DICOM files")
    import pydicom

    logging.getLogger("pydicom").setLevel(
        logging.CRITICAL
    )  # its tracebacks are replaced by one error here
    return pydicom


def header(path: Path, content: bytes | None = None) -> Header:
    """Read the header of a file, or of its ``content``, without its pixels.

    Raises ``DataError`` with the path and the reason if it is broken.
    """
    with _opened(path, content, stop_before_pixels=True, specific_tags=list(HEADER)) as file:
        meta: dict[str, Any] = {
            name: str(file[tag].value) for name, tag in ABOUT.items() if file.get(tag)
        }
        age = years(str(file.get("PatientAge") or ""))
        meta |= {} if math.isnan(age) else {"age": age}
        return Header(_frame(path, file), str(file.get("PatientID") or ""), meta)


def decode(path: Path, content: bytes | None = None) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 grey pixels of a file of any transfer syntax and bit depth; bright is dense.

    Applies, in the order of the standard (DICOM PS3.4, N.2), rescale slope and intercept (or modality LUT), VOI LUT or
    the first window, and inversion for ``MONOCHROME1``. The range of the window becomes 0 to 255; without a window, the
    range of the image does, except that 8-bit pixels are unchanged. Padding is black and does not count for the range.
    Colour is converted to luma. ``content``: the bytes of the file if it is not on disk. Raises ``DataError`` with the
    path and the reason.
    """
    with _opened(path, content) as file:
        return _gray(path, file, _frame(path, file))


@contextlib.contextmanager
def _opened(path: Path, content: bytes | None = None, **options: Any) -> Iterator[Any]:
    """Yield the data set of a file, or of its ``content``, and convert any error of a broken one to ``DataError``."""
    errors = library().errors
    if content is None and path.exists() and not path.is_file():
        raise DataError(
            f"cannot decode {path}: it is not a regular file"
        )  # a pipe would wait forever
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
        start = (content or path.read_bytes())[:2]
        advice = ""
        if start in (b"\2\0", b"\x08\0"):
            advice = ", or it has no meta information: write it again with one"
        raise DataError(f"cannot decode {path}: it is not a DICOM file{advice}") from None
    except (*BROKEN, errors.BytesLengthException) as error:
        raise DataError(
            f"cannot decode {path}: {one_line(error) or type(error).__name__}"
        ) from error


def _refuse_bomb(path: Path, file: BinaryIO) -> None:
    """Raise ``DataError`` if a file that is compressed as a whole expands beyond the largest allowed image.

    pydicom would decompress all of it at once.
    """
    reader = library().filereader
    reader.read_preamble(file, force=False)
    meta = reader._read_file_meta_info(file)  # leaves the stream where the compressed data starts
    packed = (
        file.read(2 * limits.MAX_IMAGE_PIXELS) if meta.get("TransferSyntaxUID") == DEFLATED else b""
    )
    file.seek(0)
    stream = zlib.decompressobj(-zlib.MAX_WBITS)
    count = len(stream.decompress(packed, 2 * limits.MAX_IMAGE_PIXELS))
    if stream.unconsumed_tail or count >= 2 * limits.MAX_IMAGE_PIXELS:
        raise DataError(
            f"cannot decode {path}: its content is larger than {2 * limits.MAX_IMAGE_PIXELS:,} bytes"
        )


def _frame(path: Path, file: Any) -> tuple[int, int]:
    """Return (H, W) of a single image of valid size."""
    height, width = int(file.get("Rows") or 0), int(file.get("Columns") or 0)
    count = int(file.get("NumberOfFrames") or 1)
    if not 0 < height * width <= limits.MAX_IMAGE_PIXELS:
        size = f"{height}x{width} pixels"
        allowed = f"1 to {limits.MAX_IMAGE_PIXELS:,} pixels in all are allowed"
        raise DataError(f"cannot decode {path}: its size is {size}; {allowed}")
    if count != 1:
        raise DataError(f"cannot decode {path}: it has {count} frames, expected one")
    return height, width


def _gray(path: Path, file: Any, frame: tuple[int, int]) -> NDArray[np.uint8]:
    pixels = stored(path, file)
    if pixels.shape[:2] != frame:
        raise DataError(
            f"cannot decode {path}: its pixel data has the shape {pixels.shape}, the header says {frame}"
        )
    kind = file.PhotometricInterpretation
    if pixels.ndim == 3 and pixels.dtype == np.uint8:  # pydicom converts colours to RGB
        return np.asarray(
            cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), dtype=np.uint8
        )
    if kind not in ("MONOCHROME1", "MONOCHROME2") or pixels.ndim != 2:
        supported = "MONOCHROME1, MONOCHROME2 and 8-bit colour"
        raise DataError(f"cannot decode {path}: its pixels are {kind}; supported are {supported}")
    values, low, high = windowed(pixels, file)
    if not np.isfinite(values).all():
        raise DataError(f"cannot decode {path}: rescaling gives values that are not finite numbers")
    grey = (
        np.clip((values - low) / (high - low), 0, 1) * 255 if high != low else np.zeros_like(values)
    )
    grey = 255 - grey if kind == "MONOCHROME1" else grey
    grey[_padding(pixels, file)] = 0
    return np.rint(grey).astype(np.uint8)


def read_headers(
    root: Path, files: Mapping[str, Path], cache: Path | str | None
) -> tuple[dict[str, Header], list[str]]:
    """Return image -> header for the readable ``files`` in ``root``, and an error message for each of the others.

    The table in the folder ``cache`` has the name, modification time, length and header of each file; a broken table
    and outdated rows are ignored. Without ``cache``, each process reads all headers.
    """
    table = cache and Path(cache) / f"headers-{json_hash(str(root.resolve()))}.json"
    cached = _load_table(table) if table else {}
    good: dict[str, Header] = {}
    bad = []
    read = dict[str, Any]()
    if len(files) - len(cached) > ANNOUNCED_FILE_COUNT:
        log.info(
            "%s: reading the headers of %d files%s", root, len(files), ", once" if cache else ""
        )
    for image, path in tqdm(
        files.items(), desc="read headers", unit="file", leave=False, disable=None
    ):
        name = path.relative_to(root).as_posix()
        stamp = content_stamp(path)
        row = cached.get(name)
        try:
            good[image] = row[3] if row and row[:3] == stamp else _header(path, stamp)
        except DataError as error:
            bad.append(str(error))
        else:
            read[name] = (*stamp, good[image])
    rows = {**cached, **read}
    if table and rows != cached:
        write_text(table, json.dumps(rows, default=dataclasses.asdict))
    return good, bad


@functools.cache
def _header(path: Path, stamp: tuple[int, ...]) -> Header:
    """Read the header of a file whose content has this ``stamp``."""
    return header(path)


def _load_table(table: Path) -> dict[str, Any]:
    """Return file name -> its stamp, three numbers, and header; empty if the table is missing or broken."""
    try:
        return TypeAdapter(dict[str, tuple[int, int, int, Header]]).validate_json(
            table.read_bytes()
        )
    except (OSError, ValueError):
        return {}
