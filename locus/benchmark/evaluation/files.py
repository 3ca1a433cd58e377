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

from locus.arrays import Pair, as_map
from locus.core import limits
from locus.core.errors import BadValueError, DataError, examples, one_line
from locus.core.files import is_hidden
from locus.core.frames import Alignment, Grid, box_coverage, conventional, resolve
from locus.core.names import duplicates
from locus.core.types import FloatArray, Sample
from locus.datasets.base import Dataset
from locus.datasets.io import rle
from locus.datasets.io.annotations import Names, refuse_unknown_images
from locus.datasets.io.images import open_image
from locus.scoring.protocols.base import LazyMap

log = logging.getLogger(__name__)
Array = NDArray[np.generic]
Map = NDArray[np.floating[Any]]
SUFFIXES = (".npy", ".npz", ".png")
MAP_NAME_ADVICE = (
    "<image>_<finding>.npy, .npz or .png; <image>.npy or .npz (K, h, w) with --findings; or <image>.npz with one array "
    "per finding, named after it"
)
ADVICE = (
    "use --alignment conventional (for maps that you would enlarge by plain interpolation), pixels (for maps of the "
    "size of the image or of a resized copy), padded (of the image padded to a square), cropped (of its central "
    "square), or FILE.json (size, stride and offset of the grid, each [y, x])"
)
SQUARES: dict[str, Callable[[tuple[int, int]], int]] = {"padded": max, "cropped": min}
"""Alignment of maps of a square around the middle of the image -> side of the square in an image of (H, W)."""
READINGS = {
    "transposed maps": "if your maps are (w, h), save map.T instead",
    "inverted maps": "if low values mark the finding, save 1 - map instead",
    "maps read as (h, w, K)": "if findings are the last axis, save map.transpose(2, 0, 1) instead",
    "maps of the image padded to a square": "if images were padded, use --alignment padded",
    "maps of the central square of the image": "if images were cropped, use --alignment cropped",
}
"""Other readings of maps -> what to do if they are the right ones."""
MIN_STANDARD_ERRORS = 3.0
"""Another reading fits better if its mean gain is at least so many standard errors, and ``MIN_RATIO`` is reached."""
MIN_RATIO = 1.2
"""Smallest ratio of its mean to that of the reading as given."""
MAX_CACHED_BYTES = 2**26
"""Bytes of maps that stay in memory (their surfaces take twice that); other maps are read again for scoring."""
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
        image, word = image_and_finding
        source = MapSource(file, str(file), partial(_single, file))
        sources.append(((image, names.finding(word, str(file))), source))
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
            (image, word, mask)
            for image, by_finding in content.items()
            for word, mask in by_finding.items()
        ]
    except (ValueError, AttributeError, OSError, RecursionError) as error:
        raise DataError(
            f"{file} is not JSON of image -> finding -> run-length mask: {error}"
        ) from error
    images = names.resolve_images([image for image, _, _ in masks], "masks")
    sources = []
    for image, (_, word, mask) in zip(images, masks, strict=True):
        where = f"{image} {word} in {file}"
        source = MapSource(file, where, partial(_mask, mask, where))
        sources.append(((image, names.finding(word, str(file))), source))
    return sources


def _mask(packed: object, where: str) -> Array:
    runs = rle.decode(packed, where)
    require_sides(runs.size, where)
    return runs.mask()


@dataclass(frozen=True)
class Geometry:
    """A declared alignment or grid."""

    declared: Any
    """Value in the cell's recipe (not ``Record.geometry``): conventional, pixels, padded, cropped, none (boxes), or the
    grid as a dict of size, stride and offset."""
    grid: Grid | Alignment

    @property
    def alignment(self) -> Alignment:
        """Alignment in a record's cell. Pixels and boxes have exact positions, so they count as aligned."""
        return "conventional" if self.declared == "conventional" else "aligned"

    @property
    def is_square(self) -> bool:
        """Whether maps show a square around the middle of the image."""
        return isinstance(self.declared, str) and self.declared in SQUARES

    @property
    def sentence(self) -> str:
        """Description in a sentence."""
        return (
            f"alignment {self.declared}"
            if isinstance(self.declared, str)
            else f"grid {json.dumps(self.declared)}"
        )

    def on(self, shape: tuple[int, int]) -> Grid:
        """Return the grid of maps of ``shape`` (h, w) on frames of any size.

        Without a declared grid, positions divide the frame evenly, each in the middle of its part.
        """
        return self.grid if isinstance(self.grid, Grid) else conventional(shape, shape)

    def on_image(self, shape: tuple[int, int], frame: tuple[int, int]) -> Grid | Alignment:
        """Return the grid of a map of ``shape`` (h, w), after ``covering``, on an image of ``frame`` (H, W)."""
        if not self.is_square:
            return self.grid
        stride = SQUARES[self.declared](frame) / min(shape)
        down, right = (
            (side - count * stride) / 2 + (stride - 1) / 2
            for side, count in zip(frame, shape, strict=True)
        )
        return Grid(size=frame, stride=(stride, stride), offset=(down, right))

    def covering(self, values: Map, frame: tuple[int, int]) -> Map:
        """Return a map of the central square with its lowest value around it, up to the edges of the image.

        Without them, its outermost values would continue to the edges. Other maps are unchanged.
        """
        if self.declared != "cropped":
            return values
        stride = min(frame) / min(values.shape)
        rows, columns = (math.ceil((side - min(frame)) / 2 / stride) for side in frame)
        return np.pad(values, ((rows, rows), (columns, columns)), constant_values=values.min())


