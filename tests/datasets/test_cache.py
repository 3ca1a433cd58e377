"""The pixel cache: its key, decoding on demand and in processes, crashes, interrupted runs and unreadable images."""

import dataclasses
import functools
import logging
import multiprocessing
import os
import re
import signal
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from locus.core.errors import DataError
from locus.core.types import Sample
from locus.datasets.io import cache
from locus.datasets.io.images import decode
from tests.flips import flipped


def picture(number):
    return np.full((8, 8), number, np.uint8)


def sample(number, read, source=""):
    name = f"{number:03d}.png"
    return Sample(name, name, (8, 8), np.zeros(1, np.float32), {}, read, str(source or name))


def samples(count, *failing, failure=os.abort):
    """Return samples without files; those with the numbers ``failing`` call ``failure`` when they are decoded."""
    return [sample(i, failure if i in failing else functools.partial(picture, i)) for i in range(count)]


def images(folder, count, *broken):
    """Write images and return their samples."""
    folder.mkdir(exist_ok=True)
    paths = [folder / f"{i:03d}.png" for i in range(count)]
    for i, path in enumerate(paths):
        Image.fromarray(picture(i)).save(path)
        if i in broken:
            path.write_bytes(path.read_bytes()[:40])
    return [sample(i, functools.partial(decode, path), path) for i, path in enumerate(paths)]


def counting(folder, count, pause=0.0):
    """Return samples that decode slowly and write their number and process to a file; see ``decoded``."""
    return [sample(i, functools.partial(_counted, folder, i, pause)) for i in range(count)]


def _counted(folder, number, pause):
    time.sleep(pause)
    with (folder / "decoded.txt").open("a") as file:
        file.write(f"{number} {os.getpid()}\n")
    return picture(number)


def decoded(folder, column=0):
    """Return the numbers of decoded images (column 0), or the processes that decoded them (1)."""
    file = folder / "decoded.txt"
    return [int(line.split()[column]) for line in file.read_text().splitlines()] if file.exists() else []


def forked(work, *arguments, **named):
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments, kwargs=named)
    process.start()
    return process


def pixels(data, *arguments, **options):
    """Decode all images; return the array, the rows of readable images, and name and reason of the others."""
    one = cache.PixelCache(data, *arguments, **options)
    images, bad = one.complete(), one.bad()
    kept = np.setdiff1d(np.arange(len(data)), [*bad])
    return SimpleNamespace(images=images, kept=kept, bad=[(data[row].image_id, reason) for row, reason in bad.items()])


def arrays(folder):
    return [path for path in folder.iterdir() if path.suffix == ".npy"]


def test_the_rows_are_the_images_in_order_and_a_second_call_decodes_nothing(tmp_path):
    for _ in range(2):
        found = pixels(counting(tmp_path, 5), 4, tmp_path / "out")
        assert found.images.shape == (5, 4, 4)
        assert found.images[:, 0, 0].tolist() == decoded(tmp_path) == [0, 1, 2, 3, 4]
        assert isinstance(found.images, np.memmap)


@pytest.mark.parametrize("pattern", ["*.npy", "*.rows"])
def test_a_flipped_bit_in_the_cache_changes_no_pixel(tmp_path, pattern):
    data = images(tmp_path / "in", 3)
    before = pixels(data, 4, tmp_path / "out", workers=1).images.copy()
    for _ in flipped(next((tmp_path / "out").glob(pattern)), 8):
        assert (pixels(data, 4, tmp_path / "out", workers=1).images == before).all()


def test_several_processes_give_what_one_gives(tmp_path, monkeypatch):
    data = images(tmp_path / "in", 11, 4)
    one = pixels(data, 4, tmp_path / "one", max_bad=0.2, workers=1)
    monkeypatch.setattr(cache, "IMAGES_PER_PROCESS", 2)
    many = pixels(data, 4, tmp_path / "many", max_bad=0.2, workers=3)
    assert (one.images == many.images).all()
    assert one.bad == many.bad


