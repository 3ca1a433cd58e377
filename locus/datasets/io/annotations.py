"""Read boxes as tables, competitions and annotation tools write them. Edges are checked by those who use the rows.

``read_boxes``  a table, a COCO file, or a folder of Pascal VOC or YOLO files: a row per box
``read_table``  a CSV table, also NIH's, VinBigData's and RSNA's
``read_coco``   COCO JSON: annotations with their images and categories, or a list of results
``Names``       match names of images and findings with those of a data set

What a reader does not know is an error that says what and how many; with ``skip_unknown`` it is left out and counted.
"""

import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from xml.etree import ElementTree

import numpy as np

from locus.core.errors import DataError, UnknownNameError, examples
from locus.core.files import is_hidden
from locus.core.frames import xywh_to_xyxy
from locus.core.names import find_finding, identity
from locus.datasets.io import pd
from locus.datasets.io.images import SUFFIXES
from locus.datasets.io.shapes import COLUMNS as SHAPE_COLUMNS
from locus.datasets.io.shapes import Shape, of_cells, of_segmentation
from locus.datasets.io.tables import check_links, numbers, raise_if_any, read_csv, read_json, read_text

log = logging.getLogger(__name__)
BoxFormat = Literal["xyxy", "xywh"]
EDGES: Mapping[BoxFormat, Sequence[tuple[str, str, str, str]]] = {
    "xyxy": [("x0", "y0", "x1", "y1"), ("x1", "y1", "x2", "y2"), ("x_min", "y_min", "x_max", "y_max")],
    "xywh": [("x", "y", "w", "h"), ("x", "y", "width", "height")],
}
"""Column names of a box, by format."""
ROW = ("image", "finding", "x0", "y0", "x1", "y1", "width", "height")
"""Columns of ``read_boxes``: names, the box, and width and height of the image (nan if the file does not say them)."""
COLUMNS = {
    "Image Index": "image", "image_id": "image", "patientId": "image", "Finding Label": "finding",
    "class_name": "finding", "Bbox [x": "x", "h]": "h",
}  # fmt: skip
"""Columns of NIH's, VinBigData's and RSNA's tables -> columns here."""
NO_FINDING_WORDS = ("", "no finding", "no_finding", "normal", "none", "nan")
"""Words for no finding, in lower case."""
COCO = (
    "it must have images (id, file_name), categories (id, name) and annotations (image_id, category_id, bbox as xywh), "
    "or be a list of results"
)
IDS = "a list of results has ids: give the COCO file with its images and categories (truth.json) with --index"
UNREAD = ("iscrowd", "ignore", "difficult", "rotation", "angle")
"""Fields of an annotation that change its meaning and are not read: they must be 0, false or empty."""
READERS = ("rad_id", "reader", "reader_id", "radiologist", "annotator", "rater")
"""Fields that name the reader of a box."""
TOOLS = {"shapes": "LabelMe", "data": "Label Studio", "_via_img_metadata": "VIA"}
"""Key of a JSON file or of its entries -> the tool that writes it."""


def read_boxes(
    path: Path, image: str = "image", skip_unknown: bool = False, folder: Path | None = None, readers: bool = False
) -> pd.DataFrame:
    """Return a row per mark: ``ROW``, ``fractions``, ``shape`` and ``reader``.

    Args:
        path: a CSV table, a COCO file, or a folder.
        image: the name of the column of images in a table.
        skip_unknown: leave out and log what is not read.
        folder: the folder to which the paths of masks refer; None: that of the table.
        readers: accept the boxes of several readers of one image.

    Returns:
        ``fractions``: True if edges are fractions of the image's sides. ``shape``: a ``Shape`` or None; the edges of a
        row that has only a shape are nan. ``reader``: empty if the file does not say it.

    Raises:
        DataError: a broken file, one without a mark, and what is not read.
    """
    unknown: list[str] = []
    if path.is_dir():
        rows = _read_folder(path, unknown)
    elif path.suffix.lower() == ".xml":
        raise DataError(f"{path} is an XML file: give the folder with a Pascal VOC file per image")
    elif path.suffix.lower() == ".json":
        raw = read_coco(path, unknown=unknown, shapes=True, readers=readers)
        edges = xywh_to_xyxy(raw[["x", "y", "w", "h"]].to_numpy(np.float64)).T
        named = raw[["image", "finding", "width", "height", "shape", "reader"]]
        rows = named.assign(**dict(zip(ROW[2:6], edges, strict=True)))
    else:
        rows = _with_shapes(path, read_table(path, image, unknown, readers), folder or path.parent)
    what = f"{path} has {len(unknown)} annotations that are not read: {examples(unknown)}"
    if unknown and not skip_unknown:
        raise DataError(f"{what}; correct or remove them, or use the option skip_unknown=True to leave them out")
    if unknown:
        log.warning("%s; they are left out", what)
    if rows.empty:
        raise DataError(f"{path} has no boxes: add some or remove it")
    return rows.assign(**{name: rows.get(name, default) for name, default in DEFAULTS.items()})