BOX_GEOMETRY = Geometry("none", "conventional")
"""Geometry of entries of boxes."""


def geometry_of(word: str | None) -> Geometry:
    """Return the geometry of ``--alignment``. Raises ``BadValueError`` if it is missing or its file is broken.

    >>> geometry_of("conventional").sentence, geometry_of("pixels").alignment
    ('alignment conventional', 'aligned')
    """
    if word is None:
        raise BadValueError(f"--maps requires --alignment: {ADVICE}")
    if word in ("conventional", "pixels", *SQUARES):
        return Geometry(
            word, "conventional"
        )  # pixels divide the frame evenly, so both words have the same grid
    try:
        content = json.loads(limits.require_size(Path(word)).read_text(encoding="utf-8"))
        size, stride, offset = (
            (float(content[name][0]), float(content[name][1]))
            for name in ("size", "stride", "offset")
        )
        if min(*size, *stride) <= 0 or not all(map(math.isfinite, (*size, *stride, *offset))):
            raise ValueError("size and stride must be above 0 and all numbers finite")
    except (OSError, ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise BadValueError(
            f"--alignment {word!r} is neither conventional, pixels, padded nor cropped and cannot be read as a grid "
            f"({type(error).__name__}: {error}): {ADVICE}"
        ) from error
    declared = {"size": list(size), "stride": list(stride), "offset": list(offset)}
    return Geometry(declared, Grid((int(size[0]), int(size[1])), stride, offset))


def fits_better(as_given: FloatArray, other: FloatArray, ratio: float = MIN_RATIO) -> bool:
    """Return True if another reading of N cases fits the truth much better than the one ``as_given``; nan is ignored.

    >>> fits_better(np.array([0.1, 0.2, 0.0]), np.array([0.8, 0.9, 0.8])), fits_better(np.ones(3), np.ones(3))
    (True, False)
    """
    gain = (other - as_given)[np.isfinite(other - as_given)]
    if len(gain) < 2 or np.nanmean(other) <= ratio * np.nanmean(as_given):
        return False
    return bool(gain.mean() > MIN_STANDARD_ERRORS * gain.std(ddof=1) / np.sqrt(len(gain)))


def read_values(
    sources: Mapping[Pair, MapSource],
    data: Dataset,
    geometry: Geometry,
    missing: Literal["error", "miss", "skip"],
) -> dict[Pair, Map | LazyMap]:
    """Return (image, finding) -> map (h,w), the first ``MAX_CACHED_BYTES`` bytes in memory and the rest as files.

    Raises ``DataError`` for invalid maps, for all maps constant, and for missing maps if ``missing`` is error.
    """
    judges_masks = data.training_part is not None
    samples = {sample.image_id: sample for sample in data if sample.boxes or judges_masks}
    _check_cases(sources, list(samples.values()), missing)
    pairs = [(image, finding) for image in samples for finding in data.findings]
    available = [pair for pair in pairs if pair in sources]
    maps: dict[Pair, Map | LazyMap] = {}
    constant: list[str] = []
    broken: list[str] = []
    heat_shares = []  # of each case with truth: share of the heat in its boxes, as given and by each other reading
    total_bytes = 0
    for image, finding in tqdm(available, desc="read maps", unit="map", leave=False, disable=None):
        source, sample = sources[image, finding], samples[image]
        read = partial(_covering, source, geometry, sample.frame)
        try:
            values = read()
        except NotFiniteError:
            if missing == "error":
                raise
            broken.append(source.where)
            continue
        if judges_masks:
            _refuse_larger(values, sample.frame, source.where)
        total_bytes += values.nbytes
        is_cached = total_bytes <= MAX_CACHED_BYTES
        maps[image, finding] = values if is_cached else LazyMap(values.shape, read)
        if values.min() == values.max():
            constant.append(source.where)
        if finding in sample.boxes and geometry.declared in ("conventional", "pixels"):
            heat_shares.append(_heat_shares(values, source, sample.boxes[finding], sample.frame))
    if constant and len(constant) == len(maps):
        raise DataError(f"all {len(maps)} maps are constant: {examples(constant)}")
    if constant:
        log.warning(
            "%d of %d maps are constant and count as misses: %s",
            len(constant),
            len(maps),
            examples(constant),
        )
    if broken:
        handling = {"miss": "count as misses", "skip": "are left out"}[missing]
        text = "%d of %d maps have NaN or infinite values and %s: %s"
        log.warning(text, len(broken), len(available), handling, examples(broken))
    _log_other_reading(np.array(heat_shares, dtype=np.float64).reshape(-1, 1 + len(READINGS)))
    return maps


def _covering(source: MapSource, geometry: Geometry, frame: tuple[int, int]) -> Map:
    """Read a map; one of the central square gets positions up to the edges of the image."""
    values = source.read()
    check_shape(values, frame, geometry, source.where)
    return geometry.covering(values, frame)


def _check_cases(
    sources: Mapping[Pair, MapSource],
    samples: Sequence[Sample],
    missing: Literal["error", "miss", "skip"],
) -> None:
    """Raise ``DataError`` if no case with truth has a map, or if one lacks it and ``missing`` is error."""
    truth = [(sample.image_id, finding) for sample in samples for finding in sample.boxes]
    absent = [" ".join(pair) for pair in truth if pair not in sources]
    if len(absent) == len(truth):
        raise DataError(
            f"none of the {len(truth)} cases with a truth box has a map: check --dataset and --partition"
        )
    check_missing(
        absent, f"{len(absent)} of {len(truth)} cases with a truth box have no map", missing
    )


def _refuse_larger(values: Map, frame: tuple[int, int], where: str) -> None:
    """Raise ``DataError`` for a mask that is larger than its image."""
    if np.any(np.greater(values.shape, frame)):
        height, width = frame
        raise DataError(
            f"{where} has the shape {values.shape}, larger than its image of {height}x{width} pixels"
        )


def _heat_shares(
    values: Map, source: MapSource, boxes: FloatArray, frame: tuple[int, int]
) -> list[float]:
    """Return the share of the heat in the truth boxes: of the map as given, then of each of ``READINGS``."""
    if source.findings_last is None:
        findings_last: FloatArray = np.zeros((1, 1))
    else:
        findings_last = np.asarray(source.findings_last(), dtype=np.float64)
    shares = [
        _inside(reading, boxes, frame) for reading in (values, values.T, -values, findings_last)
    ]
    return shares + [
        _inside_square(values, boxes, frame, square(frame)) for square in SQUARES.values()
    ]


def _log_other_reading(shares: FloatArray) -> None:
    """Log a warning if another reading fits the truth better; the best one if several do.

    ``shares``: (cases, 1 + readings) shares of the heat in the boxes, as given and in the order of ``READINGS``.
    """
    as_given = shares[:, 0]
    shares_of = {reading: shares[:, number] for number, reading in enumerate(READINGS, start=1)}
    means = {
        reading: np.nanmean(values)
        for reading, values in shares_of.items()
        if np.isfinite(values).any()
    }
    if not means:
        return
    best = max(means, key=lambda reading: means[reading])
    has_more_inside = fits_better(as_given, shares_of[best])
    has_half_outside = fits_better(1 - shares_of[best], 1 - as_given, ratio=2.0)
    if has_more_inside or has_half_outside:
        text = "%s fit the truth better (%.3f instead of %.3f of their heat is in the boxes); %s"
        log.warning(text, best, means[best], np.nanmean(as_given), READINGS[best])


def check_missing(
    absent: Sequence[str], count: str, missing: Literal["error", "miss", "skip"]
) -> None:
    """Raise ``DataError`` if ``missing`` is error and cases or images are ``absent``; ``count`` says how many."""
    if absent and missing == "error":
        advice = "add them, or use --missing miss (count them as misses) or --missing skip (leave them out)"
        raise DataError(f"{count} ({examples(absent)}): {advice}")


def check_shape(values: Map, frame: tuple[int, int], geometry: Geometry, name: str) -> None:
    """Raise an error for a map of pixels with the sides of its image swapped, or one that its grid does not fit."""
    height, width = values.shape
    if geometry.declared == "pixels" and (height, width) == frame[::-1] != frame:
        raise DataError(
            f"{name} is {(height, width)}, but its image is {frame} (height, width): the sides are swapped"
        )
    if geometry.is_square and height != width:
        raise DataError(
            f"{name} is {(height, width)}: a map with --alignment {geometry.declared} must be square"
        )
    resolve(geometry.grid, (height, width), frame)


def _inside_square(values: Map, boxes: FloatArray, frame: tuple[int, int], side: int) -> float:
    """Return the share of a map inside the truth boxes if it shows a square of ``side`` in the middle of the image.

    It is nan for a square image, where that is no other reading, for other maps, and for boxes outside the square.
    """
    height, width = frame
    if height == width or values.shape[0] != values.shape[1]:
        return np.nan
    top, left = (height - side) / 2, (width - side) / 2
    in_square = np.clip(boxes - [left, top, left, top], 0, side)
    sides = in_square[:, 2:] - in_square[:, :2]
    in_square = in_square[(sides > 0).all(axis=1)]
    return _inside(values, in_square, (side, side)) if len(in_square) else np.nan


def _inside(values: Map, boxes: FloatArray, frame: tuple[int, int]) -> float:
    """Return the share of a min-max scaled map inside the truth boxes; nan for a constant map."""
    scaled = values - values.min()
    total = float(scaled.sum())
    if not total > 0:
        return np.nan
    height, width = values.shape
    return float((scaled * box_coverage(boxes, frame, (height, width))).sum()) / total
