"""CheXpert, with the annotations of CheXlocalize as truth: its tables, images, labels, masks and splits.

``read_table``  the 14 label columns of a table, with 1, 0, -1 (uncertain) and nan (missing)
``task_labels``  the labels of a task, with uncertain and missing labels converted
``Drawings``    CheXlocalize: radiologists' segmentations of validation and test images, as masks and boxes
``CheXpert``    the data set; its docstring describes files, options, splits and licence

Scores per study are in ``locus.datasets.base``, run-length masks in ``locus.datasets.io.rle``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from locus.core.errors import DataError
from locus.core.files import file_hash
from locus.core.types import FloatArray
from locus.datasets import splits
from locus.datasets._files import FileDataset, TableRows, refuse_turned, with_file
from locus.datasets.base import About, Request
from locus.datasets.io import pd, rle
from locus.datasets.io.tables import (
    check_links,
    first_of,
    raise_if_any,
    read_csv,
    reading_json,
    refuse_duplicates,
)

FIVE_FINDINGS = ("Cardiomegaly", "Edema", "Consolidation", "Atelectasis", "Pleural Effusion")
NORMAL, DEVICES, ABNORMAL = "No Finding", "Support Devices", "Abnormal"
FINDINGS = (
    NORMAL, "Enlarged Cardiomediastinum", "Cardiomegaly", "Lung Opacity", "Lung Lesion", "Edema", "Consolidation",
    "Pneumonia", "Atelectasis", "Pneumothorax", "Pleural Effusion", "Pleural Other", "Fracture", DEVICES,
)  # fmt: skip
TASKS = {5: FIVE_FINDINGS, 14: FINDINGS, 1: (ABNORMAL,)}
TABLES = {
    "train": ("train.csv",),
    "valid": ("valid.csv", "val_labels.csv"),
    "test": ("test_labels.csv",),
}
PREFIXES = ("CheXpert-v1.0-small", "CheXpert-v1.0", "CheXpert")
LAYOUT = (
    "expected train.csv, valid.csv, train/patient*/study*/view*.jpg and valid/..., optionally in CheXpert-v1.0 or "
    "CheXpert-v1.0-small, from https://stanfordaimi.azurewebsites.net (agreement required)"
)
POLICIES: dict[str, Mapping[str, float]] = {
    "ones": dict.fromkeys(FINDINGS, 1.0),
    "zeros": dict.fromkeys(FINDINGS, 0.0),
    "ignore": {},
    "mixed": {
        "Edema": 1,
        "Atelectasis": 1,
        "Cardiomegaly": 0,
        "Consolidation": 0,
        "Pleural Effusion": 0,
    },
}
"""Policy -> finding -> value of an uncertain label (-1); nan if not listed."""
EMPTY = {"zeros": 0.0, "ignore": np.nan}
VIEWS = {"frontal": ("frontal",), "lateral": ("lateral",), "all": ("frontal", "lateral")}

SIDES = {
    "train": ("train", ""),
    "valid": ("valid", "val"),
    "val": ("val", "valid"),
    "test": ("test",),
}
"""First folder of a table's path -> its names on disk; the full-size archives have no folder train."""
FILES = ("gt_segmentations_val.json", "gt_segmentations_test.json")
RENAMED = {"Airspace Opacity": "Lung Opacity"}
"""CheXlocalize's name -> CheXpert's name."""

_ROW = (
    r"^(?:[\w. -]+/)?((?:train|valid|val|test)/(patient\d+)/(study\d+)/"
    r"(view\d+_(frontal|lateral))\.(?:jpg|jpeg|png))$"
)
_KNOWN = {"1": 1.0, "0": 0.0, "-1": -1.0, "": np.nan}
_KNOWN |= {f"{text}.0": value for text, value in _KNOWN.items() if text}


def bases(root: Path) -> list[Path]:
    """Return the folders that may contain tables and images: ``root`` and subfolders with the names of the archives."""
    unpacked = [root / name for name in PREFIXES if (root / name).is_dir()]
    return [root, *unpacked, *sorted(root.glob("CheXpert-v1.0 batch */"))]


