"""Find and read the files of maps made elsewhere, which are untrusted input.

``find``         the maps in a folder or a JSON file, with their image and finding; values are read on demand
``read_arrays``  the arrays of a file; sizes are limited and nothing is unpickled
``as_2d_map``    one of them as a map
"""

import functools
import json
import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from locus.arrays import Pair, as_map
from locus.core import limits
from locus.core.errors import BadValueError, DataError, examples, one_line
from locus.core.files import is_hidden
from locus.core.names import duplicates
from locus.datasets.io import rle
from locus.datasets.io.annotations import Names, refuse_unknown_images
from locus.datasets.io.images import open_image

Array = NDArray[np.generic]
Map = NDArray[np.floating[Any]]
SUFFIXES = (".npy", ".npz", ".png")
MAP_NAME_ADVICE = (
    "<image>_<finding>.npy, .npz or .png; <image>.npy or .npz (K, h, w) with --findings; or <image>.npz with one array "
    "per finding, named after it"
)
MAX_FILE_BYTES = 2**30
"""Maximum size of the arrays in one file, in bytes: 64 maps of 2048×2048 in float32."""
MAX_SIDE = 4096
"""Maximum side of a map; the memory for scoring grows with the square of the side."""
MAX_MAGNITUDE = float(np.finfo(np.float32).max) / 2
"""Maximum absolute value, so that the difference of two values is a float32."""
ONE_CHANNEL_MODES = ("1", "L", "I", "I;16", "I;16B", "I;16L", "F")
"""Pillow's modes with one channel."""
BROKEN_FILE_ERRORS = (
    ArithmeticError, EOFError, LookupError, MemoryError, OSError, RuntimeError, SyntaxError, TypeError, ValueError,
    struct.error, tokenize.TokenError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, Image.DecompressionBombError,
)  # fmt: skip
"""Exceptions that libraries raise for broken files."""
SAVED = "it must be numbers saved by numpy.save or numpy.savez, or a grey PNG"


@dataclass(frozen=True)
class MapSource:
    """One map: its file and how to read it."""

    file: Path
    where: str
    """Its name in errors."""
    array: Callable[[], Array]
    """Function that reads its values, of any shape and type."""
    findings_last: Callable[[], Array] | None = None
    """The same for an array (h,w,K), if its shape (K,h,w) does not tell them apart."""

    def read(self) -> Map:
        """Return the map (h,w). Raises ``DataError`` if it is not one: see ``as_2d_map``."""
        return as_2d_map(self.array(), self.where)


def find(path: Path, names: Names, findings: Sequence[str]) -> dict[Pair, MapSource]:
    """Return (image, finding) -> map, for the files below ``path`` or the masks of a JSON file.

    ``findings`` are the findings of the K maps in one file, in order. Raises ``DataError`` for unknown images or
    findings, and ``BadValueError`` for a missing ``--findings``.
    """
    if not path.exists():
        raise DataError(
            f"--maps {path} not found: give a .json of run-length masks or a folder of {MAP_NAME_ADVICE}"
        )
    stacked_findings = [names.finding(finding, "--findings") for finding in findings]
    sources = _masks(path, names) if path.is_file() else _files(path, names, stacked_findings)
    repeated = [" ".join(pair) for pair in duplicates(pair for pair, _ in sources)]
    if repeated:
        raise DataError(
            f"{path} has several maps of the same case: {examples(repeated)}; keep one map per case"
        )
    return dict(sources)


def _files(folder: Path, names: Names, findings: Sequence[str]) -> list[tuple[Pair, MapSource]]:
    """Return the maps in ``folder``; raise ``DataError`` if it has none or if a name is unknown."""
    candidates = sorted(
        file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()
    )
    files = [file for file in candidates if not is_hidden(file, folder)]
    if not files:
        raise DataError(f"{folder} has no maps: it must contain {MAP_NAME_ADVICE}")
    sources: list[tuple[Pair, MapSource]] = []
    unknown = []
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        image = names.image(name)
        if image is not None:
            sources += _several(file, image, findings, names)
            continue
        image_and_finding = names.split(name)
        if image_and_finding is None:
            unknown.append(file.name)
            continue
        image, finding = image_and_finding
        source = MapSource(file, str(file), partial(_single, file))
        sources.append(((image, names.finding(finding, str(file))), source))
    refuse_unknown_images(unknown, len(files), "files")
    return sources


def _several(
    file: Path, image: str, findings: Sequence[str], names: Names
) -> list[tuple[Pair, MapSource]]:
    """Return the maps of one image: (K,h,w) in the order of ``findings``, or arrays named after their findings."""
    arrays = read_arrays(file)
    if len(arrays) == 1 and _stack(file).ndim > 2:
        return _stacked(file, image, findings)
    if file.suffix.lower() != ".npz":
        raise DataError(f"the file name {file} has no finding: it must be {MAP_NAME_ADVICE}")
    sources = []
    for name in arrays:
        source = MapSource(file, f"{name} in {file}", partial(_single, file, name))
        sources.append(((image, names.finding(name, str(file))), source))
    return sources


def _stacked(file: Path, image: str, findings: Sequence[str]) -> list[tuple[Pair, MapSource]]:
    """Return the maps of the only array (K,h,w) of a file, in the order of ``findings``."""
    shape = _stack(file).shape
    if len(shape) > 3:
        raise DataError(f"{file} has the shape {shape}: the maps of an image must be (K, h, w)")
    if not findings:
        raise BadValueError(
            f"{file} has the maps of several findings: give their names in order with --findings"
        )
    if shape[0] != len(findings):
        raise DataError(f"{file} has {shape[0]} maps, but --findings has {len(findings)} names")
    is_cube = len(set(shape)) == 1
    return [
        ((image, finding), _numbered(file, index, is_cube))
        for index, finding in enumerate(findings)
    ]