DEFAULTS: Mapping[str, Any] = {"fractions": False, "shape": None, "reader": ""}
"""Columns of ``read_boxes`` that a file need not have -> their value then."""


def read_table(
    path: Path, image: str = "image", unknown: list[str] | None = None, readers: bool = False
) -> pd.DataFrame:
    """Return the cells of a table of boxes, with the columns image and finding, as text.

    NIH's, VinBigData's and RSNA's columns are renamed. Their rows without a finding are left out. Rows with a field
    that is not read (``UNREAD``) are added to ``unknown``. Raises ``DataError`` for them if it is None, and for boxes
    of several readers of one image unless ``readers``.
    """
    raw = read_csv(path, ())
    if "PredictionString" in raw:
        raise DataError(f"{path} is a competition's submission (PredictionString), which is not read: {ONE_ROW}")
    for old, new in {image: "image", **COLUMNS}.items():
        raw = raw.rename(columns={old: new}) if new not in raw else raw
    if "Target" in raw and "finding" not in raw:  # of RSNA
        raw = raw[raw["Target"] == "1"].assign(finding="Pneumonia")
    for column in ("image", "finding"):
        if column not in raw:
            raise DataError(f"{path} has no column {column!r}; it has: {', '.join(map(str, raw))}: {ONE_ROW}")
    raw = raw[~raw["finding"].str.lower().isin(NO_FINDING_WORDS) | (raw["finding"] == "")]
    if not readers:
        _refuse_several_readers(path, raw)
    if {*SHAPE_COLUMNS} & {*raw}:
        raw = raw.assign(**{LINE: raw.index + 2})
    unread = [unread_field(row) for row in raw.to_dict("records")]
    words = [f"row {number + 1} ({field})" for number, field in zip(raw.index.tolist(), unread, strict=True) if field]
    if unknown is None:
        raise_if_any(path, words, "boxes with a field that is not read", "; correct or remove them")
    else:
        unknown += words
    is_read = np.array([not field for field in unread], dtype=bool)
    return raw.loc[is_read].reset_index(drop=True)


def unread_field(fields: Mapping[Any, Any]) -> str:
    """Return the first field of ``UNREAD`` whose value is not 0, false or empty; "" if there is none.

    >>> unread_field({"Difficult": "0", "rotation": 90.0}), unread_field({"ignore": False, "angle": None})
    ('rotation', '')
    """
    for name, value in fields.items():
        is_set = not re.fullmatch(r"-?0*\.?0*|false|no|none|null|nan", str(value).strip().lower())
        if str(name).lower() in UNREAD and is_set:
            return str(name)
    return ""


def _refuse_several_readers(path: Path, table: pd.DataFrame) -> None:
    """Raise ``DataError`` if a ``table`` has boxes of several readers of one image, which would all be the truth."""
    for column in table.columns.intersection([*READERS]):
        readers = table.groupby("image")[column].nunique()
        if (readers > 1).any():
            image, advice = readers.idxmax(), "use --dataset folder:readers=True, or keep one reader's boxes"
            raise DataError(f"{path} has boxes of {readers.max()} readers ({column}) in the image {image}: {advice}")


ONE_ROW = (
    "write a row per box: image, finding, and x0, y0, x1, y1 (edges) or x, y, w, h (corner and size); a data "
    "set may also have mask, rle, polygon or ellipse"
)


def edges_in(table: pd.DataFrame) -> list[tuple[BoxFormat, tuple[str, str, str, str]]]:
    """Return the formats and columns of the boxes in a table; width and height are the image's if others are there."""
    found = [(kind, names) for kind, several in EDGES.items() for names in several if {*names} <= {*table}]
    return [one for one in found if "width" not in one[1]] or found


