"""Generate a folder in the layout of NIH ChestX-ray14, with random names, labels and boxes.

The images in its twelve folders are links to a few files. Tables and lists have the published format and size.
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

import datasets
from core.errors import DataError
from datasets.nih.tables import BOXED, FINDINGS, FRAME, NORMAL

IMAGES, TRAIN_VAL, BOXED_IMAGES = 112_120, 86_524, 880
FOLDERS = (4_999, *[10_000] * 10, 7_121)
"""Published number of images in each folder."""
PER_PATIENT = 3.64
DRAWN = 16
"""Number of image files to generate if none are given."""


def make(folder: Path, images: int = IMAGES, originals: Path | None = None, broken: int = 0, seed: int = 0) -> Path:
    """Create ``images`` images in ``folder``, unless it exists, with ``broken`` truncated training images.

    ``originals``: folder of PNG files of 1024x1024 pixels to copy and link to; None generates them.
    """
    if (folder / "test_list.txt").exists():
        return folder
    rng = np.random.default_rng(seed)
    sources = _sources(folder / "originals", originals)
    train_count = round(images * TRAIN_VAL / IMAGES)
    names = [_patients(rng, count) for count in (train_count, images - train_count)]
    numbers = rng.permutation(sum(map(len, names))) + 1
    sides = _names(names[0], numbers[: len(names[0])]), _names(names[1], numbers[len(names[0]) :])
    everything = sorted(sides[0] + sides[1])
    _link(folder, everything, sources)
    for name in sides[0][:broken]:
        _cut(folder, name)
    labels = _labels(rng, everything)
    _entries(rng, everything, labels).to_csv(folder / "Data_Entry_2017_v2020.csv", index=False)
    boxed = round(BOXED_IMAGES * images / IMAGES)
    _boxes(rng, dict(zip(everything, labels, strict=True)), sides[1], boxed).to_csv(
        folder / "BBox_List_2017.csv", index=False
    )
    for file, side in zip(("train_val_list.txt", "test_list.txt"), sides, strict=True):
        (folder / file).write_text("\n".join(sorted(side)) + "\n")
    return folder


def _sources(folder: Path, originals: Path | None) -> list[Path]:
    """Return the image files to link to, created in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    if originals is not None and not originals.is_dir():
        raise DataError(f"--originals {originals} is not a folder")
    for path in sorted(originals.glob("*.png")) if originals else ():
        shutil.copyfile(path, folder / path.name)
    if originals is None:
        for sample in datasets.load(f"phantom:train={DRAWN},val=1,test=1", split="train", img_size=FRAME[0]):
            Image.fromarray(sample.image).save(folder / f"{sample.image_id}.png")
    return sorted(folder.glob("*.png"))


def _patients(rng: np.random.Generator, images: int) -> list[int]:
    """Return the number of images of each patient, ``images`` in total."""
    counts = rng.geometric(1 / PER_PATIENT, images)
    ends = np.minimum(np.cumsum(counts), images)
    return [int(n) for n in np.diff(ends, prepend=0) if n]


def _names(counts: Sequence[int], numbers: Sequence[int]) -> list[str]:
    return [f"{number:08}_{i:03}.png" for number, count in zip(numbers, counts, strict=True) for i in range(count)]


def _folder(folder: Path, number: int) -> Path:
    return folder / f"images_{number:03}" / "images"


def _link(folder: Path, names: Sequence[str], sources: Sequence[Path]) -> None:
    """Create hard links, because symbolic links that lead out of the folder of a data set are not allowed."""
    ends = np.cumsum(np.array(FOLDERS) / IMAGES) * len(names)
    which = np.searchsorted(ends, np.arange(len(names)), side="right").clip(max=len(FOLDERS) - 1) + 1
    for number in set(which.tolist()):
        _folder(folder, number).mkdir(parents=True, exist_ok=True)
    for i, (name, number) in enumerate(zip(names, which.tolist(), strict=True)):
        os.link(sources[i % len(sources)], _folder(folder, number) / name)


def _cut(folder: Path, name: str) -> None:
    """Replace the link to a file by the first half of the file."""
    (path,) = folder.glob(f"images_*/images/{name}")
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def _labels(rng: np.random.Generator, names: Sequence[str]) -> list[str]:
    normal, first, second = (rng.random(len(names)), *rng.integers(len(FINDINGS), size=(2, len(names))))
    return [
        NORMAL if normal[i] < 0.54 else "|".join(sorted({FINDINGS[first[i]], FINDINGS[second[i]]}))
        for i in range(len(names))
    ]


def _entries(rng: np.random.Generator, names: Sequence[str], labels: Sequence[str]) -> pd.DataFrame:
    """Return the table of entries, with its broken header."""
    n = len(names)
    columns = {
        "Image Index": names, "Finding Labels": labels, "Follow-up #": [int(name[9:12]) for name in names],
        "Patient ID": [int(name[:8]) for name in names], "Patient Age": rng.integers(1, 95, n),
        "Patient Gender": rng.choice(["M", "F"], n), "View Position": rng.choice(["PA", "AP"], n),
        "OriginalImage[Width": 2500, "Height]": 2048, "OriginalImagePixelSpacing[x": 0.168, "y]": 0.168,
    }  # fmt: skip
    return pd.DataFrame(columns)


def _boxes(rng: np.random.Generator, labels: dict[str, str], test: Sequence[str], count: int) -> pd.DataFrame:
    """Return boxes of ``count`` test images that have one of the eight findings."""
    paths = [(name, next((word for word in labels[name].split("|") if word in BOXED), "")) for name in test]
    chosen = [pair for pair in paths if pair[1]][:count]
    corners, sides = rng.uniform(50, 500, (len(chosen), 2)), rng.uniform(60, 400, (len(chosen), 2))
    rows = [
        (name, word.replace("Infiltration", "Infiltrate"), *corner, *side)
        for (name, word), corner, side in zip(chosen, corners.tolist(), sides.tolist(), strict=True)
    ]
    return pd.DataFrame(rows, columns=["Image Index", "Finding Label", "Bbox [x", "y", "w", "h]"])
