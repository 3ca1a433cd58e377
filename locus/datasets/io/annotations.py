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
from locus.datasets.io.tables import (
    check_links,
    numbers,
    raise_if_any,
    read_csv,
    read_json,
    read_text,
)

log = logging.getLogger(__name__)
BoxFormat = Literal["xyxy", "xywh"]
EDGES: Mapping[BoxFormat, Sequence[tuple[str, str, str, str]]] = {
    "xyxy": [
        ("x0", "y0", "x1", "y1"),
        ("x1", "y1", "x2", "y2"),
        ("x_min", "y_min", "x_max", "y_max"),
    ],
    "xywh": [("x", "y", "w", "h"), ("x", "y", "width", "height")],
}
"""Column names of a box, by format."""
ROW = ("image", "finding", "x0", "y0", "x1", "y1", "width", "height")
"""Columns of ``read_boxes``: names, the box, and width and height of the image (nan if the file does not say them)."""
DEFAULTS: Mapping[str, Any] = {"fractions": False, "shape": None, "reader": ""}
"""Columns of ``read_boxes`` that a file need not have -> their value then."""
LINE = "_line"
"""Column with the line of a row in its file, if the table has shapes."""
ONE_ROW = (
    "write a row per box: image, finding, and x0, y0, x1, y1 (edges) or x, y, w, h (corner and size); a data "
    "set may also have mask, rle, polygon or ellipse"
)
COLUMNS = {
    "Image Index": "image",
    "image_id": "image",
    "patientId": "image",
    "Finding Label": "finding",
    "class_name": "finding",
    "Bbox [x": "x",
    "h]": "h",
}
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
    path: Path,
    image: str = "image",
    skip_unknown: bool = False,
    folder: Path | None = None,
    readers: bool = False,
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
    suffix = path.suffix.lower()
    if path.is_dir():
        rows = _read_folder(path, unknown)
    elif suffix == ".xml":
        raise DataError(f"{path} is an XML file: give the folder with a Pascal VOC file per image")
    elif suffix == ".json":
        raw = read_coco(path, unknown=unknown, shapes=True, readers=readers)
        edges = xywh_to_xyxy(raw[["x", "y", "w", "h"]].to_numpy(np.float64))
        rows = raw[["image", "finding", "width", "height", "shape", "reader"]].copy()
        rows[[*ROW[2:6]]] = edges
    else:
        table = read_table(path, image, unknown, readers)
        rows = _with_shapes(path, table, folder or path.parent)
    if unknown:
        problem = f"{path} has {len(unknown)} annotations that are not read: {examples(unknown)}"
        if not skip_unknown:
            raise DataError(
                f"{problem}; correct or remove them, or use the option skip_unknown=True to leave them out"
            )
        log.warning("%s; they are left out", problem)
    if rows.empty:
        raise DataError(f"{path} has no boxes: add some or remove it")
    return rows.assign(**{name: rows.get(name, default) for name, default in DEFAULTS.items()})


def read_table(
    path: Path, image: str = "image", unknown: list[str] | None = None, readers: bool = False
) -> pd.DataFrame:
    """Return the cells of a table of boxes, with the columns image and finding, as text.

    NIH's, VinBigData's and RSNA's columns are renamed. Their rows without a finding are left out.

    Args:
        path: the table.
        image: name of the column with the images.
        unknown: list to which rows with a field that is not read (``UNREAD``) are added; None: they are an error.
        readers: accept the boxes of several readers of one image.

    Raises:
        DataError: a column is missing, a row has a field that is not read, or an image has several readers.
    """
    table = read_csv(path, ())
    if "PredictionString" in table:
        raise DataError(
            f"{path} is a competition's submission (PredictionString), which is not read: {ONE_ROW}"
        )
    for heading, column in {image: "image", **COLUMNS}.items():
        if column not in table:
            table = table.rename(columns={heading: column})
    if "Target" in table and "finding" not in table:  # of RSNA
        table = table[table["Target"] == "1"].assign(finding="Pneumonia")
    for column in ("image", "finding"):
        if column not in table:
            raise DataError(
                f"{path} has no column {column!r}; it has: {', '.join(map(str, table))}: {ONE_ROW}"
            )
    is_no_finding = table["finding"].str.lower().isin(NO_FINDING_WORDS) & (table["finding"] != "")
    table = table[~is_no_finding]
    if not readers:
        _refuse_several_readers(path, table)
    if {*SHAPE_COLUMNS} & {*table}:
        table = table.assign(**{LINE: table.index + 2})
    fields = [unread_field(row) for row in table.to_dict("records")]
    problems = [
        f"row {number + 1} ({field})"
        for number, field in zip(table.index.tolist(), fields, strict=True)
        if field
    ]
    if unknown is None:
        raise_if_any(
            path, problems, "boxes with a field that is not read", "; correct or remove them"
        )
    else:
        unknown += problems
    is_read = np.array([not field for field in fields], dtype=bool)
    return table.loc[is_read].reset_index(drop=True)


