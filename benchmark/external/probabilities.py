"""What a classifier says of each image, from a table: an image a row, a finding a column."""

from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.external.names import Names
from core.errors import DataError
from datasets.io.tables import read_csv, refuse_duplicates


def read(file: Path, names: Names) -> dict[tuple[str, str], float]:
    """(image, finding) -> probability in [0,1]. Raises ``DataError`` for other images, findings or numbers."""
    table = read_csv(file, ("image",), "a row per image, a column of probabilities per finding")
    images = names.known(table["image"].tolist(), "rows")
    refuse_duplicates(file, pd.Series(images, dtype=str))
    refuse_duplicates(
        file, pd.Series([names.finding(word, str(file)) for word in table.columns.drop("image")], dtype=str)
    )
    out: dict[tuple[str, str], float] = {}
    for column in table.columns.drop("image"):
        said = pd.to_numeric(table[column], errors="coerce").to_numpy(dtype=np.float64)
        if not ((said >= 0) & (said <= 1)).all():
            raise DataError(f"{file}: the column {column} holds what is no probability from 0 to 1: give no logits")
        finding = names.finding(column, str(file))
        out |= {(image, finding): value for image, value in zip(images, said.tolist(), strict=True)}
    return out
