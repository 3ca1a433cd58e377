"""Find, read and check maps made elsewhere, which are untrusted input.

``find`` lists the maps in a folder or a JSON file, with their image and finding; values are read on demand.
``read_arrays`` limits sizes and unpickles nothing. ``read_values`` checks the numbers and shapes, and warns of constant
maps and swapped axes. ``Geometry`` is the position of maps in the image, as declared by their authors. Boxes and
probabilities are read in ``entry``, which builds the checked entry; ``arrays`` checks a single array.
"""

import functools
import json
import logging
import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from locus.benchmark.evaluation.arrays import Pair, as_map
from locus.benchmark.scoring.protocols.base import LazyMap
from locus.core import limits
from locus.core.errors import BadValueError, DataError, examples, one_line
from locus.core.files import is_hidden
from locus.core.frames import Alignment, Grid, box_coverage, conventional, resolve
from locus.core.names import duplicates
from locus.core.types import FloatArray
from locus.datasets.base import Dataset
from locus.datasets.io import rle
from locus.datasets.io.annotations import Names, refuse_unknown_images
from locus.datasets.io.images import open_image

log = logging.getLogger(__name__)
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
Array = NDArray[np.generic]


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
    try:
        if file.suffix.lower() == ".png":
            return {"": _picture(file)}
        is_zip = file.suffix.lower() == ".npz"
        arrays = _zipped(file) if is_zip else {"": np.load(file, mmap_mode="r", allow_pickle=False)}
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
        raise DataError(f"{file} would unpack to {declared:,} bytes: at most {MAX_FILE_BYTES:,} per image are allowed")
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
        raise DataError(f"{where} has the shape {tuple(shape)}: at most {MAX_SIDE} positions per side are allowed")


def _picture(file: Path) -> Array:
    with open_image(file, formats=("PNG",)) as image:
        require_sides((image.height, image.width), str(file))
        if image.mode not in ONE_CHANNEL_MODES:
            raise DataError(f"{file} has the colour mode {image.mode}: a heat map or a mask must be grey")
        return np.asarray(image)


class NotFiniteError(DataError):
    """Raised for a map with NaN or infinite values."""


def as_2d_map(array: Array, where: str) -> "Map":
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
    if broken := int((~np.isfinite(values)).sum()):
        raise NotFiniteError(f"{broken} of {values.size} values of {where} are NaN or infinite: a map must be finite")
    if max(abs(float(values.min())), abs(float(values.max()))) > MAX_MAGNITUDE:
        raise DataError(f"{where} has values beyond ±{MAX_MAGNITUDE:.2g}, half the range of float32: rescale the map")
    exact = np.can_cast(values.dtype, np.float32)
    return np.asarray(values, dtype=np.float32 if exact else np.float64)


Map = NDArray[np.floating[Any]]
SUFFIXES = (".npy", ".npz", ".png")
MAP_NAME_ADVICE = (
    "<image>_<finding>.npy, .npz or .png; <image>.npy or .npz (K, h, w) with --findings; or <image>.npz with one array "
    "per finding, named after it"
)


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
        raise DataError(f"--maps {path} not found: give a .json of run-length masks or a folder of {MAP_NAME_ADVICE}")
    words = [names.finding(word, "--findings") for word in findings]
    pairs = _masks(path, names) if path.is_file() else _files(path, names, words)
    if twice := [" ".join(pair) for pair in duplicates(pair for pair, _ in pairs)]:
        raise DataError(f"{path} has several maps of the same case: {examples(twice)}; keep one map per case")
    return dict(pairs)


def _files(folder: Path, names: Names, words: Sequence[str]) -> list[tuple[Pair, MapSource]]:
    """Return the maps in ``folder``; raise ``DataError`` if it has none or if a name is unknown."""
    found = sorted(file for file in folder.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file())
    files = [file for file in found if not is_hidden(file, folder)]
    if not files:
        raise DataError(f"{folder} has no maps: it must contain {MAP_NAME_ADVICE}")
    out, unknown = [], []
    for file in files:
        name = file.relative_to(folder).with_suffix("").as_posix()
        image = names.image(name)
        if image is None and (split := names.split(name)) is not None:
            pair = split[0], names.finding(split[1], str(file))
            out.append((pair, MapSource(file, str(file), partial(_single, file))))
        elif image is not None:
            out += _several(file, image, words, names)
        else:
            unknown.append(file.name)
    refuse_unknown_images(unknown, len(files), "files")
    return out


