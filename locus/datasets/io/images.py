"""Find image files, and decode them to grey uint8 pixels.

PNG and JPEG of 8 or 16 bit are decoded here, DICOM in ``locus.datasets.io.dicom``. The key that identifies the pixels
of a data set without decoding them is ``locus.datasets.base.content_key``.
"""

import contextlib
import io
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from locus.core import limits
from locus.core.errors import DataError
from locus.datasets.io.tables import check_links

DICOM = (".dcm", ".dicom")
SUFFIXES = (".png", ".jpg", ".jpeg", *DICOM)
KINDS: tuple[Literal["PNG", "JPEG"], ...] = ("PNG", "JPEG")
"""Allowed formats, detected by content."""
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
"""Errors that reading a broken file may raise."""
JPEG_END, PADDING = b"\xff\xd9", b"\xff\x00" * 16
ROWS_PER_STEP = 256
"""Number of 16-bit rows converted to 8 bit at a time."""


def decode(path: Path | str, content: bytes | None = None) -> NDArray[np.uint8]:
    """Return the (H, W) uint8 grey pixels. Alpha is dropped, colour becomes luma, 16-bit values are divided by 257.

    The EXIF orientation is applied, as viewers and OpenCV do. ``content``: the bytes of the image if it is not on disk;
    ``path`` is then only its name. Raises ``DataError`` with the path and the reason for a file that is missing,
    truncated, broken or not an image.
    """
    if is_dicom(path):
        from locus.datasets.io import dicom

        return dicom.decode(Path(path), content)
    with _opened(path, content) as image:
        pixels = _gray(image)
        turn = _turn(image)
        if image.format == "PNG" and not pixels[-1].any():
            _refuse_half(path, Path(path).read_bytes() if content is None else content)
        if image.format == "JPEG" and not image.info.get("progressive"):
            _refuse_half_jpeg(path, Path(path).read_bytes() if content is None else content)
        return pixels if turn is None else np.asarray(Image.fromarray(pixels).transpose(turn))


def frame(path: Path | str, content: bytes | None = None) -> tuple[int, int]:
    """Return the (H, W) of a file, or of its ``content``, from its header. Raises ``DataError`` as ``decode`` does."""
    if is_dicom(path):
        from locus.datasets.io import dicom

        return dicom.header(Path(path), content).frame
    with _opened(path, content) as image:
        if image.format == "PNG" and b"eXIf" in (content or Path(path).read_bytes()):
            image.load()  # the orientation may be behind the pixels
        return (
            (image.width, image.height) if _turn(image) in SIDEWAYS else (image.height, image.width)
        )


TURNS = dict(enumerate((Image.Transpose(n) for n in (0, 3, 1, 5, 4, 6, 2)), start=2))
"""EXIF orientation -> how the stored image is turned upright."""
SIDEWAYS = [TURNS[n] for n in range(5, 9)]


def _turn(image: Image.Image) -> Image.Transpose | None:
    """Return how an image is turned by its EXIF orientation; None if it is shown as it is stored."""
    with contextlib.suppress(*BROKEN):
        return TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    return None


def frame_or_dot(path: Path | str) -> tuple[int, int]:
    """Return ``frame``, or (1, 1) for a broken file; decoding it reports the error."""
    try:
        return frame(path)
    except DataError:
        return 1, 1


def is_dicom(path: Path | str) -> bool:
    """Return True if a file has a DICOM extension.

    >>> is_dicom("a.DCM"), is_dicom("a.png")
    (True, False)
    """
    return Path(path).suffix.lower() in DICOM


@contextlib.contextmanager
def _opened(path: Path | str, content: bytes | None = None) -> Iterator[Image.Image]:
    """Open the file, or its ``content``, as an image. The content decides the format, not the extension."""
    if content is None and Path(path).exists() and not Path(path).is_file():
        raise DataError(
            f"cannot decode {path}: it is not a regular file"
        )  # a pipe would wait forever
    try:
        with open_image(path if content is None else io.BytesIO(content), KINDS) as image:
            if image.width * image.height > limits.MAX_IMAGE_PIXELS:
                limit = f"above the limit of {limits.MAX_IMAGE_PIXELS:,} pixels"
                raise DataError(
                    f"cannot decode {path}: its size, {image.height}x{image.width} pixels, is {limit}"
                )
            yield image
    except FileNotFoundError:
        raise DataError(f"image file {path} not found") from None
    except UnidentifiedImageError:
        raise DataError(f"cannot decode {path}: it is not a PNG or JPEG image") from None
    except BROKEN as error:
        raise DataError(f"cannot decode {path}: {error}") from error


