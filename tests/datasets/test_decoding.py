"""Decoding processes: neither a crash nor a kill blocks the run or loses decoded images."""

import functools
import logging
import multiprocessing
import os
import re
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from core.errors import DataError
from core.types import Sample
from datasets.io import cache, decoding


def sample(number, read):
    return Sample(f"{number}.dcm", str(number), (8, 8), np.zeros(1, np.float32), {}, read, f"{number}.dcm")


def picture(number):
    return np.full((8, 8), number, np.uint8)


def samples(count, *crashing, crash=os.abort):
    return [sample(i, crash if i in crashing else functools.partial(picture, i)) for i in range(count)]


@pytest.mark.parametrize("workers", [1, 3])
def test_an_image_that_crashes_its_decoder_is_skipped(tmp_path, monkeypatch, workers):
    monkeypatch.setattr(decoding, "FEW", 5)
    found = cache.pixels(samples(50, 7, 8, 40), 8, tmp_path, max_bad=0.1, workers=workers)
    assert found.bad == [(f"{i}.dcm", f"cannot decode {i}.dcm: its decoder crashed (SIGABRT)") for i in (7, 8, 40)]
    assert found.images[found.kept, 0, 0].tolist() == [i for i in range(50) if i not in (7, 8, 40)]
    assert cache.pixels(samples(50), 8, tmp_path, max_bad=0.1).bad == found.bad  # nothing is decoded again


def test_decoding_stops_with_an_error_if_every_image_crashes(tmp_path):
    began = time.perf_counter()
    with pytest.raises(DataError, match=r" 1000 .*--max_bad_images .* 0\.01.*\.dcm.*SIGABRT"):
        cache.pixels(samples(1000, *range(1000)), 8, tmp_path, workers=2)
    assert time.perf_counter() - began < 30  # a thousand crashes would take minutes


def test_a_killed_process_does_not_mark_its_image_as_bad(tmp_path):
    killed = functools.partial(lambda: os.kill(os.getpid(), signal.SIGKILL))
    with pytest.raises(DataError, match=r"3\.dcm was killed \(SIGKILL\).* use a smaller --num_workers$"):
        cache.pixels(samples(6, 3, crash=killed), 8, tmp_path, max_bad=0.5)
    assert cache.pixels(samples(6), 8, tmp_path).images[:, 0, 0].tolist() == [*range(6)]


def _too_large():
    raise MemoryError


def test_an_image_that_needs_too_much_memory_is_skipped(tmp_path):
    found = cache.pixels(samples(4, 2, crash=_too_large), 8, tmp_path, max_bad=0.5)
    assert found.bad == [("2.dcm", "cannot decode 2.dcm: out of memory")]


def _waiting(number):
    time.sleep(0.15)  # a bar is drawn ten times a second at most
    return picture(number)


def test_the_progress_bar_counts_images_of_crashed_processes(tmp_path, monkeypatch, terminal, caplog):
    monkeypatch.setattr(decoding, "ROWS_PER_TASK", 1)
    data = [sample(i, os.abort if i == 1 else functools.partial(_waiting, i)) for i in range(4)]
    with caplog.at_level(logging.INFO):
        cache.pixels(data, 8, tmp_path, max_bad=0.5)
    assert "decoding 4 images, processes: 1" in caplog.messages
    shown = terminal()
    assert "list images: " in shown
    counts = re.findall(r"decode: +\d+%[^\r]* (\d)/4 ", shown)
    assert (counts[0], counts[-1]) == ("0", "4")


def _slow(folder, number):
    (folder / str(os.getpid())).touch()
    time.sleep(0.02)
    return picture(number)


def _make(folder, monkeypatch):
    monkeypatch.setattr(decoding, "FEW", 10)
    cache.pixels([sample(i, functools.partial(_slow, folder, i)) for i in range(10_000)], 8, folder / "out", workers=3)


def test_decoding_processes_end_with_their_parent(tmp_path, monkeypatch):
    process = multiprocessing.get_context("fork").Process(target=_make, args=(tmp_path, monkeypatch))
    process.start()
    while len(pids := [path.name for path in tmp_path.iterdir() if path.is_file()]) < 3:
        time.sleep(0.02)
    os.kill(process.pid or 0, signal.SIGKILL)
    process.join()
    limit = time.perf_counter() + 10
    while any(map(_alive, pids)):
        assert time.perf_counter() < limit
        time.sleep(0.05)


def _alive(pid):
    status = Path("/proc") / pid / "stat"
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"