def image_sizes(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    """Return width and height of each row's image, nan if unknown; ``columns``: those of the box."""
    sizes: dict[str, Any] = {"width": np.nan, "height": np.nan}
    for name in table.columns.difference([*columns]):
        side = re.sub("^(image|img|original)_", "", str(name).lower())
        if side in sizes and (stated := table[name].str.strip() != "").any():
            sizes[side] = numbers(path, table.loc[stated, name]).reindex(table.index)
    return sizes


LINE = "_line"
"""Column with the line of a row in its file, if the table has shapes."""


def _with_shapes(path: Path, raw: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return the marks of a table: its shapes, and the edges of the rows without one."""
    columns = [name for name in READERS if name in raw]
    reader = raw[columns[0]] if columns else ""
    if LINE not in raw:
        return _with_edges(path, raw).assign(reader=reader)
    lines = zip(raw[LINE], raw.to_dict("records"), strict=True)
    rows_of_table: list[tuple[Any, Any]] = [*lines]
    read: list[Any] = [of_cells(row, folder, f"{path}, line {line}") for line, row in rows_of_table]
    shapes = pd.Series(read, raw.index, object)
    edges = edges_in(raw)
    empty = (raw[[*edges[0][1]]] == "").all(axis=1) if edges else pd.Series(True, raw.index)
    if (lacking := shapes.isna() & empty).any():
        raise DataError(f"{path}, line {raw[LINE][lacking].iloc[0]} has no box and no shape: add one or remove the row")
    sizes = image_sizes(path, raw, [name for _, names in edges for name in names])
    rows = raw[["image", "finding"]].assign(**dict.fromkeys(ROW[2:6], np.nan), **sizes)
    if not empty.all():
        boxed = _with_edges(path, raw[~empty])
        rows.loc[~empty, [*ROW[2:6]]] = boxed[[*ROW[2:6]]].to_numpy()
    return rows.assign(shape=shapes, reader=reader)


def _with_edges(path: Path, raw: pd.DataFrame) -> pd.DataFrame:
    found = edges_in(raw)
    if not found:
        raise DataError(f"{path} has the columns {', '.join(map(str, raw))}: {ONE_ROW}")
    boxes = [np.stack([numbers(path, raw[name]) for name in names], axis=1) for _, names in found]
    boxes = [xywh_to_xyxy(box) if kind == "xywh" else box for box, (kind, _) in zip(boxes, found, strict=True)]
    for box, (_, names) in zip(boxes, found, strict=True):
        if (wrong := ~np.isclose(box, boxes[0], rtol=0.01).all(axis=1)).any():
            both = f"{', '.join(found[0][1])} contradict {', '.join(names)}: remove one of them"
            raise DataError(f"{path}: in {wrong.sum()} rows, first row {wrong.argmax() + 1}, {both}")
    rows = dict(zip(ROW[2:6], boxes[0].T, strict=True))
    return raw[["image", "finding"]].assign(**rows, **image_sizes(path, raw, found[0][1]))


def read_coco(
    file: Path, index: Path | None = None, unknown: list[str] | None = None, shapes: bool = False, readers: bool = False
) -> pd.DataFrame:
    """Return a row per annotation: image, finding, x, y, w, h, score, and width and height of its image.

    A list of results has the images and categories of the COCO file ``index``; without one, its image_id and
    category_id must be names. Numbers that the file does not state are nan. Annotations that are regions to ignore
    (iscrowd), have no box or another field that is not read are added to ``unknown``. ``shapes``: also return the
    columns ``shape`` (of the field ``segmentation``, with which the box may be missing) and ``reader``. Raises
    ``DataError`` for broken files, unknown ids, boxes as corners and, unless ``readers``, several readers of one image.
    """
    content, listed = read_json(file), False
    first = content[0] if isinstance(content, list) and content else content
    for key, tool in TOOLS.items():
        if isinstance(first, dict) and key in first and "bbox" not in first:
            raise DataError(f"{file} is written by {tool}, whose JSON is not read: export COCO, Pascal VOC or YOLO")
    try:
        if isinstance(content, list):
            listed, source = True, {} if index is None else read_json(index)
            rows = content
        else:
            source, rows = content, content["annotations"]
        if unknown is not None:
            reasons = [_unread_annotation(row, shapes) for row in rows]
            unknown += [f"{row.get('id')} ({why})" for row, why in zip(rows, reasons, strict=True) if why]
            rows = [row for row, why in zip(rows, reasons, strict=True) if not why]
        named = listed and index is None
        images = {} if named else _by_id(source["images"], index or file)
        words = {} if named else _by_id(source["categories"], index or file)
        keys = [(_whole(row["image_id"]), _whole(row["category_id"])) for row in rows]
        if not readers:
            _refuse_several_readers(file, pd.DataFrame(rows).assign(image=[image for image, _ in keys]))
        _refuse_corners(file, [row for row in rows if row.get("bbox")])
        boxes = [row.get("bbox") or [np.nan] * 4 for row in rows]
        values = [[*box, row.get("score", np.nan)] for box, row in zip(boxes, rows, strict=True)]
        table = pd.DataFrame(np.array(values, np.float64).reshape(len(rows), 5), columns=["x", "y", "w", "h", "score"])
        if shapes:
            table["shape"] = pd.Series([_shape(row, file) for row in rows], dtype=object)
            table["reader"] = [next((str(row[name]) for name in READERS if name in row), "") for row in rows]
        if named:
            if any(not isinstance(key, str) for pair in keys for key in pair):
                raise DataError(f"{file}: {IDS}")
            names = zip(*keys, strict=True) if keys else ((), ())
            return table.assign(**dict(zip(("image", "finding"), names, strict=True)), width=np.nan, height=np.nan)
        for what, known, used in (("image", images, 0), ("category", words, 1)):
            if missing := {str(key[used]) for key in keys} - known.keys():
                listing = f"{what} ids that {index or file} does not list"
                raise DataError(f"{file} has {len(missing)} {listing}: {examples(sorted(missing))}")
        about = [images[str(image)] for image, _ in keys]
        sides = {side: np.array([one.get(side) or np.nan for one in about], np.float64) for side in ("width", "height")}
        finding = [str(words[str(word)]["name"]) for _, word in keys]
        paths = [str(one["file_name"]).replace("\\", "/") for one in about]
        return table.assign(image=paths, finding=finding, **sides)
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise DataError(f"{file} is not a COCO file with boxes ({type(error).__name__}: {error}): {COCO}") from error


def _shape(row: dict[str, Any], file: Path) -> Shape | None:
    """Return the shape of a COCO annotation; None if it has only a box."""
    value = row.get("segmentation")
    return of_segmentation(value, f"{file}, annotation {row.get('id')}") if value else None


def _unread_annotation(row: dict[str, Any], shapes: bool) -> str:
    """Return why a COCO annotation is not read; "" if it is read. ``shapes``: a segmentation replaces a missing box."""
    attributes = row.get("attributes")
    fields = {**attributes, **row} if isinstance(attributes, dict) else row
    has_mark = row.get("bbox") or (shapes and row.get("segmentation"))
    return unread_field(fields) or ("" if has_mark else "no bbox")


def _whole(value: Any) -> Any:
    """Return an id as JSON compares it: 3.0 is 3."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _refuse_corners(file: Path, rows: list[dict[str, Any]]) -> None:
    """Raise ``DataError`` if the areas of all boxes are those of xyxy and not of COCO's xywh."""
    boxes = np.array([row["bbox"] for row in rows], np.float64).reshape(-1, 4)
    areas = np.array([row.get("area") or np.nan for row in rows], np.float64)
    corners = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    sizes = np.prod(boxes[:, 2:], axis=1)
    if len(rows) and np.isclose(corners, areas).all() and not np.isclose(sizes, areas).any():
        raise DataError(f"{file} has boxes whose area is that of corners (xyxy): write COCO's x, y, width, height")


def _by_id(entries: list[dict[str, Any]], file: Path) -> dict[str, dict[str, Any]]:
    """Return id -> entry. Ids are compared as text, because some tools write 3 and others "3"."""
    by_id = {str(_whole(entry["id"])): entry for entry in entries}
    if len(by_id) < len(entries):
        raise DataError(f"{file} has {len(entries) - len(by_id)} repeated ids: give each image and category its own")
    return by_id


def _read_folder(folder: Path, unknown: list[str]) -> pd.DataFrame:
    """Return the boxes of a folder with files of one kind. An image is called as its file, without suffix."""
    found = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".xml", ".txt", ".json"))
    files = [path for path in found if not is_hidden(path, folder)]
    check_links(files, folder)
    classes = [path for path in files if path.name in ("classes.txt", "obj.names")]
    classes += [path for path in [folder / "obj.names"] if path.is_file()]
    kinds: dict[str, list[Path]] = {}
    for path in files:
        if path not in classes:
            kinds.setdefault(path.suffix.lower(), []).append(path)
    if len(kinds) > 1:
        listing = " and ".join(f"{len(several)} {suffix}" for suffix, several in kinds.items())
        raise DataError(f"{folder} has {listing} files: keep those of one kind of annotation in it")
    if ".json" in kinds:
        raise DataError(f"{folder} has JSON files, as LabelMe writes them: export COCO, Pascal VOC or YOLO")
    if not kinds:
        raise DataError(f"{folder} has no files of boxes: it must contain Pascal VOC (.xml) or YOLO (.txt) files")
    is_voc = ".xml" in kinds
    rows = _voc_rows(kinds[".xml"], folder, unknown) if is_voc else _yolo_rows(kinds[".txt"], folder, classes)
    return pd.DataFrame(rows, columns=ROW).assign(fractions=not is_voc)