def unread_field(fields: Mapping[Any, Any]) -> str:
    """Return the first field of ``UNREAD`` whose value is not 0, false or empty; "" if there is none.

    >>> unread_field({"Difficult": "0", "rotation": 90.0}), unread_field({"ignore": False, "angle": None})
    ('rotation', '')
    """
    for name, value in fields.items():
        if str(name).lower() in UNREAD:
            text = str(value).strip().lower()
            if not re.fullmatch(r"-?0*\.?0*|false|no|none|null|nan", text):
                return str(name)
    return ""


def _refuse_several_readers(path: Path, table: pd.DataFrame) -> None:
    """Raise ``DataError`` if a ``table`` has boxes of several readers of one image, which would all be the truth."""
    for column in table.columns.intersection([*READERS]):
        readers = table.groupby("image")[column].nunique()
        if (readers > 1).any():
            image = readers.idxmax()
            advice = "use --dataset folder:readers=True, or keep one reader's boxes"
            raise DataError(
                f"{path} has boxes of {readers.max()} readers ({column}) in the image {image}: {advice}"
            )


def edges_in(table: pd.DataFrame) -> list[tuple[BoxFormat, tuple[str, str, str, str]]]:
    """Return the formats and columns of the boxes in a table; width and height are the image's if others are there."""
    boxes = []
    for box_format, alternatives in EDGES.items():
        boxes += [(box_format, columns) for columns in alternatives if {*columns} <= {*table}]
    without_width = [
        (box_format, columns) for box_format, columns in boxes if "width" not in columns
    ]
    return without_width or boxes


def image_sizes(path: Path, table: pd.DataFrame, columns: Sequence[str]) -> dict[str, Any]:
    """Return width and height of each row's image, nan if unknown; ``columns``: those of the box."""
    sizes: dict[str, Any] = {"width": np.nan, "height": np.nan}
    for name in table.columns.difference([*columns]):
        side = re.sub("^(image|img|original)_", "", str(name).lower())
        if side in sizes:
            is_given = table[name].str.strip() != ""
            if is_given.any():
                sizes[side] = numbers(path, table.loc[is_given, name]).reindex(table.index)
    return sizes