def _several(file: Path, image: str, words: Sequence[str], names: Names) -> list[tuple[Pair, MapSource]]:
    """Return the maps of one image: (K,h,w) in the order of ``words``, or arrays named after their findings."""
    content = read_arrays(file)
    if len(content) == 1 and (stacked := _stack(file)).ndim > 2:
        if stacked.ndim > 3:
            raise DataError(f"{file} has the shape {stacked.shape}: the maps of an image must be (K, h, w)")
        if not words:
            raise BadValueError(f"{file} has the maps of several findings: give their names in order with --findings")
        if len(stacked) != len(words):
            raise DataError(f"{file} has {len(stacked)} maps, but --findings has {len(words)} names")
        is_cube = len({*stacked.shape}) == 1
        return [((image, word), _numbered(file, n, is_cube)) for n, word in enumerate(words)]
    if file.suffix.lower() != ".npz":
        raise DataError(f"the file name {file} has no finding: it must be {MAP_NAME_ADVICE}")
    sources = {name: MapSource(file, f"{name} in {file}", partial(_single, file, name)) for name in content}
    return [((image, names.finding(name, str(file))), source) for name, source in sources.items()]


def _numbered(file: Path, n: int, is_cube: bool) -> MapSource:
    last = (lambda: _stack(file)[..., n]) if is_cube else None
    return MapSource(file, f"map {n + 1} of {file}", lambda: _stack(file)[n], last)


def _stack(file: Path) -> Array:
    """Return the only array of a file: (K,h,w) for one with further axes of length 1."""
    array = _single(file)
    first = array.shape[:-2]
    return array.reshape(-1, *array.shape[-2:]) if len(first) > 1 and max(first) == np.prod(first) else array


def _single(file: Path, name: str | None = None) -> Array:
    """Return the only array of a file, or the one called ``name``."""
    content = read_arrays(file)
    if name is None and len(content) != 1:
        raise DataError(f"{file} has {len(content)} arrays: a file of one finding must have one array")
    return next(iter(content.values())) if name is None else content[name]


def _masks(file: Path, names: Names) -> list[tuple[Pair, MapSource]]:
    """Read ``{image: {finding: {"size": [H, W], "counts": …}}}``, the format of CheXlocalize and pycocotools."""
    try:
        content = json.loads(limits.require_size(file).read_text(encoding="utf-8"))
        pairs = [(image, finding, mask) for image, masks in content.items() for finding, mask in masks.items()]
    except (ValueError, AttributeError, OSError, RecursionError) as error:
        raise DataError(f"{file} is not JSON of image -> finding -> run-length mask: {error}") from error
    images = names.resolve_images([image for image, _, _ in pairs], "masks")
    out = []
    for image, (_, word, mask) in zip(images, pairs, strict=True):
        where = f"{image} {word} in {file}"
        out.append(((image, names.finding(word, str(file))), MapSource(file, where, partial(_mask, mask, where))))
    return out


def _mask(packed: object, where: str) -> Array:
    runs = rle.decode(packed, where)
    require_sides(runs.size, where)
    return runs.mask()


ADVICE = (
    "use --alignment conventional (for maps that you would enlarge by plain interpolation), pixels (for maps of the "
    "size of the image or of a resized copy), or FILE.json (size, stride and offset of the grid, each [y, x])"
)


@dataclass(frozen=True)
class Geometry:
    """A declared alignment or grid."""

    declared: Any
    """Value in the cell's recipe (not ``Record.geometry``): conventional, pixels, none (boxes), or the grid as a dict
    of size, stride and offset."""
    grid: Grid | Alignment

    @property
    def alignment(self) -> Alignment:
        """Alignment in a record's cell. Pixels and boxes have exact positions, so they count as aligned."""
        return "conventional" if self.declared == "conventional" else "aligned"

    @property
    def sentence(self) -> str:
        """Description in a sentence."""
        return f"alignment {self.declared}" if isinstance(self.declared, str) else f"grid {json.dumps(self.declared)}"

    def on(self, shape: tuple[int, int]) -> Grid:
        """Return the grid of maps of ``shape`` (h, w) on frames of any size.

        Without a declared grid, positions divide the frame evenly, each in the middle of its part.
        """
        return self.grid if isinstance(self.grid, Grid) else conventional(shape, shape)