def _name(file: Path, folder: Path) -> str:
    return file.relative_to(folder).with_suffix("").as_posix()


def _voc_rows(files: Iterable[Path], folder: Path, unknown: list[str]) -> list[tuple[Any, ...]]:
    """Return the objects of Pascal VOC files. Namespaces are ignored."""
    rows = []
    for file in files:
        text = read_text(file).strip()
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise DataError(f"{file} has a DOCTYPE or an entity, which is not read: remove it")
        try:
            root = ElementTree.fromstring(text)
            for element in root.iter():
                element.tag = str(element.tag).rpartition("}")[2]
            if root.tag != "annotation":
                unknown.append(f"{file.name} (root <{root.tag}>{', as CVAT writes it' * (root.tag == 'annotations')})")
                continue
            boxed = (one.tag for one in root if one.find("bndbox") is not None)
            unknown += [f"{file.name} (<{tag}>)" for tag in boxed if tag != "object"]
            size = [float(root.findtext(f"size/{side}") or "nan") or np.nan for side in ("width", "height")]
            for one in root.iter("object"):
                word = one.findtext("name", "").strip()
                edges = [float(one.findtext(f"bndbox/{edge}") or "nan") for edge in ("xmin", "ymin", "xmax", "ymax")]
                if not word or np.isnan(edges).any() or len(one.findall("bndbox")) > 1:
                    unknown.append(f"{file.name} ({word or 'no name'}: {', '.join(part.tag for part in one)})")
                    continue
                fields = {part.tag: part.text or "" for part in one}
                fields |= {part.findtext("name", ""): part.findtext("value", "") for part in one.iter("attribute")}
                if field := unread_field(fields):
                    unknown.append(f"{file.name} ({word}: {field})")
                    continue
                rows.append((_name(file, folder), word, *edges, *size))
        except (ElementTree.ParseError, ValueError) as error:
            raise DataError(f"{file} is not a Pascal VOC file: {error}") from error
    return rows


