"""Read boxes as annotation tools write them. What the rows mean is checked by those who use them.

``read_coco``   COCO JSON: annotations with their images and categories, or a list of results
"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from locus.core import limits
from locus.core.errors import DataError, examples
from locus.datasets.io import pd

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
    content, listed = _json(file), False
    try:
        if isinstance(content, list):
            listed, source = True, {} if index is None else _json(index)
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
            image, finding = zip(*keys, strict=True) if keys else ((), ())
            return table.assign(image=image, finding=finding, width=np.nan, height=np.nan)
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


def _json(file: Path) -> Any:
    try:
        return json.loads(limits.require_size(file).read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"cannot read {file}: {error}") from error


def _by_id(entries: list[dict[str, Any]], file: Path) -> dict[str, dict[str, Any]]:
    """Return id -> entry. Ids are compared as text, because some tools write 3 and others "3"."""
    by_id = {str(entry["id"]): entry for entry in entries}
    if len(by_id) < len(entries):
        raise DataError(f"{file} has {len(entries) - len(by_id)} repeated ids: give each image and category its own")
    return by_id