def _numbered(file: Path, index: int, is_cube: bool) -> MapSource:
    return MapSource(
        file=file,
        where=f"map {index + 1} of {file}",
        array=lambda: _stack(file)[index],
        findings_last=(lambda: _stack(file)[..., index]) if is_cube else None,
    )


def _stack(file: Path) -> Array:
    """Return the only array of a file: (K,h,w) for one with further axes of length 1."""
    array = _single(file)
    leading = array.shape[:-2]
    if len(leading) > 1 and max(leading) == np.prod(leading):
        return array.reshape(-1, *array.shape[-2:])
    return array


def _single(file: Path, name: str | None = None) -> Array:
    """Return the only array of a file, or the one called ``name``."""
    arrays = read_arrays(file)
    if name is not None:
        return arrays[name]
    if len(arrays) != 1:
        raise DataError(
            f"{file} has {len(arrays)} arrays: a file of one finding must have one array"
        )
    return next(iter(arrays.values()))


def _masks(file: Path, names: Names) -> list[tuple[Pair, MapSource]]:
    """Read ``{image: {finding: {"size": [H, W], "counts": …}}}``, the format of CheXlocalize and pycocotools."""
    try:
        content = json.loads(limits.require_size(file).read_text(encoding="utf-8"))
        masks = [
            (image, finding, mask)
            for image, by_finding in content.items()
            for finding, mask in by_finding.items()
        ]
    except (ValueError, AttributeError, OSError, RecursionError) as error:
        raise DataError(
            f"{file} is not JSON of image -> finding -> run-length mask: {error}"
        ) from error
    images = names.resolve_images([image for image, _, _ in masks], "masks")
    sources = []
    for image, (_, finding, mask) in zip(images, masks, strict=True):
        where = f"{image} {finding} in {file}"
        source = MapSource(file, where, partial(_mask, mask, where))
        sources.append(((image, names.finding(finding, str(file))), source))
    return sources


def _mask(packed: object, where: str) -> Array:
    runs = rle.decode(packed, where)
    require_sides(runs.size, where)
    return runs.mask()


def read_arrays(file: Path) -> dict[str, Array]:
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
    """Read a file; ``state``: its time and size, so that a changed file is read again."""
    suffix = file.suffix.lower()
    try:
        if suffix == ".png":
            return {"": _picture(file)}
        arrays = (
            _zipped(file)
            if suffix == ".npz"
            else {"": np.load(file, mmap_mode="r", allow_pickle=False)}
        )
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"{name} is not an array")
            require_sides(array.shape[-2:], str(file))
        return arrays
    except BROKEN_FILE_ERRORS as error:
        raise DataError(f"cannot read {file}: {one_line(error)}; {SAVED}") from error


def _zipped(file: Path) -> dict[str, Array]:
    with zipfile.ZipFile(file) as archive:
        declared = sum(member.file_size for member in archive.infolist())
    if declared > MAX_FILE_BYTES:
        raise DataError(
            f"{file} would unpack to {declared:,} bytes: at most {MAX_FILE_BYTES:,} per image are allowed"
        )
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def require_sides(shape: Sequence[int], where: str) -> None:
    """Raise ``DataError`` for a map of ``shape`` (h, w) with a side above ``MAX_SIDE``, before it is allocated.

    >>> require_sides((1, 20_000), "a.npy")
    Traceback (most recent call last):
        ...
    locus.core.errors.DataError: a.npy has the shape (1, 20000): at most 4096 positions per side are allowed
    """
    if any(side > MAX_SIDE for side in shape):
        raise DataError(
            f"{where} has the shape {tuple(shape)}: at most {MAX_SIDE} positions per side are allowed"
        )


def _picture(file: Path) -> Array:
    with open_image(file, formats=("PNG",)) as image:
        require_sides((image.height, image.width), str(file))
        if image.mode not in ONE_CHANNEL_MODES:
            raise DataError(
                f"{file} has the colour mode {image.mode}: a heat map or a mask must be grey"
            )
        return np.asarray(image)


class NotFiniteError(DataError):
    """Raised for a map with NaN or infinite values."""


def as_2d_map(array: Array, where: str) -> Map:
    """Convert a map or mask to (h,w), float64 if float32 would round it; axes of length 1 are removed.

    ``where`` names the map in errors.

    Raises ``DataError`` for another shape or type, for NaN or infinite values, and beyond half the range of float32.

    >>> as_2d_map(np.zeros((1, 2, 3)), "a.npy").shape
    (2, 3)
    >>> as_2d_map(np.zeros(3), "a.npy")
    Traceback (most recent call last):
        ...
    locus.core.errors.DataError: a.npy has the shape (3,): a map must be (h, w)
    """
    values = as_map(array.squeeze() if array.ndim > 2 else array, where, DataError)
    broken_count = int((~np.isfinite(values)).sum())
    if broken_count:
        reason = f"{broken_count} of {values.size} values of {where} are NaN or infinite"
        raise NotFiniteError(f"{reason}: a map must be finite")
    if max(abs(float(values.min())), abs(float(values.max()))) > MAX_MAGNITUDE:
        raise DataError(
            f"{where} has values beyond ±{MAX_MAGNITUDE:.2g}, half the range of float32: rescale the map"
        )
    is_exact = np.can_cast(values.dtype, np.float32)
    return np.asarray(values, dtype=np.float32 if is_exact else np.float64)
