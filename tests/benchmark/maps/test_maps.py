"""Raw maps on disk: half precision, memory-mapped, complete or missing."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from locus.benchmark.maps.store import Index, file_name, open_writer, read, write_unsupported
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
    return tmp_path / "cam.safetensors"


def index(key, images=IMAGES):
    return Index(key=key, images=images, findings=FINDINGS)


def add(array, key, *batches):
    with open_writer(array, index(key)) as writer:
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
    assert str(array) in Path("/proc/self/maps").read_text()
    assert stored.index.grid == GRID
    content = load_file(array)
    np.testing.assert_array_equal(content["maps"], stored.values)
    np.testing.assert_array_equal(content["peaks"], np.abs(raw).max((-2, -1)).ravel())


def test_stored_bytes_do_not_depend_on_the_batches(raw, array, tmp_path):
    write(array, raw)
    add(tmp_path / "whole.safetensors", "key", raw)
    assert (tmp_path / "whole.safetensors").read_bytes() == array.read_bytes()


def test_maps_with_another_key_are_not_read(raw, array):
    write(array, raw, "old weights")
    assert read(array, ["new weights"]) is None


def test_a_flipped_bit_in_a_file_of_maps_changes_no_map(raw, array):
    before = write(array, raw)
    values = np.array(before.values)
    for _ in flipped(array):
        stored = read(array, ["key"])
        assert stored is None or (np.array_equal(stored.values, values) and stored.index == before.index)


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_truncated_file_is_reported_and_not_read(raw, array, caplog, keep):
    write(array, raw)
    array.write_bytes(array.read_bytes()[:keep])
    assert read(array, ["key"]) is None
    assert f"the maps in {array} are broken" in caplog.text


def test_interrupted_run_leaves_existing_maps_unchanged(raw, array, tmp_path):
    write(array, raw, "old")
    with pytest.raises(TypeError):
        add(array, "new", raw[:2], "killed here")
    assert read(array, ["old"]) is not None
    assert read(array, ["new"]) is None
    assert {path.name for path in tmp_path.iterdir()} == {"cam.safetensors"}


def test_last_of_two_concurrent_runs_with_different_keys_wins(raw, array):
    with open_writer(array, index("first")) as first, open_writer(array, index("second")) as second:
        first.add(raw[:2], GRID)
        second.add(-raw, GRID)
        first.add(raw[2:], GRID)
    assert read(array, ["second"]) is None
    np.testing.assert_array_equal(read(array, ["first"]).values, write(array.with_name("alone.safetensors"), raw).values)


def test_concurrent_run_with_the_same_key_never_removes_maps(raw, array):
    write(array, raw)
    with open_writer(array, index("key")) as second:
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


def test_unsupported_method_has_a_reason_and_no_maps(raw, array):
    write(array, raw)
    write_unsupported(array, index("key"), "no linear head")
    assert str(read(array, ["key"])) == "no linear head"
    assert read(array, ["other"]) is None
    assert not load_file(array)["maps"].size


def test_map_that_is_not_finite_counts_as_missing(raw, array, tmp_path):
    broken = raw.copy()
    broken[1, 0, 0, 0] = np.nan
    broken[2, 1, 3, 3] = np.inf
    stored, whole = write(array, broken), write(tmp_path / "whole.safetensors", raw)
    assert [stored.map(*case) for case in (("b", "mass"), ("c", "nodule"))] == [None, None]
    assert stored.stored("b", "mass") is None
    np.testing.assert_array_equal(stored.map("a", "mass"), whole.map("a", "mass"))
    np.testing.assert_array_equal(stored.map("b", "nodule"), whole.map("b", "nodule"))


def test_map_of_zeros_stays_zero(array):
    assert (write(array, np.zeros((3, 2, 2, 2), np.float32)).map("a", "mass") == 0).all()


def test_memory_does_not_grow_with_the_number_of_images(array):
    names, batch = tuple(map(str, range(320))), np.ones((8, 2, 64, 64), np.float32)
    tracemalloc.start()
    with open_writer(array, index("key", names)) as writer:
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
    assert names[0] == "cam.safetensors"
    assert all("/" not in name and ":" not in name for name in names)