def test_changed_content_gets_a_new_array(tmp_path):
    data = images(tmp_path / "in", 3)
    pixels(data, 4, tmp_path / "out")
    Image.fromarray(picture(99)).save(tmp_path / "in" / "001.png")
    assert pixels(data, 4, tmp_path / "out").images[:, 0, 0].tolist() == [0, 99, 2]
    state, path = (tmp_path / "in" / "002.png").stat(), tmp_path / "in" / "new.png"
    Image.fromarray(picture(7)).save(path)  # as long as the file that it replaces, and with the same time
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    path.replace(tmp_path / "in" / "002.png")
    assert (tmp_path / "in" / "002.png").stat().st_size == state.st_size
    assert pixels(data, 4, tmp_path / "out").images[:, 0, 0].tolist() == [0, 99, 7]
    pixels(data, 8, tmp_path / "out")
    pixels(data[:2], 4, tmp_path / "out")
    assert len(arrays(tmp_path / "out")) == 5


def test_pixels_without_a_source_are_part_of_the_key(tmp_path):
    for value in (3, 4):
        data = [dataclasses.replace(sample(0, functools.partial(picture, value)), source="")]
        assert pixels(data, 4, tmp_path).images[0, 0, 0] == value


def test_an_unreadable_image_is_skipped_counted_and_logged(tmp_path, caplog):
    data = images(tmp_path / "in", 4, 1)
    for _ in ("made", "found"):
        found = pixels(data, 4, tmp_path / "out", max_bad=0.25)
        assert found.kept.tolist() == found.images[found.kept, 0, 0].tolist() == [0, 2, 3]
        assert [(name, "cannot decode" in reason) for name, reason in found.bad] == [("001.png", True)]
    assert caplog.text.count("skipped: cannot decode") == 2  # once per call


def test_too_many_unreadable_images_raise_an_error(tmp_path, caplog):
    sentence = r"1 of 4 .*--max_bad_images.* 0\.01.*/001\.png"
    with pytest.raises(DataError, match=sentence):
        pixels(images(tmp_path / "in", 4, 1), 4, tmp_path / "out")
    assert [record for record in caplog.records if record.levelname != "INFO"] == []  # the error says it


