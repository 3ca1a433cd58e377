"""Raw maps on disk: half precision, memory-mapped, complete or missing."""

import json
import tracemalloc

import numpy as np
import pytest

from locus.benchmark.maps.store import file_name, open_writer, read, write_unsupported
from locus.core.errors import BadValueError
from locus.core.frames import Grid
from tests.flips import flipped

GRID = Grid((96, 96), (32, 32), (0, 15.5))
IMAGES, FINDINGS = ("a", "b", "c"), ("mass", "nodule")


@pytest.fixture
def raw():
    return np.random.default_rng(0).normal(0, 7, (3, 2, 4, 5)).astype(np.float32)


@pytest.fixture
def array(tmp_path):
    return tmp_path / "cam.npy"


def add(array, key, *batches):
    with open_writer(array, key, IMAGES, FINDINGS) as writer:
        for batch in batches:
            writer.add(batch, GRID)


def write(array, raw, key="key"):
    add(array, key, raw[:2], raw[2:])
    return read(array, [key])


def test_stored_map_has_half_precision_and_an_exact_maximum(raw, array):
    stored = write(array, raw)
    for n, image in enumerate(IMAGES):
        for k, finding in enumerate(FINDINGS):
            peak = np.abs(raw[n, k]).max()
            np.testing.assert_allclose(stored.map(image, finding), raw[n, k], atol=peak * 2**-11)
            assert np.abs(stored.map(image, finding)).max() == peak
            np.testing.assert_array_equal(stored.stored(image, finding), (raw[n, k] / peak).astype(np.float16))


def test_one_array_of_cases_is_read_memory_mapped_with_its_grid(raw, array):
    stored = write(array, raw)
    assert stored.values.shape == (6, 4, 5)
    assert stored.values.dtype == np.float16
    assert isinstance(stored.stored("c", "nodule"), np.memmap)
    assert stored.index.grid == GRID
    assert array.stat().st_size == stored.index.bytes == 128 + stored.values.nbytes + len("key")
    np.testing.assert_array_equal(np.load(array), stored.values)


def test_stored_bytes_do_not_depend_on_the_batches(raw, array, tmp_path):
    write(array, raw)
    add(tmp_path / "whole.npy", "key", raw)
    assert (tmp_path / "whole.npy").read_bytes() == array.read_bytes()
    assert (tmp_path / "whole.json").read_text() == array.with_suffix(".json").read_text()


def test_maps_with_another_key_are_not_read(raw, array):
    write(array, raw, "old weights")
    assert read(array, ["new weights"]) is None


@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_flipped_bit_in_maps_or_their_index_changes_no_map(raw, array, suffix):
    before = write(array, raw)
    values = np.array(before.values)
    for _ in flipped(array.with_suffix(suffix)):
        stored = read(array, ["key"])
        assert stored is None or (np.array_equal(stored.values, values) and stored.index == before.index)


@pytest.mark.parametrize("keep", [0, 10, 200])
@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_truncated_file_is_reported_and_not_read(raw, array, caplog, keep, suffix):
    write(array, raw)
    path = array.with_suffix(suffix)
    path.write_bytes(path.read_bytes()[:keep])
    assert read(array, ["key"]) is None
    assert f"the maps in {array} are broken" in caplog.text


@pytest.mark.parametrize("change", [{"shape": [6, 5, 4]}, {"images": ["a", "b"]}, {"peaks": []}, {"mood": "good"}])
def test_index_that_does_not_match_its_array_is_reported_and_not_read(raw, array, caplog, change):
    write(array, raw)
    index = array.with_suffix(".json")
    index.write_text(json.dumps({**json.loads(index.read_text()), **change}))
    assert read(array, ["key"]) is None
    assert "are broken" in caplog.text


def test_array_without_an_index_counts_as_missing(raw, array, caplog):
    write(array, raw)
    array.with_suffix(".json").unlink()
    assert read(array, ["key"]) is None
    assert not caplog.text


