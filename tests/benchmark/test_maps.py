"""Raw maps on disk: half precision, memory-mapped, whole or not there."""

import json
import tracemalloc

import numpy as np
import pytest

import methods
from benchmark import maps
from benchmark.maps.code import sources
from core.errors import BadValueError
from core.frames import Grid

GRID = Grid((96, 96), (32, 32), (0, 15.5))
IMAGES, FINDINGS = ("a", "b", "c"), ("mass", "nodule")


@pytest.fixture
def raw():
    return np.random.default_rng(0).normal(0, 7, (3, 2, 4, 5)).astype(np.float32)


@pytest.fixture
def array(tmp_path):
    return tmp_path / "cam.npy"


def add(array, key, *batches):
    with maps.writing(array, key, IMAGES, FINDINGS) as writer:
        for batch in batches:
            writer.add(batch, GRID)


def write(array, raw, key="key"):
    add(array, key, raw[:2], raw[2:])
    return maps.read(array, key)


def test_a_stored_map_is_the_raw_map_to_half_precision_and_its_maximum_is_exact(raw, array):
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
    assert array.stat().st_size == stored.index.bytes == 128 + stored.values.nbytes


def test_how_the_images_come_in_batches_changes_no_byte(raw, array, tmp_path):
    write(array, raw)
    add(tmp_path / "whole.npy", "key", raw)
    assert (tmp_path / "whole.npy").read_bytes() == array.read_bytes()
    assert (tmp_path / "whole.json").read_text() == array.with_suffix(".json").read_text()


def test_a_stale_pair_is_never_read(raw, array):
    write(array, raw, "old weights")
    assert maps.read(array, "new weights") is None


@pytest.mark.parametrize("keep", [0, 10, 200])
@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_a_truncated_file_is_told_and_not_read(raw, array, caplog, keep, suffix):
    write(array, raw)
    path = array.with_suffix(suffix)
    path.write_bytes(path.read_bytes()[:keep])
    assert maps.read(array, "key") is None
    assert f"the maps in {array} are broken" in caplog.text


@pytest.mark.parametrize("change", [{"shape": [6, 5, 4]}, {"images": ["a", "b"]}, {"peaks": []}, {"mood": "good"}])
def test_an_index_that_does_not_fit_its_array_is_told_and_not_read(raw, array, caplog, change):
    write(array, raw)
    index = array.with_suffix(".json")
    index.write_text(json.dumps({**json.loads(index.read_text()), **change}))
    assert maps.read(array, "key") is None
    assert "are broken" in caplog.text


def test_an_array_without_its_index_counts_as_nothing(raw, array, caplog):
    write(array, raw)
    array.with_suffix(".json").unlink()
    assert maps.read(array, "key") is None
    assert not caplog.text


def test_a_run_that_stops_half_way_leaves_nothing_that_counts_not_even_what_was_there(raw, array, tmp_path):
    write(array, raw, "old")
    with pytest.raises(AttributeError):
        add(array, "new", raw[:2], "killed here")
    assert maps.read(array, "old") is None
    assert maps.read(array, "new") is None
    assert [path.name for path in tmp_path.iterdir()] == ["cam.npy"]


def test_maps_of_some_images_only_or_of_two_shapes_are_an_error(raw, array):
    with pytest.raises(BadValueError, match="2 of 3 images"):
        add(array, "key", raw[:2])
    with pytest.raises(BadValueError, match="they must be alike"):
        add(array, "key", raw[:2], raw[2:, :, :3])


def test_a_method_without_an_answer_leaves_its_reason_and_no_array(raw, array):
    write(array, raw)
    maps.refuse(array, "key", IMAGES, FINDINGS, "no linear head")
    assert maps.read(array, "key") == "no linear head"
    assert maps.read(array, "other") is None
    assert not array.exists()


def test_a_map_that_is_not_finite_is_no_map_and_changes_no_other(raw, array, tmp_path):
    broken = raw.copy()
    broken[1, 0, 0, 0] = np.nan
    broken[2, 1, 3, 3] = np.inf
    stored, whole = write(array, broken), write(tmp_path / "whole.npy", raw)
    assert [stored.map(*case) for case in (("b", "mass"), ("c", "nodule"))] == [None, None]
    assert stored.stored("b", "mass") is None
    np.testing.assert_array_equal(stored.map("a", "mass"), whole.map("a", "mass"))
    np.testing.assert_array_equal(stored.map("b", "nodule"), whole.map("b", "nodule"))


def test_a_map_of_zeros_stays_zero(array):
    assert (write(array, np.zeros((3, 2, 2, 2), np.float32)).map("a", "mass") == 0).all()


def test_memory_does_not_grow_with_the_number_of_images(array):
    names, batch = tuple(map(str, range(320))), np.ones((8, 2, 64, 64), np.float32)
    tracemalloc.start()
    with maps.writing(array, "key", names, FINDINGS) as writer:
        for _ in range(40):
            writer.add(batch, GRID)
    stored = maps.read(array, "key")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert stored.values.nbytes > 5e6
    assert peak < 2e6


def test_every_word_has_a_file_of_its_own():
    words = ["cam", "noise", "noise:seed=3", "here/mine.py:Mine", "there/mine.py:Mine", "/abs/mine.py:Mine"]
    names = [maps.file_name(word) for word in words]
    assert len(set(names)) == len(words)
    assert names[0] == "cam.npy"
    assert all("/" not in name and ":" not in name for name in names)


def test_the_code_of_a_method_is_all_files_of_the_wing_that_it_rests_on():
    assert {path.name for path in sources(methods.get("eigencam"))} >= {"eigencam.py", "principal.py", "base.py", "gradients.py"}
    assert "gradcam.py" not in {path.name for path in sources(methods.get("eigencam"))}
    assert maps.code(methods.get("cam")) != maps.code(methods.get("eigencam"))


def test_a_change_anywhere_in_a_file_outside_the_tree_is_other_code(tmp_path):
    file = tmp_path / "mine.py"
    text = "import methods\ndef scale(): return 1\nclass Mine(methods.GradientMethod):\n    name = 'mine'\n"
    file.write_text(text)
    before = maps.code(methods.get(f"{file}:Mine"))
    file.write_text(text.replace("return 1", "return 2"))
    assert maps.code(methods.get(f"{file}:Mine")) != before
