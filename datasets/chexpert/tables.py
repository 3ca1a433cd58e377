"""Find and read the tables and images of CheXpert; convert uncertain (-1) and missing labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from core.errors import DataError
from core.lazy import pd
from core.types import FloatArray
from datasets.io.paths import refuse_links
from datasets.io.tables import first_of, raise_if_any, read_csv, refuse_duplicates

FIVE = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion")
NORMAL, DEVICES, ABNORMAL = "No Finding", "Support Devices", "Abnormal"
FINDINGS = (
    NORMAL, "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation",
    "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", DEVICES,
)  # fmt: skip
TASKS = {5: FIVE, 14: FINDINGS, 1: (ABNORMAL,)}
TABLES = {"train": ("train.csv",), "valid": ("valid.csv", "val_labels.csv"), "test": ("test_labels.csv",)}
PREFIXES = ("CheXpert-v1.0-small", "CheXpert-v1.0", "CheXpert")
LAYOUT = (
    "expected train.csv, valid.csv, train/patient*/study*/view*.jpg and valid/..., optionally in CheXpert-v1.0 or "
    "CheXpert-v1.0-small, from https://stanfordaimi.azurewebsites.net (agreement required)"
)
POLICIES: dict[str, Mapping[str, float]] = {
    "ones": dict.fromkeys(FINDINGS, 1.0),
    "zeros": dict.fromkeys(FINDINGS, 0.0),
    "ignore": {},
    "mixed": {"Edema": 1, "Atelectasis": 1, "Cardiomegaly": 0, "Consolidation": 0, "Pleural Effusion": 0},
}
"""Policy -> finding -> value of an uncertain label (-1); nan if not listed."""
SIDES = {"train": ("train", ""), "valid": ("valid", "val"), "val": ("val", "valid"), "test": ("test",)}
"""First folder of a table's path -> its names on disk; the full-size archives have no folder train."""
_ROW = (
    r"^(?:[\w. -]+/)?((?:train|valid|val|test)/(patient\d+)/(study\d+)/(view\d+_(frontal|lateral))\.(?:jpg|jpeg|png))$"
)
_KNOWN = {"1": 1.0, "0": 0.0, "-1": -1.0, "": np.nan}
_KNOWN |= {f"{text}.0": value for text, value in _KNOWN.items() if text}


def bases(root: Path) -> list[Path]:
    """Return the folders that may contain tables and images: ``root`` and subfolders with the names of the archives."""
    unpacked = [root / name for name in PREFIXES if (root / name).is_dir()]
    return [root, *unpacked, *sorted(root.glob("CheXpert-v1.0 batch */"))]


def first_in(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    """Return the first file with one of the ``names``, folder by folder; None if there is none."""
    return next((path for path in (first_of(folder, names) for folder in folders) if path is not None), None)


def find_tables(root: Path) -> dict[str, Path]:
    """Return train, valid, test -> the file of the table, if present.

    Raises ``DataError`` if there is no table and for a link that leads out of ``root``.
    """
    files = {name: first_in(bases(root), names) for name, names in TABLES.items()}
    present = {name: path for name, path in files.items() if path is not None}
    if not present:
        raise DataError(f"{root} has no table of CheXpert: {LAYOUT}")
    refuse_links(present.values(), root)
    return present


def locate(root: Path, listed: pd.DataFrame) -> dict[str, Path]:
    """Return image -> file, for the ``listed`` images that have a file in one of CheXpert's folders."""
    paths = {side: [base / name for base in bases(root) for name in names] for side, names in SIDES.items()}
    folders = {side: [path for path in side_paths if path.is_dir()] for side, side_paths in paths.items()}
    files: dict[str, Path] = {}
    for image, (side, _, rest) in zip(listed.index, listed["path"].str.partition("/", expand=False), strict=True):
        path = next((path for folder in folders[side] if (path := folder / rest).is_file()), None)
        if path is not None:
            files[image] = path
    refuse_links(files.values(), root)
    return files


def task_labels(table: pd.DataFrame, findings: Sequence[str], policy: str, empty: float) -> FloatArray:
    """Return the (N,K) labels 0, 1 or nan; Abnormal is any finding but devices.

    ``policy``: the name in ``POLICIES`` of the values of uncertain labels (-1). ``empty``: the value of missing labels.
    """
    wanted = [f for f in FINDINGS if f not in (NORMAL, DEVICES)] if ABNORMAL in findings else list(findings)
    raw = table[wanted].to_numpy(np.float64)
    of_uncertain = np.array([POLICIES[policy].get(finding, np.nan) for finding in wanted])
    values = np.where(raw == -1, of_uncertain, np.where(np.isnan(raw), empty, raw))
    if ABNORMAL not in findings:
        return values
    any_at_all = (values == 1).any(axis=1, keepdims=True)
    return np.where(any_at_all, 1.0, np.where(np.isnan(values).any(axis=1, keepdims=True), np.nan, 0.0))


def read_table(path: Path) -> pd.DataFrame:
    """Return image -> path, patient, study, side, age, sex, view, and 14 columns of 1, 0, -1 (uncertain) or nan.

    Raises ``DataError`` for a path or a label that CheXpert does not have.
    """
    raw = read_csv(path, ("Path", *FINDINGS))
    parts = raw["Path"].str.extract(_ROW)
    wrong = raw["Path"][parts[0].isna()]
    raise_if_any(path, map(repr, wrong), "invalid paths", "; expected train/patient00001/study1/view1_frontal.jpg")
    image = parts[1] + "_" + parts[2] + "_" + parts[3]
    refuse_duplicates(path, image)
    about = {"path": parts[0], "patient": parts[1], "study": parts[1] + "/" + parts[2], "side": parts[4]}
    labels = {finding: _values(path, raw[finding]) for finding in FINDINGS}
    return pd.DataFrame({**about, **_about(raw, parts[4]), **labels}).set_axis(image, axis=0)


def _values(path: Path, cells: pd.Series) -> pd.Series:
    values = cells.str.strip().map(_KNOWN)
    wrong = cells[values.isna() & (cells.str.strip() != "")].unique()
    raise_if_any(path, map(repr, wrong), f"labels of {cells.name} other than 1, 0, -1 and empty")
    return values.astype(float)


def _about(raw: pd.DataFrame, side: pd.Series) -> dict[str, pd.Series]:
    """Return age in years (nan if unknown), sex (M, F or None) and view (AP, PA, Lateral … or None)."""
    cells = raw.reindex(columns=["Age", "Sex", "AP/PA"], fill_value="")
    view = cells["AP/PA"].str.strip().where(side == "frontal", "Lateral")
    sex = cells["Sex"].map({"Male": "M", "Female": "F"}).astype(object)
    return {
        "age": pd.to_numeric(cells["Age"], errors="coerce").astype(float),
        "sex": sex.where(sex.notna(), None),
        "view": view.astype(object).where(view != "", None),
    }
