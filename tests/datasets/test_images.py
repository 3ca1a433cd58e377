"""Decoding of PNG and JPEG: all modes give the same grey pixels; broken files raise clear errors."""

import os
import zlib

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from locus.core.errors import DataError
from locus.datasets.io.images import decode, find, frame

RAMP = np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "LA", "P", "1"])
def test_every_mode_becomes_the_same_gray(tmp_path, mode):
    image = RAMP if mode != "1" else np.where(RAMP > 127, 255, 0).astype(np.uint8)
    file = Image.fromarray(image).convert(mode)
    if mode.endswith("A"):
        file.putalpha(0)  # which is dropped, not blended
    file.save(tmp_path / "a.png")
    assert np.abs(decode(tmp_path / "a.png").astype(int) - image).max() == 0


@pytest.mark.oracle
def test_sixteen_bit_is_scaled_to_its_full_range(tmp_path):
    values = np.array([[0, 257, 32896, 65535]], np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), values)
    assert decode(tmp_path / "a.png").tolist() == [[0, 1, 128, 255]]


@pytest.mark.oracle
@pytest.mark.parametrize("option", [{}, {"transparency": 7}, {"bits": 4}, {"gamma": 100000}, {"orientation": 6}])
def test_a_gray_png_has_the_pixels_that_pillow_reads_whatever_its_other_chunks_say(tmp_path, option):
    path, exif, chunks = tmp_path / "a.png", Image.Exif(), PngInfo()
    if "orientation" in option:
        exif[ExifTags.Base.Orientation] = option.pop("orientation")
    if "gamma" in option:
        chunks.add(b"gAMA", option.pop("gamma").to_bytes(4, "big"))
    grey = Image.fromarray(np.random.default_rng(0).integers(0, 256, (37, 53), dtype=np.uint8))
    grey.save(path, pnginfo=chunks, exif=exif, **option)
    np.testing.assert_array_equal(decode(path), np.asarray(ImageOps.exif_transpose(Image.open(path))))


@pytest.mark.oracle
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_jpeg_and_its_frame_are_upright_as_in_opencv(tmp_path, orientation):
    path, exif = str(tmp_path / "a.jpg"), Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.fromarray(RAMP).save(path, exif=exif, quality=95)
    upright = cv2.imread(path, cv2.IMREAD_GRAYSCALE)
    assert np.abs(decode(path).astype(int) - upright).max() < 6
    assert frame(path) == upright.shape


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_truncated_file_is_an_error_that_names_it(tmp_path, name):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=f"{name}.*truncated"):
        decode(tmp_path / name)


def test_a_file_that_is_not_an_image_raises_an_error_with_its_path(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"/a\.png.*PNG or JPEG"):
        decode(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"/b\.png"):
        decode(tmp_path / "b.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("name", ["x.png", "x.dcm"])
def test_a_pipe_raises_an_error_immediately(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=f"{name}.*not a regular file"):
        decode(tmp_path / name)


def test_only_files_with_image_extensions_are_found(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("b.png", "a.JPG", "notes.txt"):
        (tmp_path / "images" / name).touch()
    assert list(find(tmp_path, "images", "absent")) == ["a.JPG", "b.png"]
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "b.png").touch()
    with pytest.raises(DataError, match=r"two files b\.png"):
        find(tmp_path, "images", "more")


def chunks(path):
    """Return the signature and the chunks of a PNG file, by their names."""
    content, at, found = path.read_bytes(), 8, {}
    while at < len(content):
        length = int.from_bytes(content[at : at + 4])
        found[content[at + 4 : at + 8]] = content[at : at + 12 + length]
        at += 12 + length
    return found


def test_an_orientation_behind_the_pixels_counts_for_pixels_and_frame(tmp_path):
    path, exif = tmp_path / "a.png", Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    Image.fromarray(RAMP).save(path, exif=exif)
    parts = chunks(path)
    path.write_bytes(path.read_bytes()[:8] + b"".join(parts[name] for name in (b"IHDR", b"IDAT", b"eXIf", b"IEND")))
    assert decode(path).shape == frame(path) == RAMP.shape[::-1]


@pytest.mark.parametrize("rows", [0, 1, 20, 47])
def test_a_png_whose_pixels_end_early_is_truncated(tmp_path, rows):
    path = tmp_path / "a.png"
    Image.fromarray(RAMP).save(path)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in RAMP[:rows]))
    body = b"IDAT" + packed
    idat = len(packed).to_bytes(4) + body + zlib.crc32(body).to_bytes(4)
    parts = chunks(path)
    path.write_bytes(path.read_bytes()[:8] + parts[b"IHDR"] + idat + parts[b"IEND"])
    with pytest.raises(DataError, match=r"a\.png.*truncated"):
        decode(path)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"optimize": True}])
def test_a_whole_jpeg_with_a_black_lower_edge_is_read(tmp_path, options):
    path, pixels = tmp_path / "a.jpg", np.zeros((64, 64), np.uint8)
    pixels[:32, :32] = 200
    Image.fromarray(pixels).save(path, quality=95, **options)
    assert np.abs(decode(path).astype(int) - pixels).max() < 6


def test_a_jpeg_with_damaged_bytes_in_its_middle_is_unreadable(tmp_path):
    path = tmp_path / "a.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (256, 256), dtype=np.uint8)
    smooth = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 3), None, 20, 235, cv2.NORM_MINMAX)
    Image.fromarray(smooth).save(path, quality=90)
    content = path.read_bytes()
    decode(path)
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes(400) + content[middle + 400 :])
    with pytest.raises(DataError, match=r"a\.jpg.*truncated"):
        decode(path)


def test_a_jpeg_whose_pixels_end_before_its_end_marker_is_truncated(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200), dtype=np.uint8)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + b"\xff\xd9")
    with pytest.raises(DataError, match=r"a\.jpg.*truncated"):
        decode(path)
