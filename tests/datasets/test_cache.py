"""The pixel cache: its key, decoding on demand, interrupted runs and unreadable images."""

import dataclasses
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


def sample(path):
    return Sample(path.name, path.stem, (8, 8), np.zeros(1, np.float32), {}, functools.partial(decode, path), str(path))


def folder_of_images(folder, count):
    folder.mkdir(exist_ok=True)
    for i in range(count):
        Image.fromarray(np.full((8, 8), i, np.uint8)).save(folder / f"{i:03d}.png")
    return [sample(folder / f"{i:03d}.png") for i in range(count)]


def arrays(folder):
    return [path for path in folder.iterdir() if path.suffix == ".npy"]


def test_the_rows_are_the_images_in_order(tmp_path):
    found = cache.pixels(folder_of_images(tmp_path / "in", 5), 4, tmp_path / "out")
    assert found.images.shape == (5, 4, 4)
    assert found.images[:, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert isinstance(found.images, np.memmap)


def test_several_processes_give_what_one_gives(tmp_path, monkeypatch):
    data = folder_of_images(tmp_path / "in", 11)
    (tmp_path / "in" / "004.png").write_bytes(b"broken")
    one = cache.pixels(data, 4, tmp_path / "one", max_bad=0.2, workers=1)
    monkeypatch.setattr(decoding, "FEW", 2)
    many = cache.pixels(data, 4, tmp_path / "many", max_bad=0.2, workers=3)
    assert (one.images == many.images).all()
    assert one.bad == many.bad


def test_a_second_call_decodes_nothing(tmp_path):
    data = folder_of_images(tmp_path / "in", 3)
    cache.pixels(data, 4, tmp_path / "out")
    before = arrays(tmp_path / "out")[0].stat().st_mtime_ns
    assert cache.pixels(data, 4, tmp_path / "out").images.shape == (3, 4, 4)
    assert [path.stat().st_mtime_ns for path in arrays(tmp_path / "out")] == [before]


def test_changed_content_gets_a_new_array(tmp_path):
    data = folder_of_images(tmp_path / "in", 3)
    cache.pixels(data, 4, tmp_path / "out")
    Image.fromarray(np.full((8, 8), 99, np.uint8)).save(tmp_path / "in" / "001.png")
    assert cache.pixels(data, 4, tmp_path / "out").images[:, 0, 0].tolist() == [0, 99, 2]
    cache.pixels(data, 8, tmp_path / "out")
    cache.pixels(data[:2], 4, tmp_path / "out")
    assert len(arrays(tmp_path / "out")) == 4


def test_pixels_without_a_source_are_part_of_the_key(tmp_path):
    for value in (3, 4):
        data = [Sample("a", "a", (8, 8), np.zeros(1, np.float32), {}, lambda v=value: np.full((8, 8), v, np.uint8))]
        assert cache.pixels(data, 4, tmp_path).images[0, 0, 0] == value


def test_an_unreadable_image_is_skipped_counted_and_logged(tmp_path, caplog):
    data = folder_of_images(tmp_path / "in", 4)
    (tmp_path / "in" / "001.png").write_bytes(b"broken")
    for _ in ("made", "found"):
        found = cache.pixels(data, 4, tmp_path / "out", max_bad=0.25)
        assert found.kept.tolist() == [0, 2, 3]
        assert found.images[found.kept, 0, 0].tolist() == [0, 2, 3]
        assert [name for name, _ in found.bad] == ["001.png"]
        assert "cannot decode" in found.bad[0][1]
    assert caplog.text.count("skipped: cannot decode") == 2  # once per call


def test_too_many_unreadable_images_raise_an_error(tmp_path, caplog):
    data = folder_of_images(tmp_path / "in", 4)
    (tmp_path / "in" / "001.png").write_bytes(b"broken")
    sentence = r"^1 of 4 images cannot be read \(--max_bad_images allows a share of 0\.01\): .*/001\.png"
    with pytest.raises(DataError, match=sentence):
        cache.pixels(data, 4, tmp_path / "out")
    assert [record for record in caplog.records if record.levelname != "INFO"] == []  # the error says it


def counted(path, pause=0.0):
    """Decode slowly and write a line per decoded image."""
    time.sleep(pause)
    with (path.parents[1] / "decoded.txt").open("a") as file:
        file.write(f"{path.name}\n")
    return decode(path)


def decoded_names(folder):
    file = folder / "decoded.txt"
    return file.read_text().split() if file.exists() else []


def counting(data, pause=0.0):
    return [dataclasses.replace(one, read=functools.partial(counted, Path(one.source), pause)) for one in data]


def _make_slowly(folder, out, pause, workers=1):
    cache.pixels(counting([sample(path) for path in sorted(folder.iterdir())], pause), 4, out, workers=workers)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_resumes_without_decoding_an_image_twice(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(decoding, "FEW", 10)
    data = folder_of_images(tmp_path / "in", 40)
    process = multiprocessing.get_context("fork").Process(target=_make_slowly, args=(tmp_path / "in", tmp_path / "out", 0.05, workers))
    process.start()
    while len(decoded_names(tmp_path)) < 8:
        time.sleep(0.02)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    assert cache.pixels(counting(data), 4, tmp_path / "out").images[:, 0, 0].tolist() == [*range(40)]
    assert len(arrays(tmp_path / "out")) == 1
    names = decoded_names(tmp_path)
    assert set(names) == {one.image_id for one in data}
    assert len(names) <= 40 + workers  # each process may have lost one image


def test_images_are_decoded_in_the_requested_order(tmp_path):
    data = counting(folder_of_images(tmp_path / "in", 40), 0.01)
    one = cache.PixelCache(data, 4, tmp_path / "out", workers=1)
    assert decoded_names(tmp_path) == []
    one.order = np.arange(40)[::-1]
    images, readable = one.read(np.array([39, 38]))
    assert images[:, 0, 0].tolist() == [39, 38]
    assert readable.all()
    assert len(decoded_names(tmp_path)) < 40
    one.read(np.arange(40))
    assert decoded_names(tmp_path) == [f"{i:03d}.png" for i in reversed(range(40))]


def test_a_closed_cache_keeps_decoded_images_and_leaves_no_process(tmp_path):
    data = counting(folder_of_images(tmp_path / "in", 100), 0.02)
    one = cache.PixelCache(data, 4, tmp_path / "out", workers=1)
    one.read(np.array([0]))
    one.close()
    assert multiprocessing.active_children() == []
    done = len(decoded_names(tmp_path))
    assert 0 < done < 100
    one.read(np.arange(100))
    assert len(decoded_names(tmp_path)) <= 101


def test_a_terminated_process_is_replaced(tmp_path):
    data = counting(folder_of_images(tmp_path / "in", 60), 0.02)
    one = cache.PixelCache(data, 4, tmp_path / "out", workers=1)
    one.read(np.array([0]))
    for process in multiprocessing.active_children():
        os.kill(process.pid or 0, signal.SIGTERM)  # as a cluster stops a job
    images, readable = one.read(np.arange(60))
    assert images[:, 0, 0].tolist() == [*range(60)]
    assert readable.all()


def test_progress_is_logged_regularly(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(decoding, "EVERY", 0.0)
    with caplog.at_level(logging.INFO):
        cache.pixels(folder_of_images(tmp_path / "in", 40), 4, tmp_path / "out", workers=1)
    lines = [line for line in caplog.messages if line.startswith("decoded")]
    assert lines == [f"decoded {n} of 40 images" for n in (16, 32, 40)]


def test_unreadable_images_are_logged_up_to_a_limit(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(cache, "NAMED", 2)
    data = folder_of_images(tmp_path / "in", 5)
    for path in sorted((tmp_path / "in").iterdir())[:4]:
        path.write_bytes(path.read_bytes()[:40])
    cache.pixels(data, 4, tmp_path / "out", max_bad=0.9)
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert ["000.png" in warnings[0], "001.png" in warnings[1], "2 more" in warnings[2]] == [True] * 3
    assert len(warnings) == 3


def test_two_simultaneous_runs_give_the_same_array(tmp_path):
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


def _with_a_full_disk(folder, out):
    logging.disable()
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        cache.pixels(folder_of_images(folder, 30), 64, out)
    except DataError as error:
        os._exit(7 if "cannot write" in str(error) and not arrays(out) else 8)
    os._exit(9)


def test_a_full_disk_raises_a_clear_error_and_leaves_no_file(tmp_path):
    process = multiprocessing.get_context("fork").Process(target=_with_a_full_disk, args=(tmp_path / "in", tmp_path / "out"))
    process.start()
    process.join()
    assert process.exitcode == 7


def test_a_process_that_dies_raises_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "FEW", 1)
    data = [Sample(str(i), "a", (8, 8), np.zeros(1, np.float32), {}, lambda: os._exit(1), f"none-{i}") for i in range(4)]
    with pytest.raises(DataError, match=r"none-\d ended with status 1: run the command again$"):
        cache.pixels(data, 4, tmp_path, workers=2)