BOX_GEOMETRY = Geometry("none", "conventional")
"""Geometry of entries of boxes."""


def geometry_of(word: str | None) -> Geometry:
    """Return the geometry of ``--alignment``. Raises ``BadValueError`` if it is missing or its file is broken.

    >>> geometry_of("conventional").sentence, geometry_of("pixels").alignment
    ('alignment conventional', 'aligned')
    """
    if word is None:
        raise BadValueError(f"--maps requires --alignment: {ADVICE}")
    if word in ("conventional", "pixels"):
        return Geometry(word, "conventional")  # pixels divide the frame evenly, so both words have the same grid
    try:
        content = json.loads(limits.require_size(Path(word)).read_text(encoding="utf-8"))
        pairs = {name: (float(content[name][0]), float(content[name][1])) for name in ("size", "stride", "offset")}
        if min(*pairs["size"], *pairs["stride"]) <= 0 or not all(map(math.isfinite, sum(pairs.values(), ()))):
            raise ValueError("size and stride must be above 0 and all numbers finite")
    except (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise BadValueError(
            f"--alignment {word!r} is neither conventional nor pixels and cannot be read as a grid "
            f"({type(error).__name__}: {error}): {ADVICE}"
        ) from error
    size = (int(pairs["size"][0]), int(pairs["size"][1]))
    return Geometry({name: list(pair) for name, pair in pairs.items()}, Grid(size, pairs["stride"], pairs["offset"]))


MIN_STANDARD_ERRORS, MIN_RATIO = 3.0, 1.2
"""Another reading fits better if its mean gain is so many standard errors, and its mean larger by this factor."""


def fits_better(as_given: FloatArray, other: FloatArray, ratio: float = MIN_RATIO) -> bool:
    """Return True if another reading of N cases fits the truth much better than the one ``as_given``; nan is ignored.

    >>> fits_better(np.array([0.1, 0.2, 0.0]), np.array([0.8, 0.9, 0.8])), fits_better(np.ones(3), np.ones(3))
    (True, False)
    """
    gain = (other - as_given)[np.isfinite(other - as_given)]
    if len(gain) < 2 or np.nanmean(other) <= ratio * np.nanmean(as_given):
        return False
    return bool(gain.mean() > MIN_STANDARD_ERRORS * gain.std(ddof=1) / np.sqrt(len(gain)))


MAX_CACHED_BYTES = 2**26
"""Bytes of maps that stay in memory (their surfaces take twice that); other maps are read again for scoring."""


def read_values(
    given: Mapping[Pair, MapSource], data: Dataset, where: Geometry, missing: Literal["error", "miss", "skip"]
) -> dict[Pair, Map | LazyMap]:
    """Return (image, finding) -> map (h,w), the first ``MAX_CACHED_BYTES`` bytes in memory and the rest as files.

    Raises ``DataError`` for invalid maps, for all maps constant, and for missing maps if ``missing`` is error.
    """
    scorable = [s for s in data if s.boxes or data.training_part is not None]
    truth = {(s.image_id, finding): (boxes, s.frame) for s in scorable for finding, boxes in s.boxes.items()}
    absent = [" ".join(pair) for pair in truth if pair not in given]
    if len(absent) == len(truth):
        raise DataError(f"none of the {len(truth)} cases with a truth box has a map: check --dataset and --partition")
    check_missing(absent, f"{len(absent)} of {len(truth)} cases with a truth box have no map", missing)
    wanted = [(s.image_id, finding) for s in scorable for finding in data.findings]
    available = [pair for pair in wanted if pair in given]
    bar = tqdm(available, desc="read maps", unit="map", leave=False, disable=None)
    out: dict[Pair, Map | LazyMap] = {}
    flat, broken = list[str](), list[str]()
    frames = {s.image_id: s.frame for s in scorable}
    inside: list[list[float]] = []
    total_bytes = 0
    for pair in bar:
        try:
            values = given[pair].read()
        except NotFiniteError:
            if missing == "error":
                raise
            broken.append(given[pair].where)
            continue
        check_shape(values, frames[pair[0]], where, given[pair].where)
        if data.training_part is not None and np.any(np.greater(values.shape, frames[pair[0]])):
            size = "x".join(map(str, frames[pair[0]]))
            raise DataError(f"{given[pair].where} has the shape {values.shape}, larger than its image of {size} pixels")
        total_bytes += values.nbytes
        out[pair] = values if total_bytes <= MAX_CACHED_BYTES else LazyMap(values.shape, given[pair].read)
        if values.min() == values.max():
            flat.append(given[pair].where)
        if pair in truth and isinstance(where.grid, str):
            last = given[pair].findings_last
            with_last: FloatArray = np.zeros((1, 1)) if last is None else np.asarray(last(), dtype=np.float64)
            readings = (values, values.T, -values, with_last)
            inside.append([_inside(reading, *truth[pair]) for reading in readings])
    if flat and len(flat) == len(out):
        raise DataError(f"all {len(out)} maps are constant: {examples(flat)}")
    if flat:
        log.warning("%d of %d maps are constant and count as misses: %s", len(flat), len(out), examples(flat))
    if broken:
        fate = {"miss": "count as misses", "skip": "are left out"}[missing]
        text = "%d of %d maps have NaN or infinite values and %s: %s"
        log.warning(text, len(broken), len(available), fate, examples(broken))
    _log_other_reading(np.array(inside, dtype=np.float64).reshape(-1, 1 + len(READINGS)))
    return out


READINGS = {
    "transposed maps": "if your maps are (w, h), save map.T instead",
    "inverted maps": "if low values mark the finding, save 1 - map instead",
    "maps read as (h, w, K)": "if findings are the last axis, save map.transpose(2, 0, 1) instead",
}
"""Other readings of maps -> what to do if they are the right ones."""


def _log_other_reading(shares: FloatArray) -> None:
    """Log a warning if another reading fits the truth better; the best one if several do.

    ``shares``: (cases, 1 + readings) shares of the heat in the boxes, as given and in the order of ``READINGS``.
    """
    means = {word: np.nanmean(shares[:, n]) for n, word in enumerate(READINGS, 1) if np.isfinite(shares[:, n]).any()}
    if not means:
        return
    best = max(means, key=lambda word: means[word])
    if fits_better(shares[:, 0], shares[:, 1 + list(READINGS).index(best)]):
        text = "%s fit the truth better (%.3f instead of %.3f of their heat is in the boxes); %s"
        log.warning(text, best, means[best], np.nanmean(shares[:, 0]), READINGS[best])


def check_missing(absent: Sequence[str], count: str, missing: Literal["error", "miss", "skip"]) -> None:
    """Raise ``DataError`` if ``missing`` is error and cases or images are ``absent``; ``count`` says how many."""
    if absent and missing == "error":
        advice = "add them, or use --missing miss (count them as misses) or --missing skip (leave them out)"
        raise DataError(f"{count} ({examples(absent)}): {advice}")


def check_shape(values: Map, frame: tuple[int, int], where: Geometry, name: str) -> None:
    """Raise an error for a map of pixels with the sides of its image swapped, or one that its grid does not fit."""
    shape = (values.shape[0], values.shape[1])
    if where.declared == "pixels" and shape == frame[::-1] != frame:
        raise DataError(f"{name} is {shape}, but its image is {frame} (height, width): the sides are swapped")
    resolve(where.grid, shape, frame)


def _inside(values: Map, boxes: FloatArray, frame: tuple[int, int]) -> float:
    """Return the share of a min-max scaled map inside the truth boxes; nan for a constant map."""
    scaled = values - values.min()
    total = float(scaled.sum())
    shape = (values.shape[0], values.shape[1])
    return float((scaled * box_coverage(boxes, frame, shape)).sum()) / total if total > 0 else np.nan
