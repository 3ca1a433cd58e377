"""Additional NIH images for training only: ``NIH:extra=FOLDER``."""

from collections.abc import Collection, Sequence
from pathlib import Path

import numpy as np

from core.errors import DataError
from datasets.columns import EXTRA
from datasets.file_dataset import with_file
from datasets.io.images import find
from datasets.nih.lists import entries
from datasets.nih.tables import ENTRIES, FRAME, IMAGE_FOLDERS
from datasets.table_rows import TableRows


def read(
    root: Path,
    name: str,
    findings: Sequence[str],
    held_out: Collection[str],
    known: Collection[str],
) -> TableRows:
    """Return the rows of the images in the folder ``name``, inside or next to ``root``, without boxes.

    ``held_out``: patients to exclude, those of the validation and test images. ``known``: images to exclude, those of
    the data set itself. Raises ``DataError`` for a missing folder and if no image remains.
    """
    if Path(name).name != name:
        raise DataError(f"extra={name}: give the name of a folder inside or next to {root}, not a path")
    folder = next((path for path in (root / name, root.parent / name) if path.is_dir()), None)
    if folder is None:
        advice = f"create it with images/*.png and {ENTRIES[0]}"
        raise DataError(f"extra={name}: there is no such folder inside or next to {root}: {advice}")
    table = entries(folder, findings)
    files = find(folder, *IMAGE_FOLDERS)
    left = table[~table["patient"].isin(held_out) & ~table.index.isin(known)]
    if not len(left):
        reason = "they are already in the data set, or belong to patients in validation or test"
        raise DataError(f"none of the {len(table)} images of {folder} can be added: {reason}")
    left = left.loc[with_file(folder, left.index, files, f"expected images/*.png and {ENTRIES[0]}")]
    labels = left[list(findings)].to_numpy(np.float32)
    return TableRows(left.assign(**{EXTRA: True}), labels, files, lambda _: {"frame": FRAME, "boxes": {}})
