"""The image files of CheXpert: where they lie, never by a link out of the folder."""

from pathlib import Path

import pandas as pd

from datasets.chexpert.tables import bases
from datasets.io.paths import refuse_links

SIDES = {"train": ("train", ""), "valid": ("valid", "val"), "val": ("val", "valid"), "test": ("test",)}
"""First folder of a table's path -> its names on disk; the archives of full size have patients of train without it."""


def locate(root: Path, listed: pd.DataFrame) -> dict[str, Path]:
    """Image -> its file, of those whose path ``train/patient...`` is in one of CheXpert's folders.

    An image without a file is left out here; whoever needs it says so.
    """
    paths = {side: [base / name for base in bases(root) for name in names] for side, names in SIDES.items()}
    folders = {side: [path for path in each if path.is_dir()] for side, each in paths.items()}
    files: dict[str, Path] = {}
    for image, (side, _, rest) in zip(listed.index, listed["path"].str.partition("/", expand=False), strict=True):
        path = next((path for folder in folders[side] if (path := folder / rest).is_file()), None)
        if path is not None:
            files[image] = path
    refuse_links(files.values(), root)
    return files
