"""Which CheXpert images are in which split, by the tables at hand."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from core.errors import DataError
from datasets import splits
from datasets.base import Request

VAL = ("train", "valid")
"""What validation is cut from, or is."""


def assign(tables: Mapping[str, pd.DataFrame], asked: Request, val: str) -> tuple[pd.DataFrame, splits.Names]:
    """The rows of all views that are in a split, and (N,) which: a patient's side is that of all views."""
    table = pd.concat(tables.values())
    if asked.partition != "official":
        return table, splits.assign(table["patient"].tolist(), asked)
    _check(tables, asked.split, val)
    held = {"train": "train", "test" if "test" in tables else "valid": "test"}
    held |= {"valid": "val"} if val == "valid" else {}
    names = np.concatenate([np.full(len(rows), held.get(name, ""), dtype="<U5") for name, rows in tables.items()])
    if val == "train":
        training = names == "train"
        patients = table["patient"][training].tolist()
        names[training] = splits.hold_out_val(patients, np.ones(len(patients), bool), asked.seed)
    return table[names != ""], names[names != ""]


def _check(tables: Mapping[str, object], split: str, val: str) -> None:
    """Raise ``DataError`` where the official split wants a table that is not there."""
    if val == "valid" and not {"valid", "test"} <= tables.keys():
        raise DataError(f"val=valid needs valid.csv and test_labels.csv, here are {', '.join(tables)}: give val=train")
    needed = "test" if "test" in tables else "valid"
    needed = needed if split == "test" else "valid" if (split, val) == ("val", "valid") else "train"
    if needed not in tables:
        raise DataError(f"the official {split} split needs the table of {needed}, here are {', '.join(tables)}")