def first_in(folders: Sequence[Path], names: Sequence[str]) -> Path | None:
    """Return the first file with one of the ``names``, folder by folder; None if there is none."""
    return next(
        (path for path in (first_of(folder, names) for folder in folders) if path is not None), None
    )


def find_tables(root: Path) -> dict[str, Path]:
    """Return train, valid, test -> the file of the table, if present.

    Raises ``DataError`` if there is no table and for a link that is not usable.
    """
    files = {name: first_in(bases(root), names) for name, names in TABLES.items()}
    present = {name: path for name, path in files.items() if path is not None}
    if not present:
        raise DataError(f"{root} has no table of CheXpert: {LAYOUT}")
    check_links(present.values(), root)
    return present


def locate(root: Path, listed: pd.DataFrame) -> dict[str, Path]:
    """Return image -> file, for the ``listed`` images that have a file in one of CheXpert's folders."""
    paths = {
        side: [base / name for base in bases(root) for name in names]
        for side, names in SIDES.items()
    }
    folders = {
        side: [path for path in side_paths if path.is_dir()] for side, side_paths in paths.items()
    }
    files: dict[str, Path] = {}
    for image, (side, _, relative_path) in zip(
        listed.index, listed["path"].str.partition("/", expand=False), strict=True
    ):
        candidates = [folder / relative_path for folder in folders[side]]
        path = next(filter(Path.is_file, candidates), None)
        if path is not None:
            files[image] = path
    check_links(files.values(), root)
    return files


def task_labels(
    table: pd.DataFrame, findings: Sequence[str], policy: str, empty: float
) -> FloatArray:
    """Return the labels of a task; Abnormal is any finding but devices.

    Args:
        table: a column per finding: 1, 0, -1 (uncertain) or nan (missing).
        findings: the K findings of the task.
        policy: the name in ``POLICIES`` of the values of uncertain labels.
        empty: the value of missing labels.

    Returns:
        (N,K) 0, 1 or nan.
    """
    wanted = (
        [f for f in FINDINGS if f not in (NORMAL, DEVICES)]
        if ABNORMAL in findings
        else list(findings)
    )
    raw = table[wanted].to_numpy(np.float64)
    of_uncertain = np.array([POLICIES[policy].get(finding, np.nan) for finding in wanted])
    values = np.where(raw == -1, of_uncertain, np.where(np.isnan(raw), empty, raw))
    if ABNORMAL not in findings:
        return values
    any_at_all = (values == 1).any(axis=1, keepdims=True)
    return np.where(
        any_at_all, 1.0, np.where(np.isnan(values).any(axis=1, keepdims=True), np.nan, 0.0)
    )


def read_table(path: Path) -> pd.DataFrame:
    """Return image -> path, patient, study, side, age, sex, view, and 14 columns of 1, 0, -1 (uncertain) or nan.

    Raises ``DataError`` for a path or a label that CheXpert does not have.
    """
    raw = read_csv(path, ("Path", *FINDINGS))
    fields = raw["Path"].str.extract(_ROW)
    wrong = raw["Path"][fields[0].isna()]
    raise_if_any(
        path,
        map(repr, wrong),
        "invalid paths",
        "; expected train/patient00001/study1/view1_frontal.jpg",
    )
    image = fields[1] + "_" + fields[2] + "_" + fields[3]
    refuse_duplicates(path, image)
    about = {
        "path": fields[0],
        "patient": fields[1],
        "study": fields[1] + "/" + fields[2],
        "side": fields[4],
    }
    labels = {finding: _values(path, raw[finding]) for finding in FINDINGS}
    return pd.DataFrame({**about, **_about(raw, fields[4]), **labels}).set_axis(image, axis=0)


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