def test_interrupted_run_leaves_existing_maps_unchanged(raw, array, tmp_path):
    write(array, raw, "old")
    with pytest.raises(TypeError):
        add(array, "new", raw[:2], "killed here")
    assert read(array, ["old"]) is not None
    assert read(array, ["new"]) is None
    assert {path.name for path in tmp_path.iterdir()} == {"cam.npy", "cam.json"}


def test_array_of_a_run_with_another_key_is_reported_and_not_read(raw, array, caplog):
    write(array, raw, "here")
    index = array.with_suffix(".json")
    before = index.read_text()
    write(array, -raw, "also")
    index.write_text(before)
    assert read(array, ["here"]) is None
    assert read(array, ["also"]) is None
    assert "the array belongs to another run" in caplog.text


def test_last_of_two_concurrent_runs_with_different_keys_wins(raw, array):
    with open_writer(array, "first", IMAGES, FINDINGS) as first, open_writer(array, "second", IMAGES, FINDINGS) as second:
        first.add(raw[:2], GRID)
        second.add(-raw, GRID)
        first.add(raw[2:], GRID)
    assert read(array, ["second"]) is None
    np.testing.assert_array_equal(read(array, ["first"]).values, write(array.with_name("alone.npy"), raw).values)


def test_concurrent_run_with_the_same_key_never_removes_maps(raw, array):
    write(array, raw)
    with open_writer(array, "key", IMAGES, FINDINGS) as second:
        assert read(array, ["key"]) is not None
        second.add(raw, GRID)
        assert read(array, ["key"]) is not None
    assert read(array, ["key"]) is not None


def test_open_maps_do_not_change_when_another_run_writes(raw, array):
    stored = write(array, raw)
    before = stored.values.tobytes()
    write(array, -raw, "other")
    assert stored.values.tobytes() == before


def test_maps_of_some_images_only_or_of_two_shapes_are_an_error(raw, array):
    with pytest.raises(BadValueError, match=rf"\b2 .* 3 .*{array}"):
        add(array, "key", raw[:2])
    with pytest.raises(BadValueError, match=r"\(3, 5\).*\(4, 5\)"):
        add(array, "key", raw[:2], raw[2:, :, :3])


def test_unsupported_method_has_a_reason_and_no_array(raw, array):
    write(array, raw)
    write_unsupported(array, "key", IMAGES, FINDINGS, "no linear head")
    assert str(read(array, ["key"])) == "no linear head"
    assert read(array, ["other"]) is None
    assert not array.exists()


def test_map_that_is_not_finite_counts_as_missing(raw, array, tmp_path):
    broken = raw.copy()
    broken[1, 0, 0, 0] = np.nan
    broken[2, 1, 3, 3] = np.inf
    stored, whole = write(array, broken), write(tmp_path / "whole.npy", raw)
    assert [stored.map(*case) for case in (("b", "mass"), ("c", "nodule"))] == [None, None]
    assert stored.stored("b", "mass") is None
    np.testing.assert_array_equal(stored.map("a", "mass"), whole.map("a", "mass"))
    np.testing.assert_array_equal(stored.map("b", "nodule"), whole.map("b", "nodule"))


def test_map_of_zeros_stays_zero(array):
    assert (write(array, np.zeros((3, 2, 2, 2), np.float32)).map("a", "mass") == 0).all()


def test_memory_does_not_grow_with_the_number_of_images(array):
    names, batch = tuple(map(str, range(320))), np.ones((8, 2, 64, 64), np.float32)
    tracemalloc.start()
    with open_writer(array, "key", names, FINDINGS) as writer:
        for _ in range(40):
            writer.add(batch, GRID)
    stored = read(array, ["key"])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert stored.values.nbytes > 5e6
    assert peak < 2e6


def test_every_method_word_has_a_separate_file():
    words = ["cam", "noise", "noise:seed=3", "here/mine.py:Mine", "there/mine.py:Mine", "/abs/mine.py:Mine"]
    names = [file_name(word) for word in words]
    assert len(set(names)) == len(words)
    assert names[0] == "cam.npy"
    assert all("/" not in name and ":" not in name for name in names)
