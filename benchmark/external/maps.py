"""Find external maps in a folder or a file, with their image and finding; values are read on demand."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmark.external import arrays
from benchmark.external.names import Names, refuse_unknown
from core.errors import BadValueError, DataError, examples
from core.names import duplicates
from datasets.io import limits, rle
from datasets.io.tables import read_csv

Map = NDArray[np.float32]
SUFFIXES = (".npy", ".npz", ".png")
NAMED = (
    "<image>_<finding>.npy, .npz or .png; <image>.npy or .npz (K, h, w) with --findings; or <image>.npz with one array "
    "per finding, named after it"
)


@dataclass(frozen=True)
class MapSource:
    """One map: its file and how to read it."""

    file: Path
    where: str
    """Its name in errors."""
    array: Callable[[], arrays.Array]
    """Function that reads its values, of any shape and type."""

    def read(self) -> Map:
        """Return the map (h,w). Raises ``DataError`` if it is not one: see ``arrays.as_2d_map``."""
        return arrays.as_2d_map(self.array(), self.where)


Pair = tuple[str, str]
"""Image and finding."""


def find(path: Path, names: Names, findings: Sequence[str], index: Path | None) -> dict[Pair, MapSource]:
    """Return (image, finding) -> map, for the files below ``path``, the rows of an array or the masks of a JSON file.

    ``findings`` are the findings of the K maps in one file, in order; ``index`` is a CSV with the images and findings
    of an array. Raises ``DataError`` for unknown images or findings, and ``BadValueError`` for missing flags.
    """
    if not path.exists():
        raise DataError(f"--maps {path} not found: give a .npy with --index, a .json of masks, or a folder of {NAMED}")
    words = [names.finding(word, "--findings") for word in findings]
    if path.is_file():
        pairs = _masks(path, names) if path.suffix == ".json" else _rows(path, names, index)
    else:
        pairs = _files(path, names, words)
    if twice := [" ".join(pair) for pair in duplicates(pair for pair, _ in pairs)]:
        raise DataError(f"{path} has several maps of the same case: {examples(twice)}; keep one map per case")
    return dict(pairs)


def _files(folder: Path, names: Names, words: Sequence[str]) -> list[tuple[Pair, MapSource]]:
    """Return the maps in ``folder``; raise ``DataError`` if it has none or if a name is unknown."""
    files = sorted(file for file in folder.rglob("*") if file.suffix in SUFFIXES and file.is_file())
    if not files:
        raise DataError(f"{folder} has no maps: it must contain {NAMED}")
    out, unknown = [], []
    for file in files:
        split = None if file.stem in names.images else names.split(file.stem)
        if split is not None:
            pair = split[0], names.finding(split[1], str(file))
            out.append((pair, MapSource(file, str(file), partial(_single, file))))
        elif (image := names.image(file.stem)) is not None:
            out += _several(file, image, words, names)
        else:
            unknown.append(file.name)
    refuse_unknown(unknown, len(files), "files")
    return out


def _several(file: Path, image: str, words: Sequence[str], names: Names) -> list[tuple[Pair, MapSource]]:
    """Return the maps of one image: (K,h,w) in the order of ``words``, or arrays named after their findings."""
    content = arrays.read(file)
    if len(content) == 1 and (stacked := _single(file)).ndim == 3:
        if not words:
            raise BadValueError(f"{file} has the maps of several findings: give their names in order with --findings")
        if len(stacked) != len(words):
            raise DataError(f"{file} has {len(stacked)} maps, but --findings has {len(words)} names")
        return [((image, word), _numbered(file, n, partial(_single, file))) for n, word in enumerate(words)]
    if file.suffix != ".npz":
        raise DataError(f"the file name {file} has no finding: it must be {NAMED}")
    findings = [names.finding(name, str(file)) for name in content]
    return [
        ((image, finding), MapSource(file, f"{name} in {file}", partial(_named, file, name)))
        for finding, name in zip(findings, content, strict=True)
    ]


def _numbered(file: Path, n: int, array: Callable[[], arrays.Array]) -> MapSource:
    return MapSource(file, f"map {n + 1} of {file}", lambda: array()[n])


def _single(file: Path) -> arrays.Array:
    content = arrays.read(file)
    if len(content) != 1:
        raise DataError(f"{file} has {len(content)} arrays: a file of one finding must have one array")
    return next(iter(content.values()))


def _named(file: Path, name: str) -> arrays.Array:
    return arrays.read(file)[name]


def _rows(file: Path, names: Names, index: Path | None) -> list[tuple[Pair, MapSource]]:
    if index is None or file.suffix != ".npy":
        raise BadValueError(
            f"--maps {file}: a single file must be a .npy of all maps with --index FILE (columns image and finding), "
            "or a .json of run-length masks"
        )
    table = read_csv(index, ("image", "finding"))
    with arrays.reading(file):
        values = arrays.memory_map(file)
    if values.ndim != 3 or len(values) != len(table):
        raise DataError(
            f"{file} has the shape {values.shape}, but must have ({len(table)}, h, w): one map for each row of {index}"
        )
    images = names.resolve_images(table["image"].tolist(), "rows")
    words = [names.finding(word, str(index)) for word in table["finding"]]
    return [(pair, _numbered(file, n, lambda: values)) for n, pair in enumerate(zip(images, words, strict=True))]


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


def _mask(packed: object, where: str) -> arrays.Array:
    runs = rle.decode(packed, where)
    arrays.require_sides(runs.size, where)
    return runs.mask()
