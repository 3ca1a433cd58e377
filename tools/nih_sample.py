"""Create the data set of the suite ``nih-sample`` from NIH's files: ``python -m tools.nih_sample``.

The 1,537 images listed in ``nih_sample.txt`` are resized to 320×320 pixels by area averaging. The tables and lists are
copied without the lines of other images.
"""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from tqdm import tqdm

from locus.core.errors import DataError, examples
from locus.core.files import atomic, write_text
from locus.datasets.io.images import decode, find
from locus.flags import cli

NAMES = Path(__file__).with_suffix(".txt")
SIDE = 320
TABLES = ("Data_Entry_2017_v2020.csv", "BBox_List_2017.csv", "train_val_list.txt", "test_list.txt")


@dataclass(frozen=True)
class SampleConfig:
    """Create the data folder of the suite ``nih-sample``: ``python -m tools.nih_sample``."""

    data_root_dir: str = "data/NIH"
    """Folder of NIH ChestX-ray14, as described in docs/data_setup.md."""
    output: str = "data/nih-sample"
    """Folder to create. Use it as --data_root_dir of the suite."""


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Write the images, the tables and the lists."""
    config, _ = cli.parse(SampleConfig, argv, "python -m tools.nih_sample")
    write(
        Path(config.data_root_dir), Path(config.output), NAMES.read_text(encoding="utf-8").split()
    )


def write(root: Path, output: Path, names: Collection[str]) -> None:
    """Write the images ``names`` of ``root``, and their lines of the tables and lists, to ``output``.

    Raises ``DataError`` if a file is missing, ``WriteError`` if a file cannot be written.
    """
    files = find(root, "images", "images_*", "images_*/images")
    absent = [table for table in TABLES if not (root / table).is_file()]
    missing = [*absent, *(name for name in names if name not in files)]
    if missing:
        raise DataError(f"{root} lacks {len(missing)} required files: {examples(missing)}")
    for name in tqdm(names, desc="nih-sample", unit="image", disable=None):
        small = cv2.resize(decode(files[name]), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        with atomic(output / "images" / name) as temporary:
            temporary.write_bytes(cv2.imencode(".png", small)[1].tobytes())
    for table in TABLES:
        write_text(output / table, _lines(root / table, {*names}))


def _lines(file: Path, names: Collection[str]) -> str:
    """Return the lines of ``names`` in a list or table, with the header of a table."""
    lines = file.read_text(encoding="utf-8").splitlines()
    header = int(file.suffix == ".csv")
    selected = [*lines[:header], *(line for line in lines[header:] if line.split(",")[0] in names)]
    return "\n".join(selected) + "\n" * header  # NIH's lists do not end in a newline


if __name__ == "__main__":
    sys.exit(main())
