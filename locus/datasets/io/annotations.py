"""Read boxes as annotation tools write them. Names and edges are checked by those who use the rows.

``read_coco``   COCO JSON: annotations with their images and categories, or a list of results
``read_voc``    a folder of Pascal VOC files (XML)
``read_yolo``   a folder of YOLO files (text) with the names of the classes
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np

from locus.core.errors import DataError, examples
from locus.datasets.io import pd
from locus.datasets.io.tables import check_links, read_json, read_text

BoxFormat = Literal["xyxy", "xywh"]
EDGES: Mapping[BoxFormat, Sequence[tuple[str, str, str, str]]] = {
    "xyxy": [("x0", "y0", "x1", "y1"), ("x1", "y1", "x2", "y2"), ("x_min", "y_min", "x_max", "y_max")],
    "xywh": [("x", "y", "w", "h"), ("x", "y", "width", "height")],
}
"""Column names of a box, by format."""
ROW = ("image", "finding", "x0", "y0", "x1", "y1", "width", "height")
COCO = (
    "it must have images (id, file_name), categories (id, name) and annotations (image_id, category_id, bbox as xywh), "
    "or be a list of results"
)
IDS = "a list of results has ids: give the COCO file with its images and categories (truth.json) with --index"


def read_coco(file: Path, index: Path | None = None) -> pd.DataFrame:
    """Return a row per annotation: image, finding, x, y, w, h, score, and width and height of its image.

    A list of results has the images and categories of the COCO file ``index``; without one, its image_id and
    category_id must be names. Numbers that the file does not state are nan. Raises ``DataError`` for broken files and
    unknown ids.
    """
    content, listed = read_json(file), False
    try:
        if isinstance(content, list):
            listed, source = True, {} if index is None else read_json(index)
            rows = content
        else:
            source, rows = content, content["annotations"]
        named = listed and index is None
        images = {} if named else _by_id(source["images"], index or file)
        words = {} if named else _by_id(source["categories"], index or file)
        keys = [(row["image_id"], row["category_id"]) for row in rows]
        numbers = np.array([[*row["bbox"], row.get("score", np.nan)] for row in rows], np.float64).reshape(len(rows), 5)
        table = pd.DataFrame(numbers, columns=["x", "y", "w", "h", "score"])
        if named:
            if any(not isinstance(key, str) for pair in keys for key in pair):
                raise DataError(f"{file}: {IDS}")
            names = zip(*keys, strict=True) if keys else ((), ())
            return table.assign(**dict(zip(("image", "finding"), names, strict=True)), width=np.nan, height=np.nan)
        for what, known, used in (("image", images, 0), ("category", words, 1)):
            if unknown := {str(key[used]) for key in keys} - known.keys():
                listing = f"{what} ids that {index or file} does not list"
                raise DataError(f"{file} has {len(unknown)} {listing}: {examples(sorted(unknown))}")
        about = [images[str(image)] for image, _ in keys]
        sides = {side: np.array([one.get(side) or np.nan for one in about], np.float64) for side in ("width", "height")}
        finding = [str(words[str(word)]["name"]) for _, word in keys]
        return table.assign(image=[str(one["file_name"]) for one in about], finding=finding, **sides)
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise DataError(f"{file} is not a COCO file with boxes ({type(error).__name__}: {error}): {COCO}") from error


def _by_id(entries: list[dict[str, Any]], file: Path) -> dict[str, dict[str, Any]]:
    """Return id -> entry. Ids are compared as text, because some tools write 3 and others "3"."""
    by_id = {str(entry["id"]): entry for entry in entries}
    if len(by_id) < len(entries):
        raise DataError(f"{file} has {len(entries) - len(by_id)} repeated ids: give each image and category its own")
    return by_id


def read_voc(folder: Path) -> pd.DataFrame:
    """Return a row per object: image (path of the file without suffix), finding, x0, y0, x1, y1, width and height."""
    rows = []
    for name, file in _named(folder, ".xml"):
        text = read_text(file)
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise DataError(f"{file} has a DOCTYPE or an entity, which is not read: remove it")
        try:
            root = ElementTree.fromstring(text)
            size = [float(root.findtext(f"size/{side}") or "nan") or np.nan for side in ("width", "height")]
            for one in root.iter("object"):
                edges = [float(one.findtext(f"bndbox/{edge}") or "nan") for edge in ("xmin", "ymin", "xmax", "ymax")]
                rows.append((name, one.findtext("name", "").strip(), *edges, *size))
        except (ElementTree.ParseError, ValueError) as error:
            raise DataError(f"{file} is not a Pascal VOC file: {error}") from error
    return pd.DataFrame(rows, columns=ROW)


def read_yolo(folder: Path) -> pd.DataFrame:
    """Return a row per line: image (path of the file without suffix), finding, and edges as fractions of its sides."""
    listed = next((folder / name for name in ("classes.txt", "obj.names") if (folder / name).is_file()), None)
    if listed is None:
        raise DataError(f"{folder} has no classes.txt: write the name of each class on a line of its own")
    words, rows = read_text(listed).split("\n"), []
    for name, file in _named(folder, ".txt"):
        for number, line in enumerate(read_text(file).splitlines() if file != listed else (), 1):
            try:
                word, *numbers = line.split() or [""]
                x, y, w, h = map(float, numbers[:4])
                if not word or len(numbers) > 5 or not (finding := words[int(word)].strip()) or int(word) < 0:
                    raise ValueError
            except (ValueError, IndexError):
                expected = f"a class of {listed.name}, and centre, width and height of a box"
                raise DataError(f"line {number} of {file} is {line[:80]!r}, expected {expected}") from None
            rows.append((name, finding, x - w / 2, y - h / 2, x + w / 2, y + h / 2, np.nan, np.nan))
    return pd.DataFrame(rows, columns=ROW)


def _named(folder: Path, suffix: str) -> Iterator[tuple[str, Path]]:
    """Yield the files in ``folder`` and its subfolders, each with its path without suffix."""
    files = sorted(folder.rglob(f"*{suffix}"))
    check_links(files, folder)
    for file in files:
        yield file.relative_to(folder).with_suffix("").as_posix(), file


def refuse_other_frames(table: pd.DataFrame, frames: Sequence[tuple[int, int]], file: Path) -> None:
    """Raise ``DataError`` for images whose width and height in a ``table`` are not those of their ``frames`` (H, W)."""
    stated, size = table[["height", "width"]].to_numpy(np.float64), np.array(frames, np.float64).reshape(-1, 2)
    wrong = (np.isfinite(stated) & (stated != size)).any(axis=1)
    if wrong.any():
        n = int(wrong.argmax())
        sizes = f"{stated[n, 1]:.0f}x{stated[n, 0]:.0f} there and {size[n, 1]:.0f}x{size[n, 0]:.0f} in the data set"
        raise DataError(
            f"{file} has {int(wrong.sum())} boxes in images of another size: {table['image'][n]} is {sizes}"
        )