class Drawings:
    """Segmentations by image. An empty mask means that the finding was not seen."""

    def __init__(self, root: Path, findings: Sequence[str]) -> None:
        """Read the files in ``root``, in its subfolders named like CheXpert's archives, or in CheXlocalize."""
        self.findings = tuple(findings)
        present = [first_in([*bases(root), root / "CheXlocalize"], (name,)) for name in FILES]
        self.files = [path for path in present if path is not None]
        check_links(self.files, root)
        self._packed: dict[str, dict[str, Any]] = {}
        for path in self.files:
            self._packed |= _read(path)
        self._decoded: dict[str, dict[str, rle.RunLengthMask]] = {}

    def __contains__(self, image: object) -> bool:
        """Return True if the image has a mask that is not empty."""
        return isinstance(image, str) and any(
            len(runs.start) for runs in self._runs(image).values()
        )

    def truth(self, image: str) -> dict[str, Any]:
        """Return the ``frame`` of an image (None if not annotated), its ``boxes`` and the function ``read_masks``."""
        frame = next((runs.size for runs in self._runs(image).values()), None)
        boxes = {finding: runs.boxes() for finding, runs in self._task(image).items()}
        return {
            "frame": frame,
            "boxes": boxes,
            "read_masks": partial(self.masks, image) if image in self else None,
        }

    def masks(self, image: str) -> dict[str, NDArray[np.bool_]]:
        """Return finding -> (H, W) mask in the frame of the image as published."""
        return {finding: runs.mask() for finding, runs in self._task(image).items()}

    def _task(self, image: str) -> dict[str, rle.RunLengthMask]:
        drawn = {finding: runs for finding, runs in self._runs(image).items() if len(runs.start)}
        if self.findings != (ABNORMAL,):
            return {finding: runs for finding, runs in drawn.items() if finding in self.findings}
        masks = [runs for finding, runs in drawn.items() if finding != DEVICES]
        return {ABNORMAL: rle.union(masks)} if masks else {}

    def _runs(self, image: str) -> Mapping[str, rle.RunLengthMask]:
        if image in self._packed and image not in self._decoded:
            self._decoded[image] = _unpacked(image, self._packed[image])
        return self._decoded.get(image, {})


def _unpacked(image: str, packed: Mapping[str, Any]) -> dict[str, rle.RunLengthMask]:
    runs = {
        RENAMED.get(finding, finding): rle.decode(mask, f"the {finding} mask on {image}")
        for finding, mask in packed.items()
    }
    if len({mask.size for mask in runs.values()}) > 1:
        sizes = sorted({mask.size for mask in runs.values()})
        raise DataError(
            f"the masks of {image} have different sizes ({sizes}): download the file again"
        )
    return runs


def _read(path: Path) -> dict[str, dict[str, Any]]:
    with reading_json(
        path, "expected CheXlocalize's format (image -> finding -> mask): download it again"
    ) as packed:
        if not all(masks.keys() <= {*FINDINGS, *RENAMED} for masks in packed.values()):
            raise ValueError("unknown finding")
        return dict(packed)