def _yolo_rows(files: Iterable[Path], folder: Path, classes: Sequence[Path]) -> list[tuple[Any, ...]]:
    """Return the lines of YOLO files: edges as fractions of the image's sides."""
    lists = {tuple(read_text(path).strip().splitlines()): path for path in classes}
    if not lists:
        raise DataError(f"{folder} has no classes.txt: write the name of each class on a line of its own")
    if len(lists) > 1:
        raise DataError(f"{' and '.join(map(str, lists.values()))} list different classes: remove one of them")
    ((words, listed),), rows = lists.items(), []
    for file in files:
        for number, line in enumerate(read_text(file).strip().splitlines(), 1):
            try:
                word, *values = line.split() or [""]
                x, y, w, h = map(float, values[:4])
                if not word or len(values) > 5 or not (finding := words[int(word)].strip()) or int(word) < 0:
                    raise ValueError
            except (ValueError, IndexError):
                expected = f"a class of {listed.name}, and centre, width and height of a box"
                raise DataError(f"line {number} of {file} is {line[:80]!r}, expected {expected}") from None
            rows.append((_name(file, folder), finding, x - w / 2, y - h / 2, x + w / 2, y + h / 2, np.nan, np.nan))
    return rows


def refuse_other_frames(table: pd.DataFrame, frames: Sequence[tuple[int, int]], file: Path) -> None:
    """Raise ``DataError`` for images whose width and height in a ``table`` are not those of their ``frames`` (H, W)."""
    stated, size = table[["height", "width"]].to_numpy(np.float64), np.array(frames, np.float64).reshape(-1, 2)
    wrong = (np.isfinite(stated) & (stated != size)).any(axis=1)
    if wrong.any():
        n = int(wrong.argmax())
        sizes = f"{stated[n, 1]:.0f}x{stated[n, 0]:.0f} there and {size[n, 1]:.0f}x{size[n, 0]:.0f} in the data set"
        name = table["image"].iloc[n]
        raise DataError(f"{file} has {int(wrong.sum())} boxes in images of another size: {name} is {sizes}")


