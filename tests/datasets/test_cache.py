"""The pixel cache: whole or absent, keyed by content, bad images left out and named."""

import fcntl
import functools
import logging
import multiprocessing
import os
import resource
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.errors import DataError
from core.types import Sample
from datasets.io import cache, decoding
from datasets.io.images import decode


def sample(path: Path) -> Sample:
    return Sample(path.name, path.stem, (8, 8), np.zeros(1, np.float32), {}, functools.partial(decode, path), str(path))


def folder_of_images(folder: Path, count: int) -> list[Sample]:
    folder.mkdir(exist_ok=True)
    for i in range(count):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(folder / f"{i:03d}.png")
    return [sample(folder / f"{i:03d}.png") for i in range(count)]


def arrays(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix == ".npy"]


def test_the_rows_are_the_images_in_order(tmp_path: Path):
    found = cache.pixels(folder_of_images(tmp_path / "in", 5), 4, tmp_path / "out")
    assert found.images.shape == (5, 4, 4)
    assert found.images[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert isinstance(found.images, np.memmap)


def test_several_processes_give_what_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    data = folder_of_images(tmp_path / "in", 11)
    (tmp_path / "in" / "004.png").write_bytes(b"broken")
    one = cache.pixels(data, 4, tmp_path / "one", max_bad=0.2, workers=1)
    monkeypatch.setattr(decoding, "FEW", 2)
    many = cache.pixels(data, 4, tmp_path / "many", max_bad=0.2, workers=3)
    assert (one.images == many.images).all()
    assert one.bad == many.bad


def test_a_second_call_decodes_nothing(tmp_path: Path):
    data = folder_of_images(tmp_path / "in", 3)
    cache.pixels(data, 4, tmp_path / "out")
    before = arrays(tmp_path / "out")[0].stat().st_mtime_ns
    assert cache.pixels(data, 4, tmp_path / "out").images.shape == (3, 4, 4)
    assert [path.stat().st_mtime_ns for path in arrays(tmp_path / "out")] == [before]


def test_other_content_is_another_array(tmp_path: Path):
    data = folder_of_images(tmp_path / "in", 3)
    cache.pixels(data, 4, tmp_path / "out")
    Image.fromarray(np.full((8, 8), 99, np.uint8)).save(tmp_path / "in" / "001.png")
    assert cache.pixels(data, 4, tmp_path / "out").images[:, 0, 0].tolist() == [0, 99, 2]
    cache.pixels(data, 8, tmp_path / "out")
    cache.pixels(data[:2], 4, tmp_path / "out")
    assert len(arrays(tmp_path / "out")) == 4


def test_pixels_without_a_source_are_keyed_by_themselves(tmp_path: Path):
    for value in (3, 4):
        data = [Sample("a", "a", (8, 8), np.zeros(1, np.float32), {}, lambda v=value: np.full((8, 8), v, np.uint8))]
        assert cache.pixels(data, 4, tmp_path).images[0, 0, 0] == value


def test_a_bad_image_is_left_out_counted_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    data = folder_of_images(tmp_path / "in", 4)
    (tmp_path / "in" / "001.png").write_bytes(b"broken")
    for _ in ("made", "found"):
        found = cache.pixels(data, 4, tmp_path / "out", max_bad=0.25)
        assert found.kept.tolist() == [0, 2, 3]
        assert found.images[:, 0, 0].tolist() == [0, 2, 3]
        assert [name for name, _ in found.bad] == ["001.png"]
        assert "cannot decode" in found.bad[0][1]
    assert caplog.text.count("left out: cannot decode") == 2  # once per call


def test_too_many_bad_images_stop_with_count_and_examples_and_leave_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    data = folder_of_images(tmp_path / "in", 4)
    (tmp_path / "in" / "001.png").write_bytes(b"broken")
    sentence = r"^1 of 4 images cannot be used, more than --max_bad_images 0\.01 allows: .*/001\.png"
    with pytest.raises(DataError, match=sentence):
        cache.pixels(data, 4, tmp_path / "out")
    assert arrays(tmp_path / "out") == []
    assert [record for record in caplog.records if record.levelname != "INFO"] == []  # the error says it


def _make_slowly(folder: Path, out: Path, pause: float, workers: int = 1) -> None:
    def slow(path: Path) -> np.ndarray:
        time.sleep(pause)
        return decode(path)

    data = [
        Sample(p.name, p.stem, (8, 8), np.zeros(1, np.float32), {}, functools.partial(slow, p), str(p)) for p in sorted(folder.iterdir())
    ]
    cache.pixels(data, 4, out, workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_killed_half_way_it_leaves_nothing_that_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int):
    monkeypatch.setattr(decoding, "FEW", 2)
    data = folder_of_images(tmp_path / "in", 6)
    process = multiprocessing.get_context("fork").Process(target=_make_slowly, args=(tmp_path / "in", tmp_path / "out", 0.2, workers))
    process.start()
    while not (tmp_path / "out").exists() or not arrays(tmp_path / "out"):
        time.sleep(0.02)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    (temporary,) = arrays(tmp_path / "out")
    with temporary.open("r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # a worker of the killed process may hold it for a moment longer
    assert cache.pixels(data, 4, tmp_path / "out").images[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]
    assert len(arrays(tmp_path / "out")) == 1  # the whole one: the temporary one is gone


def test_two_runs_at_once_agree(tmp_path: Path):
    data = folder_of_images(tmp_path / "in", 6)
    work = [
        multiprocessing.get_context("fork").Process(target=_make_slowly, args=(tmp_path / "in", tmp_path / "out", 0.02)) for _ in range(2)
    ]
    for process in work:
        process.start()
    for process in work:
        process.join()
    assert [process.exitcode for process in work] == [0, 0]
    assert len(arrays(tmp_path / "out")) == 1
    assert cache.pixels(data, 4, tmp_path / "out").images[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]


def _with_a_full_disk(folder: Path, out: Path) -> None:
    logging.disable()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        cache.pixels(folder_of_images(folder, 30), 64, out)
    except DataError as error:
        os._exit(7 if "cannot write" in str(error) and not arrays(out) else 8)
    os._exit(9)


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path):
    process = multiprocessing.get_context("fork").Process(target=_with_a_full_disk, args=(tmp_path / "in", tmp_path / "out"))
    process.start()
    process.join()
    assert process.exitcode == 7


def test_a_process_that_dies_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(decoding, "FEW", 1)
    data = [Sample(str(i), "a", (8, 8), np.zeros(1, np.float32), {}, lambda: os._exit(1), f"none-{i}") for i in range(4)]
    with pytest.raises(DataError, match=r"died.*none-\d"):
        cache.pixels(data, 4, tmp_path, workers=2)
    assert arrays(tmp_path) == []
