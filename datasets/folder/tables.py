"""Read and check the label table of ``folder``, the data set of a user's own images and one table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core.errors import DataError
from core.lazy import pd
from datasets.base import SPLITS
from datasets.io.ages import years
from datasets.io.images import SUFFIXES
from datasets.io.paths import below, refuse_links
from datasets.io.tables import numbers, raise_if_any, read_csv, refuse_duplicates, refuse_unknown

RESERVED = ("mean",)
"""Words that are not allowed as findings, because result tables use them; so are words that begin with _ or @."""
ABOUT = ("image", "patient", "split", "width", "height", "age", "sex", "view")
"""Columns of the label table that are not findings; all but the first are optional."""
LABELS = {"0": 0.0, "0.0": 0.0, "1": 1.0, "1.0": 1.0, "": np.nan, "nan": np.nan}


def read_labels(path: Path, root: Path, ignored: tuple[str, ...]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the table of images and the findings.

    Columns: ``patient``, ``split``, ``_path``, ``_frame`` (None: that of the file), other optional columns, and labels.
    Raises ``DataError`` for a path that leaves ``root``, duplicate images, and labels other than 0, 1 and empty.
    """
    raw = read_csv(path, ("image", *ignored)).rename(columns=str.strip)
    raw = raw.apply(lambda cells: cells.str.strip())  # so that trailing spaces do not create new patients
    for column, again in zip(raw.columns, raw.columns.duplicated(), strict=True):
        if again or str(column).startswith("Unnamed:") or str(column).rpartition(".")[0] in raw.columns:
            raise DataError(f"{path} has a duplicate column or one without a name ({column!r}): give each its own name")
    findings = tuple(str(column) for column in raw.columns if column not in (*ABOUT, *ignored))
    if not findings or not len(raw):
        counts = f"{len(raw)} images and {len(findings)} findings"
        raise DataError(f"{path} has {counts}: give one row per image and one column per finding")
    for finding in findings:
        if finding in RESERVED or finding.startswith(("_", "@")):
            advice = f"rename it or, if it is not a finding, use --dataset folder:ignore={finding}"
            raise DataError(f"{path} has the column {finding!r}, which is a reserved name: {advice}")
    image = raw["image"].map(lambda cell: image_name(cell, path))
    refuse_duplicates(path, image)
    labels = {finding: _labels(path, raw[finding]) for finding in findings}
    files = [_file(cell, root, path) for cell in image]
    refuse_links(files, root)
    return pd.DataFrame({**labels, **_described(path, raw, image), "_path": files}).set_axis(image, axis=0), findings


def image_name(cell: str, path: Path) -> str:
    """Return a cell of the table at ``path`` as image name. Raises ``DataError`` for an unsupported extension.

    >>> image_name("part1/a.png", Path("labels.csv"))
    'part1/a.png'
    """
    if Path(cell).suffix.lower() not in SUFFIXES:
        raise DataError(f"{path} has the image name {cell[:80]!r}: it must end in {', '.join(SUFFIXES)}")
    return Path(cell).as_posix()


def _file(cell: str, root: Path, table: Path) -> Path:
    """Return the path of the image in ``root``, or below its subfolder ``images``."""
    path = below(root, cell, table)
    return path if path.exists() else root / "images" / cell


def _labels(path: Path, cells: pd.Series) -> pd.Series:
    text = cells.str.lower()
    wrong = cells[~text.isin(list(LABELS))].str[:40].unique()
    advice = f"; correct them or, if the column is not a finding, use --dataset folder:ignore={cells.name}"
    raise_if_any(path, map(repr, wrong), f"labels other than 0, 1 and empty in the column {cells.name!r}", advice)
    return text.map(LABELS).astype(np.float32)


def _described(path: Path, raw: pd.DataFrame, image: pd.Series) -> dict[str, pd.Series]:
    """Return patient (default: the image itself), split, frame, and the other optional columns."""
    patient = raw.get("patient", image)
    if (patient == "").any():
        empty = f"{int((patient == '').sum())} rows with an empty 'patient' column"
        raise DataError(f"{path} has {empty}: fill it in or remove the column")
    columns = {"patient": patient, **{column: raw[column] for column in ("sex", "view") if column in raw}}
    if "age" in raw:
        columns["age"] = _ages(path, raw["age"])
    if "split" in raw:
        refuse_unknown(path, raw["split"].str[:40], SPLITS, "split")
        columns["split"] = raw["split"]
    return {**columns, "_frame": pd.Series(_frames(path, raw), index=raw.index, dtype=object)}


def _ages(path: Path, cells: pd.Series) -> pd.Series:
    ages = cells.map(years).astype(float)
    wrong = cells[ages.isna() & (cells != "")].unique()
    raise_if_any(path, map(repr, wrong), "invalid ages", "; leave unknown ages empty")
    return ages


def _frames(path: Path, raw: pd.DataFrame) -> list[tuple[int, int] | None]:
    """Return (H, W) of each image if the table has both columns."""
    if not {"width", "height"} <= set(raw.columns):
        return [None] * len(raw)
    height, width = (_side(path, raw[side]).astype(int).tolist() for side in ("height", "width"))
    return list(zip(height, width, strict=True))


def _side(path: Path, cells: pd.Series) -> pd.Series:
    values = numbers(path, cells)
    wrong = values[~values.between(1, 100_000)]
    raise_if_any(path, wrong, f"invalid values of {cells.name}", "; give 1 to 100000 pixels")
    return values