@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_run_resumes_without_decoding_an_image_twice(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(cache, "IMAGES_PER_PROCESS", 10)
    process = forked(pixels, counting(tmp_path, 40, 0.05), 4, tmp_path / "out", workers=workers)
    while len(decoded(tmp_path)) < 8:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert pixels(counting(tmp_path, 40), 4, tmp_path / "out").images[:, 0, 0].tolist() == [*range(40)]
    assert len(arrays(tmp_path / "out")) == 1
    assert {*decoded(tmp_path)} == {*range(40)}
    assert len(decoded(tmp_path)) <= 40 + workers  # each process may have lost one image


def test_images_are_decoded_in_the_requested_order(tmp_path):
    one = cache.PixelCache(counting(tmp_path, 40, 0.01), 4, tmp_path / "out", workers=1)
    assert decoded(tmp_path) == []
    one.order = np.arange(40)[::-1]
    pixels, readable = one.read(np.array([39, 38]))
    assert pixels[:, 0, 0].tolist() == [39, 38]
    assert readable.all()
    assert len(decoded(tmp_path)) < 40
    one.read(np.arange(40))
    assert decoded(tmp_path) == [*reversed(range(40))]


def test_a_closed_cache_keeps_decoded_images_and_leaves_no_process(tmp_path):
    one = cache.PixelCache(counting(tmp_path, 100, 0.02), 4, tmp_path / "out", workers=1)
    one.read(np.array([0]))
    one.close()
    while multiprocessing.active_children():
        time.sleep(0.02)
    assert 0 < len(decoded(tmp_path)) < 100
    one.read(np.arange(100))
    assert len(decoded(tmp_path)) <= 101


def test_a_terminated_process_is_replaced(tmp_path):
    one = cache.PixelCache(counting(tmp_path, 60, 0.02), 4, tmp_path / "out", workers=1)
    one.read(np.array([0]))
    for process in multiprocessing.active_children():
        os.kill(process.pid, signal.SIGTERM)  # as a cluster stops a job
    pixels, readable = one.read(np.arange(60))
    assert pixels[:, 0, 0].tolist() == [*range(60)]
    assert readable.all()


def killed(rows):
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_that_end_before_they_decode_are_replaced_once(tmp_path, monkeypatch):
    one, started = cache.PixelCache(samples(10), 4, tmp_path, workers=1), []
    monkeypatch.setattr(cache, "_decode", killed)
    monkeypatch.setattr(cache, "_pool", lambda *args, pool=cache._pool: started.append(1) or pool(*args))
    with pytest.raises(DataError, match="killed"):
        one.read(np.array([0]))
    assert len(started) == 2
    monkeypatch.undo()
    assert one.read(np.array([0]))[1].all()


def test_two_simultaneous_runs_give_the_same_array(tmp_path):
    processes = [forked(pixels, counting(tmp_path, 6, 0.02), 4, tmp_path / "out", workers=1) for _ in range(2)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(arrays(tmp_path / "out")) == 1
    assert pixels(counting(tmp_path, 6), 4, tmp_path / "out").images[:, 0, 0].tolist() == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("workers", [1, 3])
def test_an_image_that_crashes_its_decoder_is_skipped(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(cache, "IMAGES_PER_PROCESS", 5)
    found = pixels(samples(50, 7, 8, 40), 8, tmp_path, max_bad=0.1, workers=workers)
    reasons = {name: f"cannot decode {name}: its decoder crashed or was killed" for name in ("007.png", "008.png", "040.png")}
    assert found.bad == [*reasons.items()]
    assert found.images[found.kept, 0, 0].tolist() == [i for i in range(50) if i not in (7, 8, 40)]
    assert pixels(samples(50), 8, tmp_path, max_bad=0.1).bad == found.bad  # nothing is decoded again


def test_decoding_stops_with_an_error_if_every_image_crashes(tmp_path):
    began = time.perf_counter()
    with pytest.raises(DataError, match=r" 1000 .*--max_bad_images .* 0\.01.*\.png.* crashed"):
        pixels(samples(1000, *range(1000)), 8, tmp_path, workers=2)
    assert time.perf_counter() - began < 30  # a thousand crashes would take minutes


def _too_large():
    raise MemoryError


def test_an_image_that_needs_too_much_memory_is_skipped(tmp_path):
    found = pixels(samples(4, 2, failure=_too_large), 8, tmp_path, max_bad=0.5)
    assert found.bad == [("002.png", "cannot decode 002.png: out of memory")]


def test_the_progress_bar_counts_images_of_crashed_processes(tmp_path, monkeypatch, terminal, caplog):
    monkeypatch.setattr(cache, "ROWS_PER_TASK", 1)
    data = counting(tmp_path, 4, 0.15)  # a bar is drawn ten times a second at most
    data[1] = sample(1, os.abort)
    with caplog.at_level(logging.INFO):
        pixels(data, 8, tmp_path, max_bad=0.5)
    assert "decoding 4 images, processes: 1" in caplog.messages
    shown = terminal()
    assert "list images: " in shown
    counts = re.findall(r"decode: +\d+%[^\r]* (\d)/4 ", shown)
    assert (counts[0], counts[-1]) == ("0", "4")


def test_decoding_processes_end_with_their_parent(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "IMAGES_PER_PROCESS", 10)
    process = forked(pixels, counting(tmp_path, 10_000, 0.02), 8, tmp_path / "out", workers=3)
    while len(pids := {*decoded(tmp_path, 1)}) < 3:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    limit = time.perf_counter() + 10
    while any(map(_alive, pids)):
        assert time.perf_counter() < limit
        time.sleep(0.05)


def _alive(pid):
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