def _with_shapes(path: Path, table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Return the marks of a table: its shapes, and the edges of the rows without one."""
    reader_columns = [name for name in READERS if name in table]
    reader = table[reader_columns[0]] if reader_columns else ""
    if LINE not in table:
        return _with_edges(path, table).assign(reader=reader)
    rows_of_table: list[Any] = table.to_dict("records")
    shapes_of_rows: list[Any] = []
    for line, row in zip(table[LINE], rows_of_table, strict=True):
        shapes_of_rows.append(of_cells(row, folder, f"{path}, line {line}"))
    shapes = pd.Series(shapes_of_rows, table.index, object)
    edges = edges_in(table)
    has_no_box = pd.Series(True, table.index)
    if edges:
        _, box_columns = edges[0]
        has_no_box = (table[[*box_columns]] == "").all(axis=1)
    has_nothing = shapes.isna() & has_no_box
    if has_nothing.any():
        line = table[LINE][has_nothing].iloc[0]
        raise DataError(f"{path}, line {line} has no box and no shape: add one or remove the row")
    sizes = image_sizes(path, table, [name for _, columns in edges for name in columns])
    rows = table[["image", "finding"]].assign(**dict.fromkeys(ROW[2:6], np.nan), **sizes)
    if not has_no_box.all():
        boxed = _with_edges(path, table[~has_no_box])
        rows.loc[~has_no_box, [*ROW[2:6]]] = boxed[[*ROW[2:6]]].to_numpy()
    return rows.assign(shape=shapes, reader=reader)


def _with_edges(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Return image, finding, edges and size of the image; boxes that are given in two formats must agree."""
    formats = edges_in(table)
    if not formats:
        raise DataError(f"{path} has the columns {', '.join(map(str, table))}: {ONE_ROW}")
    boxes = []
    for box_format, columns in formats:
        values = np.stack([numbers(path, table[name]) for name in columns], axis=1)
        boxes.append(xywh_to_xyxy(values) if box_format == "xywh" else values)
    first_box = boxes[0]
    _, first_columns = formats[0]
    for box, (_, columns) in zip(boxes, formats, strict=True):
        is_other = ~np.isclose(box, first_box, rtol=0.01).all(axis=1)
        if is_other.any():
            both = f"{', '.join(first_columns)} contradict {', '.join(columns)}: remove one of them"
            raise DataError(
                f"{path}: in {is_other.sum()} rows, first row {is_other.argmax() + 1}, {both}"
            )
    edges = dict(zip(ROW[2:6], first_box.T, strict=True))
    return table[["image", "finding"]].assign(**edges, **image_sizes(path, table, first_columns))


def read_coco(
    file: Path,
    index: Path | None = None,
    unknown: list[str] | None = None,
    shapes: bool = False,
    readers: bool = False,
    content: Any = None,
) -> pd.DataFrame:
    """Return a row per annotation: image, finding, x, y, w, h, score, and width and height of its image.

    Numbers that the file does not state are nan.

    Args:
        file: a COCO file, or a list of results.
        index: the COCO file with the images and categories of a list of results; without one, its image_id and
            category_id must be names.
        unknown: list to which annotations are added that are regions to ignore (iscrowd), have no box or another field
            that is not read; None: nothing is left out.
        shapes: also return the columns ``shape`` (of the field ``segmentation``, with which the box may be missing)
            and ``reader``.
        readers: accept the boxes of several readers of one image.
        content: what the file contains, if it was read before.

    Raises:
        DataError: a broken file, unknown ids, boxes as corners, several readers of one image.
    """
    if content is None:
        content = read_json(file)
    is_list = isinstance(content, list)
    _refuse_other_tools(content[0] if is_list and content else content, file)
    has_names = is_list and index is None
    try:
        source = content
        if is_list:
            source = {} if index is None else read_json(index)
        rows = content if is_list else content["annotations"]
        if unknown is not None:
            rows = _read_annotations(rows, unknown, shapes)
        images = {} if has_names else _by_id(source["images"], index or file)
        categories = {} if has_names else _by_id(source["categories"], index or file)
        image_ids = [_whole(row["image_id"]) for row in rows]
        category_ids = [_whole(row["category_id"]) for row in rows]
        if not readers:
            _refuse_several_readers(file, pd.DataFrame(rows).assign(image=image_ids))
        table = _coco_boxes(rows, file)
        if shapes:
            table["shape"] = pd.Series([_shape(row, file) for row in rows], dtype=object)
            table["reader"] = [
                next((str(row[name]) for name in READERS if name in row), "") for row in rows
            ]
        if has_names:
            if not all(isinstance(name, str) for name in (*image_ids, *category_ids)):
                raise DataError(f"{file}: {IDS}")
            return table.assign(image=image_ids, finding=category_ids, width=np.nan, height=np.nan)
        _refuse_unknown_ids("image", image_ids, images, file, index)
        _refuse_unknown_ids("category", category_ids, categories, file, index)
        row_images = [images[str(image_id)] for image_id in image_ids]
        file_names = [str(image["file_name"]).replace("\\", "/") for image in row_images]
        widths = [image.get("width") or np.nan for image in row_images]
        heights = [image.get("height") or np.nan for image in row_images]
        return table.assign(
            image=file_names,
            finding=[str(categories[str(category_id)]["name"]) for category_id in category_ids],
            width=np.array(widths, np.float64),
            height=np.array(heights, np.float64),
        )
    except (ValueError, TypeError, AttributeError, LookupError, OverflowError) as error:
        raise DataError(
            f"{file} is not a COCO file with boxes ({type(error).__name__}: {error}): {COCO}"
        ) from error


def _refuse_other_tools(first: Any, file: Path) -> None:
    """Raise ``DataError`` if the ``first`` entry of a file was written by a tool whose JSON is not read."""
    if not isinstance(first, dict) or "bbox" in first:
        return
    for key, tool in TOOLS.items():
        if key in first:
            raise DataError(
                f"{file} is written by {tool}, whose JSON is not read: export COCO, Pascal VOC or YOLO"
            )


def _read_annotations(
    rows: list[dict[str, Any]], unknown: list[str], shapes: bool
) -> list[dict[str, Any]]:
    """Return the annotations that are read; the others are added to ``unknown``."""
    read = []
    for row in rows:
        reason = _unread_annotation(row, shapes)
        if reason:
            unknown.append(f"{row.get('id')} ({reason})")
        else:
            read.append(row)
    return read


def _coco_boxes(rows: list[dict[str, Any]], file: Path) -> pd.DataFrame:
    """Return x, y, w, h and score of annotations; nan without a box. Raises ``DataError`` for boxes as corners."""
    _refuse_corners(file, [row for row in rows if row.get("bbox")])
    values = [[*(row.get("bbox") or [np.nan] * 4), row.get("score", np.nan)] for row in rows]
    array = np.array(values, np.float64).reshape(len(rows), 5)
    return pd.DataFrame(array, columns=["x", "y", "w", "h", "score"])


def _refuse_unknown_ids(
    kind: str, ids: Sequence[Any], entries: Mapping[str, Any], file: Path, index: Path | None
) -> None:
    """Raise ``DataError`` for ids of annotations without an entry."""
    missing = {str(entry_id) for entry_id in ids} - entries.keys()
    if missing:
        problem = f"{len(missing)} {kind} ids that {index or file} does not list"
        raise DataError(f"{file} has {problem}: {examples(sorted(missing))}")


def _shape(row: dict[str, Any], file: Path) -> Shape | None:
    """Return the shape of a COCO annotation; None if it has only a box."""
    value = row.get("segmentation")
    return of_segmentation(value, f"{file}, annotation {row.get('id')}") if value else None


def _unread_annotation(row: dict[str, Any], shapes: bool) -> str:
    """Return why a COCO annotation is not read; "" if it is read. ``shapes``: a segmentation replaces a missing box."""
    attributes = row.get("attributes")
    field = unread_field({**attributes, **row} if isinstance(attributes, dict) else row)
    if field:
        return field
    has_mark = row.get("bbox") or (shapes and row.get("segmentation"))
    return "" if has_mark else "no bbox"


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
        raise DataError(
            f"{file} has boxes whose area is that of corners (xyxy): write COCO's x, y, width, height"
        )


def _by_id(entries: list[dict[str, Any]], file: Path) -> dict[str, dict[str, Any]]:
    """Return id -> entry. Ids are compared as text, because some tools write 3 and others "3"."""
    by_id = {str(_whole(entry["id"])): entry for entry in entries}
    if len(by_id) < len(entries):
        raise DataError(
            f"{file} has {len(entries) - len(by_id)} repeated ids: give each image and category its own"
        )
    return by_id


def _read_folder(folder: Path, unknown: list[str]) -> pd.DataFrame:
    """Return the boxes of a folder with files of one kind. An image is called as its file, without suffix."""
    candidates = sorted(
        path for path in folder.rglob("*") if path.suffix.lower() in (".xml", ".txt", ".json")
    )
    files = [path for path in candidates if not is_hidden(path, folder)]
    check_links(files, folder)
    class_lists = [path for path in files if path.name in ("classes.txt", "obj.names")]
    if (folder / "obj.names").is_file():
        class_lists.append(folder / "obj.names")
    files_by_suffix: dict[str, list[Path]] = {}
    for path in files:
        if path not in class_lists:
            files_by_suffix.setdefault(path.suffix.lower(), []).append(path)
    if len(files_by_suffix) > 1:
        listing = " and ".join(
            f"{len(paths)} {suffix}" for suffix, paths in files_by_suffix.items()
        )
        raise DataError(f"{folder} has {listing} files: keep those of one kind of annotation in it")
    if ".json" in files_by_suffix:
        raise DataError(
            f"{folder} has JSON files, as LabelMe writes them: export COCO, Pascal VOC or YOLO"
        )
    if not files_by_suffix:
        raise DataError(
            f"{folder} has no files of boxes: it must contain Pascal VOC (.xml) or YOLO (.txt) files"
        )
    is_voc = ".xml" in files_by_suffix
    if is_voc:
        rows = _voc_rows(files_by_suffix[".xml"], folder, unknown)
    else:
        rows = _yolo_rows(files_by_suffix[".txt"], folder, class_lists)
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
                tool = ", as CVAT writes it" if root.tag == "annotations" else ""
                unknown.append(f"{file.name} (root <{root.tag}>{tool})")
                continue
            for element in root:
                if element.tag != "object" and element.find("bndbox") is not None:
                    unknown.append(f"{file.name} (<{element.tag}>)")
            size = [
                float(root.findtext(f"size/{side}") or "nan") or np.nan
                for side in ("width", "height")
            ]
            for element in root.iter("object"):
                name, edges = _voc_object(element)
                problem = _voc_problem(element, name, edges)
                if problem:
                    unknown.append(f"{file.name} ({problem})")
                else:
                    rows.append((_name(file, folder), name, *edges, *size))
        except (ElementTree.ParseError, ValueError) as error:
            raise DataError(f"{file} is not a Pascal VOC file: {error}") from error
    return rows


def _voc_object(element: ElementTree.Element) -> tuple[str, list[float]]:
    """Return the name of an object and the edges of its box; nan where they are missing."""
    edges = [
        float(element.findtext(f"bndbox/{edge}") or "nan")
        for edge in ("xmin", "ymin", "xmax", "ymax")
    ]
    return element.findtext("name", "").strip(), edges


def _voc_problem(element: ElementTree.Element, name: str, edges: Sequence[float]) -> str:
    """Return why an object is not read; "" if it is read."""
    if not name or np.isnan(edges).any() or len(element.findall("bndbox")) > 1:
        return f"{name or 'no name'}: {', '.join(child.tag for child in element)}"
    fields = {child.tag: child.text or "" for child in element}
    for attribute in element.iter("attribute"):
        fields[attribute.findtext("name", "")] = attribute.findtext("value", "")
    field = unread_field(fields)
    return f"{name}: {field}" if field else ""


def _yolo_rows(
    files: Iterable[Path], folder: Path, class_lists: Sequence[Path]
) -> list[tuple[Any, ...]]:
    """Return the lines of YOLO files: edges as fractions of the image's sides."""
    path_of_list = {tuple(read_text(path).strip().splitlines()): path for path in class_lists}
    if not path_of_list:
        raise DataError(
            f"{folder} has no classes.txt: write the name of each class on a line of its own"
        )
    if len(path_of_list) > 1:
        raise DataError(
            f"{' and '.join(map(str, path_of_list.values()))} list different classes: remove one of them"
        )
    ((classes, class_list),) = path_of_list.items()
    rows = []
    for file in files:
        for number, line in enumerate(read_text(file).strip().splitlines(), start=1):
            try:
                finding, x, y, w, h = _yolo_box(line, classes)
            except (ValueError, IndexError):
                expected = f"a class of {class_list.name}, and centre, width and height of a box"
                raise DataError(
                    f"line {number} of {file} is {line[:80]!r}, expected {expected}"
                ) from None
            edges = (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
            rows.append((_name(file, folder), finding, *edges, np.nan, np.nan))
    return rows


def _yolo_box(line: str, classes: Sequence[str]) -> tuple[str, float, float, float, float]:
    """Return the finding of a line, and centre, width and height. Raises ``ValueError`` or ``IndexError``."""
    class_index, *values = line.split()
    x, y, w, h = map(float, values[:4])
    finding = classes[int(class_index)].strip()
    if len(values) > 5 or not finding or int(class_index) < 0:
        raise ValueError
    return finding, x, y, w, h


def refuse_other_frames(table: pd.DataFrame, frames: Sequence[tuple[int, int]], file: Path) -> None:
    """Raise ``DataError`` for images whose width and height in a ``table`` are not those of their ``frames`` (H, W)."""
    table_sizes = table[["height", "width"]].to_numpy(np.float64)
    sizes = np.array(frames, np.float64).reshape(-1, 2)
    is_wrong = (np.isfinite(table_sizes) & (table_sizes != sizes)).any(axis=1)
    if is_wrong.any():
        row = int(is_wrong.argmax())
        table_height, table_width = table_sizes[row]
        height, width = sizes[row]
        both = f"{table_width:.0f}x{table_height:.0f} there and {width:.0f}x{height:.0f} in the data set"
        image = table["image"].iloc[row]
        raise DataError(
            f"{file} has {int(is_wrong.sum())} boxes in images of another size: {image} is {both}"
        )


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
            self._wholes.setdefault(whole, set()).add(image)
            self._wholes.setdefault(_without_suffix(whole), set()).add(image)
            for end in ends:
                self._ends.setdefault(end, set()).add(image)
                self._ends.setdefault(_without_suffix(end), set()).add(image)

    def finding(self, name: str, where: str) -> str:
        """Return the finding with this name or alias. Raises ``DataError`` that names ``where`` for another name."""
        finding = find_finding(name, self.findings)
        if finding is None:
            raise DataError(f"{where}: {UnknownNameError('finding', name, self.findings)}")
        return finding

    def resolve_images(self, names: Sequence[str], noun: str) -> list[str]:
        """Return the image of each name. Raises ``DataError`` with the number of names that match no image.

        ``noun``: what has these names, in the error.
        """
        images = []
        unknown = []
        for name in names:
            image = self.image(name)
            if image is None:
                unknown.append(name)
            else:
                images.append(image)
        refuse_unknown_images(unknown, len(names), noun)
        return images

    def image(self, name: str) -> str | None:
        """Return the image of ``name``; None if it is not in the split. Raises ``DataError`` if it matches several."""
        whole, *ends = _ends(name)
        for index, paths in ((self._wholes, [whole]), (self._ends, [whole]), (self._wholes, ends)):
            for path in paths:
                images = index.get(path) or index.get(_without_suffix(path))
                if not images:
                    continue
                if len(images) > 1:
                    candidates = f"{len(images)} images ({examples(sorted(images))})"
                    raise DataError(
                        f"the name {name!r} fits {candidates}: write their names with folder and suffix"
                    )
                return next(iter(images))
        return None

    def split(self, path: str) -> tuple[str, str] | None:
        """Split ``<image>_<finding>`` at the longest matching image; None if no image matches.

        >>> Names(["a_1.png"], ["Mass"]).split("maps/a_1_Mass")
        ('a_1.png', 'Mass')
        """
        folder, slash, name = path.rpartition("/")
        pieces = name.split("_")
        for length in range(len(pieces) - 1, 0, -1):
            image = self.image(folder + slash + "_".join(pieces[:length]))
            if image is not None:
                return image, "_".join(pieces[length:])
        return None


def _ends(path: str) -> list[str]:
    """Return the ends of a path, longest first, with ``_`` between folders.

    >>> _ends("a/b/c.png")
    ['a_b_c.png', 'b_c.png', 'c.png']
    """
    folders = [folder for folder in identity(path).split("/") if folder not in ("", ".")] or [path]
    return ["_".join(folders[n:]) for n in range(len(folders))]


def _without_suffix(name: str) -> str:
    """Return a name without the suffix of an image or a map; other dots belong to the name, as in a DICOM UID."""
    stem, dot, suffix = name.rpartition(".")
    return stem if stem and dot + suffix.lower() in (*SUFFIXES, ".npy", ".npz") else name


def refuse_unknown_images(unknown: Sequence[str], total: int, noun: str) -> None:
    """Raise ``DataError`` if some names match no image of the split; ``noun``: what has these names."""
    if unknown:
        raise DataError(
            f"{len(unknown)} of {total} {noun} match no image of the test split: {examples(unknown)}; "
            "check --dataset and --partition"
        )
