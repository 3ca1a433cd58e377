"""From a file to gray uint8 pixels: PNG and JPEG, 8 and 16 bit, gray, RGB, RGBA and palette."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from core.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg")


def decode(path: Path | str) -> NDArray[np.uint8]:
    """(H, W) uint8 gray pixels of the whole file. Alpha is dropped, colour becomes luma, 16 bit is divided by 257.

    Raises ``DataError`` with the path and the reason when the file is absent, truncated, broken or no image.
    """
    try:
        with Image.open(path) as image:
            return _gray(image)
    except FileNotFoundError:
        raise DataError(f"no image file {path}") from None
    except UnidentifiedImageError:
        raise DataError(f"cannot decode {path}: it is no image of a known kind (PNG, JPEG)") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"cannot decode {path}: {error}") from error


def find(folder: Path, *patterns: str) -> dict[str, Path]:
    """File name -> path of the images in those of ``folder``'s sub-folders that match a pattern; sorted by name."""
    places = sorted({place for pattern in patterns for place in folder.glob(pattern) if place.is_dir()})
    found = {path.name: path for place in places for path in place.iterdir() if path.suffix.lower() in SUFFIXES}
    return dict(sorted(found.items()))


def _gray(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        return _eight_bit(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "P"):
        image = image.convert("RGBA" if image.mode in ("P", "PA") else image.mode)
        image = image.getchannel("L") if image.mode == "LA" else image.convert("RGB")
    return np.asarray(image.convert("L"), dtype=np.uint8)


def _eight_bit(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """16 bit to 8 bit: 0 stays 0 and 65535 becomes 255."""
    return np.clip(np.rint(values.astype(np.float64) / 257), 0, 255).astype(np.uint8)