class Names:
    """The images and findings of a data set's split.

    A name matches an image if one of the two paths ends with the other. Suffixes may be left out, and folders may be
    joined by ``_``.

    >>> names = Names(["00000001_000.png", "b/1.png", "c/1.png"], ["Mass", "Pleural_Thickening"])
    >>> names.image("maps/00000001_000.npy"), names.image("b_1"), names.image("other/1.png")
    ('00000001_000.png', 'b/1.png', None)
    >>> names.finding("pleural thickening", "a.csv")
    'Pleural_Thickening'
    """

    def __init__(self, images: Iterable[str], findings: Sequence[str]) -> None:
        """Index ``images`` by their whole paths and by the ends of these."""
        self.findings = tuple(findings)
        self._wholes: dict[str, set[str]] = {}
        self._ends: dict[str, set[str]] = {}
        for image in images:
            whole, *ends = _ends(image)
            for index, paths in ((self._wholes, [whole]), (self._ends, ends)):
                for name in (name for path in paths for name in (path, _without_suffix(path))):
                    index.setdefault(name, set()).add(image)

    def finding(self, word: str, where: str) -> str:
        """Return the finding with this name or alias. Raises ``DataError`` that names ``where`` for another word."""
        if (finding := find_finding(word, self.findings)) is None:
            raise DataError(f"{where}: {UnknownNameError('finding', word, self.findings)}")
        return finding

    def resolve_images(self, names: Sequence[str], what: str) -> list[str]:
        """Return the image of each name. Raises ``DataError`` with the number of ``what`` that match no image."""
        images = [self.image(name) for name in names]
        unknown = [name for name, image in zip(names, images, strict=True) if image is None]
        refuse_unknown_images(unknown, len(names), what)
        return [str(image) for image in images]

    def image(self, name: str) -> str | None:
        """Return the image of ``name``; None if it is not in the split. Raises ``DataError`` if it matches several."""
        whole, *ends = _ends(name)
        for index, paths in ((self._wholes, [whole]), (self._ends, [whole]), (self._wholes, ends)):
            for path in paths:
                if images := index.get(path) or index.get(_without_suffix(path)):
                    if len(images) > 1:
                        several = f"{len(images)} images ({examples(sorted(images))})"
                        raise DataError(f"the name {name!r} fits {several}: write their names with folder and suffix")
                    return next(iter(images))
        return None

    def split(self, path: str) -> tuple[str, str] | None:
        """Split ``<image>_<finding>`` at the longest matching image; None if no image matches.

        >>> Names(["a_1.png"], ["Mass"]).split("maps/a_1_Mass")
        ('a_1.png', 'Mass')
        """
        folder, slash, name = path.rpartition("/")
        parts = name.split("_")
        for n in range(len(parts) - 1, 0, -1):
            image = self.image(folder + slash + "_".join(parts[:n]))
            if image is not None:
                return image, "_".join(parts[n:])
        return None


def _ends(path: str) -> list[str]:
    """Return the ends of a path, longest first, with ``_`` between folders.

    >>> _ends("a/b/c.png")
    ['a_b_c.png', 'b_c.png', 'c.png']
    """
    parts = [part for part in identity(path).split("/") if part not in ("", ".")] or [path]
    return ["_".join(parts[n:]) for n in range(len(parts))]


def _without_suffix(name: str) -> str:
    """Return a name without the suffix of an image or a map; other dots belong to the name, as in a DICOM UID."""
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and dot + suffix.lower() in (*SUFFIXES, ".npy", ".npz") else name


def refuse_unknown_images(unknown: Sequence[str], total: int, what: str) -> None:
    """Raise ``DataError`` if some names match no image of the split."""
    if unknown:
        raise DataError(
            f"{len(unknown)} of {total} {what} match no image of the test split: {examples(unknown)}; "
            "check --dataset and --partition"
        )