def open_image(
    source: Path | str | io.BytesIO, formats: tuple[Literal["PNG", "JPEG"], ...]
) -> Image.Image:
    """Open an image of one of the ``formats`` with Pillow, which detects the format by content.

    All code uses this function, because Pillow's readers of other formats may start programs (Ghostscript for EPS) or
    open other files. Raises ``UnidentifiedImageError`` for another format, and other errors of Pillow.
    """
    return Image.open(source, formats=formats)


def find(folder: Path, *patterns: str) -> dict[str, str]:
    """Return name -> path of the images in subfolders of ``folder`` that match one of the ``patterns``, sorted by name.

    Raises ``DataError`` for two files of one name and for a link that is not usable.
    """
    matches = {path for pattern in patterns for path in folder.glob(pattern)}
    subfolders = sorted(path for path in matches if path.is_dir())
    files: dict[str, str] = {}
    links = []
    for subfolder in subfolders:
        with os.scandir(subfolder) as entries:  # scandir detects links without a stat per file
            for entry in entries:
                if entry.name.lower().endswith(SUFFIXES):
                    if entry.name in files:
                        both = f"{files[entry.name]} and {entry.path}"
                        raise DataError(
                            f"there are two files {entry.name}, {both}: remove one of them"
                        )
                    files[entry.name] = entry.path
                    links += [Path(entry.path)] if entry.is_symlink() else []
    check_links([*subfolders, *links], folder)
    return dict(sorted(files.items()))


def _refuse_half(path: Path | str, content: bytes) -> None:
    """Raise ``DataError`` for a PNG whose compressed pixels end early: Pillow leaves the other rows black."""
    width, height, bits, colour, _, _, interlaced = struct.unpack(">IIBBBBB", content[16:29])
    packed = b""
    position = 8
    while position + 8 <= len(content):
        length = int.from_bytes(content[position : position + 4])
        packed += (
            content[position + 8 : position + 8 + length]
            if content[position + 4 : position + 8] == b"IDAT"
            else b""
        )
        position += 12 + length
    expected = height * (1 + -(-width * bits * {2: 3, 4: 2, 6: 4}.get(colour, 1) // 8))
    count = len(zlib.decompressobj().decompress(packed, expected))
    if count < expected and not interlaced:
        raise DataError(
            f"cannot decode {path}: it is truncated ({count} of {expected} bytes of pixels)"
        )


def _refuse_half_jpeg(path: Path | str, content: bytes) -> None:
    """Raise ``DataError`` for a JPEG whose pixels end before its end marker, because it is cut or damaged.

    libjpeg fills the other rows with grey, or shifts the rows below damaged bytes, and its warning is not seen.
    Without the marker, the decoder waits for the missing pixels; a complete image does not need the marker.
    """
    body = content[: content.rfind(JPEG_END)] + PADDING  # the decoder reads a few bytes ahead
    try:
        with open_image(io.BytesIO(body), ("JPEG",)) as image:
            image.load()
    except OSError as error:
        raise DataError(
            f"cannot decode {path}: it is truncated or damaged before its end marker"
        ) from error


def _gray(image: Image.Image) -> NDArray[np.uint8]:
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        return _eight_bit(np.asarray(image))
    if image.mode in ("RGBA", "LA", "PA", "P"):
        image = image.convert("RGBA" if image.mode in ("P", "PA") else image.mode)
        image = image.getchannel("L") if image.mode == "LA" else image.convert("RGB")
    return np.asarray(image.convert("L"), dtype=np.uint8)


def _eight_bit(values: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Convert 16 bit to 8 bit: 0 stays 0 and 65535 becomes 255."""
    grey = np.empty(values.shape, np.uint8)
    for first in range(0, len(values), ROWS_PER_STEP):
        rows = slice(first, first + ROWS_PER_STEP)
        grey[rows] = np.clip(np.rint(values[rows].astype(np.float64) / 257), 0, 255)
    return grey
