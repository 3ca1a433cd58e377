"""Per-case rows beside the records, for a user's own statistics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import BadValueError
from core.files import atomic


def write(rows: Sequence[Mapping[str, Any]], path: Path | str) -> Path:
    """Rows -> ``.parquet`` or ``.csv``, by the ending of ``path``; columns in the order in which rows first name them.

    The same rows give the same bytes. Raises ``BadValueError`` for another ending.
    """
    path = Path(path)
    if path.suffix not in (".parquet", ".csv"):
        raise BadValueError(f"cases are written as .parquet or .csv, not as {path.name!r}")
    columns = list(dict.fromkeys(name for row in rows for name in row))
    table = pd.DataFrame.from_records([dict(row) for row in rows], columns=columns)
    with atomic(path) as temporary:
        if path.suffix == ".csv":
            table.to_csv(temporary, index=False, float_format="%.6f", lineterminator="\n")
        else:
            table.to_parquet(temporary, index=False)
    return path
