"""The 1,537 NIH images of the suite ``nih-sample``, from NIH's own files: ``python -m tools.nih_sample``.

``nih_sample.txt`` names them. Each becomes 320×320 pixels by area averaging; of the tables and lists the lines of these
images stay as they are.
"""

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
from tqdm import tqdm

from core import cli
from core.errors import DataError, examples
from core.files import atomic, write_text
from datasets.io.images import decode, find

NAMES = Path(__file__).with_suffix(".txt")
SIDE = 320
TABLES = ("Data_Entry_2017_v2020.csv", "BBox_List_2017.csv", "train_val_list.txt", "test_list.txt")


@dataclass(frozen=True)
class SampleConfig:
    """Make the folder that the suite ``nih-sample`` takes as ``--data_root_dir``: ``python -m tools.nih_sample``."""

    data_root_dir: str = "data/NIH"
    """Folder of NIH ChestX-ray14 as docs/data_setup.md lays it out."""
    output: str = "data/nih-sample"
    """Folder to make."""


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Write the images, the tables and the lists."""
    config, _ = cli.parse(SampleConfig, argv, "python -m tools.nih_sample")
    write(Path(config.data_root_dir), Path(config.output), NAMES.read_text(encoding="utf-8").split())


def write(root: Path, output: Path, names: Collection[str]) -> None:
    """The images ``names`` of ``root`` and their lines below ``output``.

    Raises ``DataError`` where one is missing, ``WriteError`` when the disk refuses.
    """
    files = find(root, "images", "images_*", "images_*/images")
    absent = [table for table in TABLES if not (root / table).is_file()]
    if missing := [*absent, *(name for name in names if name not in files)]:
        raise DataError(f"{root} lacks {len(missing)} of the files that are needed: {examples(missing)}")
    for name in tqdm(names, desc="nih-sample", unit="image", disable=None):
        small = cv2.resize(decode(files[name]), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        with atomic(output / "images" / name) as temporary:
            temporary.write_bytes(cv2.imencode(".png", small)[1].tobytes())
    for table in TABLES:
        write_text(output / table, _lines(root / table, {*names}))


def _lines(file: Path, names: Collection[str]) -> str:
    """A table's header and its lines of ``names``, or a list's lines."""
    lines = file.read_text(encoding="utf-8").splitlines()
    header = int(file.suffix == ".csv")
    kept = [*lines[:header], *(line for line in lines[header:] if line.split(",")[0] in names)]
    return "\n".join(kept) + "\n" * header  # as NIH ends them


if __name__ == "__main__":
    sys.exit(main())
