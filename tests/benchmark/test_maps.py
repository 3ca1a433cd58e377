import numpy as np
import pytest

from benchmark import maps
from core.frames import Grid

GRID = Grid((96, 96), (32, 32), (0, 0))


@pytest.fixture
def raw():
    return np.random.default_rng(0).normal(0, 7, (3, 2, 4, 4)).astype(np.float32)


def test_a_stored_map_is_the_raw_map_to_half_precision_and_its_maximum_is_exact(raw):
    stored = maps.compress(raw, GRID)
    for n in range(3):
        for k in range(2):
            peak = np.abs(raw[n, k]).max()
            np.testing.assert_allclose(stored.map(n, k), raw[n, k], atol=peak * 2**-11)
            assert np.abs(stored.map(n, k)).max() == peak


def test_what_is_read_is_what_was_written(raw, tmp_path):
    stored = maps.compress(raw, GRID)
    maps.write(tmp_path / "cam.npz", "key", stored)
    again = maps.read(tmp_path / "cam.npz", "key")
    assert again.grid == GRID
    np.testing.assert_array_equal(again.scaled, stored.scaled)
    np.testing.assert_array_equal(again.peak, stored.peak)


def test_a_stale_file_is_never_read(raw, tmp_path):
    maps.write(tmp_path / "cam.npz", "old weights", maps.compress(raw, GRID))
    assert maps.read(tmp_path / "cam.npz", "new weights") is None


@pytest.mark.parametrize("keep", [0, 10, 200])
def test_a_truncated_file_is_told_and_not_read(raw, tmp_path, caplog, keep):
    path = tmp_path / "cam.npz"
    maps.write(path, "key", maps.compress(raw, GRID))
    path.write_bytes(path.read_bytes()[:keep])
    assert maps.read(path, "key") is None
    assert "is broken" in caplog.text


def test_a_map_that_is_not_finite_is_no_map_and_changes_no_other(raw):
    broken = raw.copy()
    broken[1, 0, 0, 0] = np.nan
    broken[2, 1, 3, 3] = np.inf
    stored, whole = maps.compress(broken, GRID), maps.compress(raw, GRID)
    assert stored.map(1, 0) is None
    assert stored.map(2, 1) is None
    np.testing.assert_array_equal(stored.map(0, 0), whole.map(0, 0))
    np.testing.assert_array_equal(stored.map(1, 1), whole.map(1, 1))


def test_a_map_of_zeros_stays_zero():
    assert (maps.compress(np.zeros((1, 1, 2, 2), np.float32), GRID).map(0, 0) == 0).all()