class CheXpert(FileDataset):
    """CheXpert: 224,316 radiographs of 65,240 patients, with 14 observations from reports (902 images: by experts).

    ::

        root/  train.csv  train/patient00001/study1/view1_frontal.jpg ...      (or all of it in CheXpert-v1.0,
               valid.csv  valid/patient64541/study1/view1_frontal.jpg ...       CheXpert-v1.0-small or CheXpert, or in
               test_labels.csv  test/...         if the test set is available   "CheXpert-v1.0 batch 1 ..." and so on)
               gt_segmentations_val.json  gt_segmentations_test.json           or in CheXlocalize/, if available

    Labels: 5 or 14 findings of the tables, or 1 (any finding but devices). ``policy`` converts uncertain labels (-1) to
    1, 0 or nan: ones, zeros, ignore, or mixed (see ``POLICIES``); the default is mixed with 5 findings, else ignore.
    ``empty`` converts empty cells to 0 (zeros) or nan (ignore). ``views``: frontal, lateral or all. ``study`` in
    ``meta`` groups the images for ``locus.datasets.base.maximum``.

    Masks are COCO run lengths (their Airspace Opacity is Lung Opacity here), and boxes surround their connected parts.
    Both are in the frame of the published image, even if the files are smaller; the frame of an image without masks is
    the size of its file.

    Official split: valid.csv is the test split and validation is cut from train.csv by patient. If test_labels.csv
    exists, it is the test split, and ``val=valid`` makes valid.csv the validation split, as CheXlocalize's thresholds
    require. Masks of training images raise ``LeakError``.

    From https://stanfordaimi.azurewebsites.net: non-commercial research under Stanford's agreement, no redistribution.
    Cite: Irvin et al., AAAI 2019, 590-597; Saporta et al., Nature Machine Intelligence 4 (2022), 867-878.
    """

    name = "CheXpert"
    about = About(
        title="CheXpert with CheXlocalize",
        size="224,316 images of 65,240 patients, JPEG; masks on 234 validation and 668 test images",
        access="registration at Stanford AIMI",
        licence="for research, not commercial, no redistribution",
        citation="Irvin et al., AAAI 2019, 590-597; Saporta et al., Nature Machine Intelligence 4 (2022), 867-878",
        boxes="each connected part of a mask, drawn by radiologists",
    )
    origin = layout = LAYOUT

    def __init__(
        self,
        request: Request,
        policy: Literal["ones", "zeros", "ignore", "mixed"] | None = None,
        empty: Literal["zeros", "ignore"] = "zeros",
        views: Literal["frontal", "lateral", "all"] = "frontal",
        val: Literal["train", "valid"] = "train",
    ) -> None:
        self.findings = request.task(TASKS, self.name, 5)
        self.split = request.split
        root = request.folder(LAYOUT)
        policy = policy or ("mixed" if self.findings == FIVE_FINDINGS else "ignore")
        options = {"policy": policy, "empty": empty, "views": views, "val": val}
        paths = find_tables(root)
        drawn = Drawings(root, self.findings)
        tables = {name: read_table(path) for name, path in paths.items()}
        table, names = _assigned(tables, request, val)
        splits.check_patients(table["patient"], names)
        if request.partition == "official" and "train" in tables:
            boxed = {image for image in tables["train"].index if image in drawn}
            splits.check_unboxed(boxed, boxed, str(paths["train"]))
        listed = table[(names == self.split) & table["side"].isin(VIEWS[views])]
        files = locate(root, listed)
        table = listed.loc[with_file(root, listed.index, files, LAYOUT, self.split)]
        frames = {image: drawn.truth(image)["frame"] for image in table.index if image in drawn}
        refuse_turned(root, frames, files)
        labels = task_labels(table, self.findings, policy, EMPTY[empty]).astype(np.float32)
        self.rows = TableRows(table, labels, files, drawn.truth)
        self.describe = {"images": len(table), "images_without_file": len(listed) - len(table)}
        counts = {
            "boxed_images": sum(image in drawn for image in table.index),
            "studies": table["study"].nunique(),
        }
        self.describe |= {**counts, "partition": request.partition, **options}
        self.describe["tables"] = {
            path.name: file_hash(path) for path in [*paths.values(), *drawn.files]
        }


def _assigned(
    tables: Mapping[str, pd.DataFrame], request: Request, val: str
) -> tuple[pd.DataFrame, splits.SplitNames]:
    """Return the rows that are in a split, and (N,) split names; all views of a patient are in the same split."""
    table = pd.concat(tables.values())
    if request.partition != "official":
        return table, splits.assign(table["patient"].tolist(), request)
    _check(tables, request.split, val)
    split_of = {"train": "train", "test" if "test" in tables else "valid": "test"}
    split_of |= {"valid": "val"} if val == "valid" else {}
    names = np.concatenate(
        [np.full(len(rows), split_of.get(name, ""), dtype="<U5") for name, rows in tables.items()]
    )
    if val == "train":
        training = names == "train"
        patients = table["patient"][training].tolist()
        names[training] = splits.hold_out_val(patients, np.ones(len(patients), bool), request.seed)
    return table[names != ""], names[names != ""]


def _check(tables: Mapping[str, object], split: str, val: str) -> None:
    """Raise ``DataError`` if the official split needs a missing table."""
    available = f"found only the tables {', '.join(tables)}"
    if val == "valid" and not {"valid", "test"} <= tables.keys():
        raise DataError(
            f"val=valid requires valid.csv and test_labels.csv, {available}: use val=train"
        )
    needed = "test" if "test" in tables else "valid"
    if split != "test":
        needed = "valid" if (split, val) == ("val", "valid") else "train"
    if needed not in tables:
        advice = "add it, or use --partition patient or kfold"
        raise DataError(
            f"the official {split} split requires {' or '.join(TABLES[needed])}, {available}: {advice}"
        )
