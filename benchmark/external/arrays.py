"""Read arrays from untrusted files: sizes are checked before contents are read, and nothing is unpickled."""

import contextlib
import functools
import lzma
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.errors import DataError, one_line
from datasets.io.images import open_image

LARGEST = 2**30
"""Maximum size of the arrays in one file, in bytes: 64 maps of 2048×2048 in float32."""
MAX_SIDE = 4096
"""Maximum side of a map; the memory for scoring grows with the square of the side."""
MAX_MAGNITUDE = float(np.finfo(np.float32).max) / 2
"""Maximum absolute value, so that the difference of two values is a float32."""
GRAY = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F")
"""Pillow's modes with one channel."""
BROKEN = (
    ArithmeticError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError, ValueError,
    struct.error, tokenize.TokenError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, Image.DecompressionBombError,
)  # fmt: skip
"""Exceptions that libraries raise for broken files."""
Array = NDArray[np.generic]


def read(file: Path) -> dict[str, Array]:
    """Return name -> array of a .npy, .npz or grey .png file; the name of a single array is "". Raises ``DataError``.

    The arrays of the last file are cached, because the findings of an image are read one after the other.
    """
    try:
        state = file.stat()
    except OSError as error:
        raise DataError(f"cannot read {file}: {error.strerror}") from error
    return _read(file, state.st_mtime_ns, state.st_size)


@functools.lru_cache(maxsize=1)
def _read(file: Path, *state: int) -> dict[str, Array]:
    with reading(file):
        if file.suffix == ".npz":
            return _zipped(file)
        return {"": _picture(file) if file.suffix == ".png" else memory_map(file, LARGEST)}


@contextlib.contextmanager
def reading(file: Path) -> Iterator[None]:
    """Convert exceptions of reading a broken ``file`` to a ``DataError`` that names it."""
    try:
        yield
    except BROKEN as error:
        raise DataError(f"cannot read {file}: {one_line(error)}") from error


def memory_map(file: Path, most: int | None = None) -> Array:
    """Memory-map the array of a .npy file of at most ``most`` bytes.

    Raises ``DataError`` before reading if the file is not a .npy file, contains objects, or has another length than its
    header declares.
    """
    with file.open("rb") as stream:
        length = _declared(stream, str(file))
        if most is not None and length > most:
            raise DataError(f"{file} declares {length:,} bytes: at most {most:,} bytes per image are allowed")
        if stream.tell() + length != os.fstat(stream.fileno()).st_size:
            raise DataError(f"the length of {file} differs from its header: save it again")
    return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))


def _zipped(file: Path) -> dict[str, Array]:
    with zipfile.ZipFile(file) as archive:
        declared = sum(member.file_size for member in archive.infolist())
        if declared > LARGEST:
            raise DataError(f"{file} would unpack to {declared:,} bytes: at most {LARGEST:,} per image are allowed")
        for member in archive.infolist():
            with archive.open(member) as stream:
                if _declared(stream, f"{member.filename} in {file}") > member.file_size:
                    raise DataError(f"{member.filename} in {file} is shorter than its header declares: save it again")
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def _declared(stream: IO[bytes], where: str) -> int:
    """Return the size in bytes of the array in ``stream``, from its header. Raises ``DataError`` for pickled arrays."""
    try:
        version = np.lib.format.read_magic(stream)
    except ValueError as error:
        raise DataError(f"{where} is not a NumPy file: save the array with numpy.save") from error
    header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
    if header is None:
        raise DataError(f"{where} is a NumPy file of version {version}: save the array with numpy.save")
    shape, _, dtype = header(stream)
    if dtype.hasobject:
        raise DataError(f"{where} contains pickled objects, which are not loaded: save an array of numbers")
    require_sides(shape[-2:], where)
    return int(np.prod([1, *shape], dtype=object)) * dtype.itemsize


def require_sides(shape: Sequence[int], where: str) -> None:
    """Raise ``DataError`` for a map of ``shape`` (h, w) with a side above ``MAX_SIDE``, before it is allocated.

    >>> require_sides((1, 20_000), "a.npy")
    Traceback (most recent call last):
        ...
    core.errors.DataError: a.npy has the shape (1, 20000): at most 4096 positions per side are allowed
    """
    if any(side > MAX_SIDE for side in shape):
        raise DataError(f"{where} has the shape {tuple(shape)}: at most {MAX_SIDE} positions per side are allowed")


def _picture(file: Path) -> Array:
    with open_image(file, formats=("PNG",)) as image:
        require_sides((image.height, image.width), str(file))
        if image.mode not in GRAY:
            raise DataError(f"{file} has the colour mode {image.mode}: a heat map or a mask must be grey")
        return np.asarray(image)


def as_2d_map(array: Array, where: str) -> NDArray[np.float32]:
    """Convert a map or mask to (h,w) float32; axes of length 1 are removed. ``where`` names the map in errors.

    Raises ``DataError`` for another shape or type, for NaN or infinite values, and beyond half the range of float32.

    >>> as_2d_map(np.zeros((1, 2, 3)), "a.npy").shape
    (2, 3)
    >>> as_2d_map(np.zeros(3), "a.npy")
    Traceback (most recent call last):
        ...
    core.errors.DataError: a.npy has the shape (3,): a map must be (h, w)
    """
    values = array.squeeze() if array.ndim > 2 else array
    if values.ndim != 2 or 0 in values.shape:
        raise DataError(f"{where} has the shape {array.shape}: a map must be (h, w)")
    require_sides(values.shape, where)
    if values.dtype.kind not in "buif":
        raise DataError(f"{where} has the type {values.dtype}: a map must contain real numbers")
    if broken := int((~np.isfinite(values)).sum()):
        raise DataError(f"{broken} of {values.size} values of {where} are NaN or infinite: a map must be finite")
    if max(abs(float(values.min())), abs(float(values.max()))) > MAX_MAGNITUDE:
        raise DataError(f"{where} has values beyond ±{MAX_MAGNITUDE:.2g}, half the range of float32: rescale the map")
    return np.asarray(values, dtype=np.float32)
