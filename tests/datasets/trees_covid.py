"""A tiny COVID-19 Radiography Database in all layouts, with RGB files and a folder of masks."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

FOLDERS = ("COVID", "Lung_Opacity", "Normal", "Viral Pneumonia")
PARTED = {"covid_19": "COVID", "lung_opacity": "Lung_Opacity", "normal": "Normal", "pneumonia": "Viral Pneumonia"}


def write_covid(root: Path, layout: str = "masks", images: int = 121) -> Path:
    """Write a layout: ``masks`` (current release), ``flat`` (first release) or ``parted`` (folders train, val, test)."""
    if layout == "parted":
        for split, share in (("train", images - 2), ("val", 1), ("test", 1)):
            for folder, name in PARTED.items():
                _pictures(root / split / folder, [f"{name}-{split}{i}" for i in range(share)])
        return root
    for folder in FOLDERS:
        names = [f"{folder}-{i + 1}" for i in range(images)]
        base = root / "COVID-19_Radiography_Dataset" / folder / "images" if layout == "masks" else root / folder
        _pictures(base, names)
        if layout == "masks":
            _pictures(base.parent / "masks", names[:-1])
    return root


def _pictures(folder: Path, names: list[str]) -> None:
    grey = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    files = [_png(grey.convert("RGB")), *[_png(grey)] * 8]
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(names):
        (folder / f"{name}.png").write_bytes(files[i % 9])


def _png(image: Image.Image) -> bytes:
    """Return the bytes of a file, encoded once."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
