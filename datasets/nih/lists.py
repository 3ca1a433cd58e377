"""Splits of NIH: the official lists, the lists of earlier work, and the experts' lists."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from core.errors import BadValueError, DataError, examples
from core.lazy import pd
from datasets.io.tables import raise_if_any, read_list
from datasets.nih.tables import ABNORMAL, ENTRIES, FINDINGS, LAYOUT, patient_of, read_entries, read_labelled
from datasets.splits import hold_out_val

OFFICIAL = ("train_val_list.txt", "test_list.txt")
LABELLED = {"train": "train_list.txt", "val": "val_list.txt", "test": "test_list.txt"}
ABOUT = ("age", "sex", "view")
Experts = Literal["rad_consensus_voted", "attending_rad"]
"""Expert labels of the test images in the abnormality task; the first is the default."""


def read(root: Path, findings: Sequence[str], experts: str | None, seed: int) -> tuple[pd.DataFrame, pd.Series, str]:
    """Return the table, image -> split, and the kind of lists in ``root``: official, labelled or experts."""
    chosen_experts = _available_experts(root, experts) if ABNORMAL in findings else None
    kind = "experts" if chosen_experts else _kind(root)
    if kind == "official":
        table = entries(root, findings)
        return table, official(root, table, seed), kind
    if kind == "none":
        raise DataError(f"{root} has no lists of the official split: {LAYOUT}; or use --partition patient or kfold")
    columns, widths = ((ABNORMAL,), (1,)) if chosen_experts else (FINDINGS, (8, 14, 15))
    files = binary_files(chosen_experts) if chosen_experts else LABELLED
    parts = {split: read_labelled(root / name, columns, widths) for split, name in files.items()}
    labels = pd.concat(list(parts.values())).reindex(columns=list(columns))
    table = _described(labels.astype(np.float32), read_entries(root))
    names = pd.concat([pd.Series(split, index=part.index) for split, part in parts.items()])
    return (table if chosen_experts else _for_task(root, table, findings)), names, kind


def entries(root: Path, findings: Sequence[str]) -> pd.DataFrame:
    """Return the table of entries with the task's label columns. Raises ``DataError`` if there is none."""
    table = read_entries(root)
    if table is None:
        raise DataError(f"{root} has neither {' nor '.join(ENTRIES)}: {LAYOUT}")
    return _for_task(root, table, findings)


def _for_task(root: Path, table: pd.DataFrame, findings: Sequence[str]) -> pd.DataFrame:
    """Add the column Abnormal, any of the 14 findings, if the task needs it."""
    if ABNORMAL in findings:
        return table.assign(**{ABNORMAL: table[list(FINDINGS)].max(axis=1)})
    absent = [finding for finding in findings if len(table) and table[finding].isna().all()]
    if absent:
        count = len(findings) - len(absent)
        raise BadValueError(f"the lists in {root} have no labels of {examples(absent)}: use --num_classes {count}")
    return table


def _available_experts(root: Path, named: str | None) -> str | None:
    """Return the experts whose lists are used: those ``named``, else the first present. Raises ``DataError``."""
    files_of = {experts: binary_files(experts).values() for experts in get_args(Experts)}
    present = [experts for experts, files in files_of.items() if all((root / name).is_file() for name in files)]
    if named is not None and named not in present:
        raise DataError(f"{root} lacks a file for experts={named}: it must contain {', '.join(files_of[named])}")
    return named or next(iter(present), None)


def _kind(root: Path) -> str:
    """Return official, labelled or none."""
    wanted = {"official": OFFICIAL, "labelled": tuple(LABELLED.values())}
    return next((word for word, files in wanted.items() if all((root / name).is_file() for name in files)), "none")


def official(root: Path, table: pd.DataFrame, seed: int) -> pd.Series:
    """Return image -> split by the official lists; validation is cut from train_val by patient."""
    listed = {name: read_list(root / name)[0] for name in OFFICIAL}
    names = pd.concat(list(listed.values()), ignore_index=True)
    raise_if_any(root, names[~names.isin(table.index)], "images in its lists that are not in Data_Entry_2017")
    training = np.arange(len(names)) < len(listed[OFFICIAL[0]])
    return pd.Series(hold_out_val(table["patient"].loc[names].tolist(), training, seed), index=names)


def binary_files(experts: str) -> dict[str, str]:
    """Return split -> file of the expert lists of the abnormality task."""
    return {"train": "binary_train.txt", "val": "binary_val.txt", "test": f"binary_test_{experts}.txt"}


def _described(labels: pd.DataFrame, table: pd.DataFrame | None) -> pd.DataFrame:
    """Add the patient of each image, and age, sex and view if known."""
    labels = labels[~labels.index.duplicated()]
    about = pd.DataFrame({"patient": labels.index.map(patient_of)}, index=labels.index)
    metadata = pd.DataFrame() if table is None else table
    return pd.concat([about, metadata.reindex(index=labels.index, columns=list(ABOUT)), labels], axis=1)
