"""The default run for explaining an image."""

import os

import pytest

from benchmark.pictures import finished_runs
from core.errors import DataError


@pytest.fixture
def runs(tmp_path):
    """``add(folder, age)`` makes a finished run; the path is that of ``runs``."""

    def add(folder, seconds):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("best.ckpt", "metrics.json"):
            (tmp_path / folder / name).touch()
        os.utime(tmp_path / folder / "metrics.json", (seconds, seconds))
        return tmp_path / folder / "best.ckpt"

    add.path = tmp_path
    return add


def test_a_user_s_own_run_comes_before_a_newer_one_of_a_suite(runs):
    expected, suite = runs("train/mine", 1e9), runs("suites/demo/a", 1e9 + 9)
    older = runs("train/older", 1e9 - 9)
    assert finished_runs.newest(runs.path) == expected
    assert finished_runs.finished(runs.path) == [expected, older, suite]


def test_suite_run_is_used_if_there_is_no_other_and_no_run_at_all_is_an_error(runs):
    with pytest.raises(DataError, match=r"main\.py"):
        finished_runs.newest(runs.path)
    runs("suites/demo/a", 1e9)
    newest = runs("suites/demo/b", 1e9 + 9)
    assert finished_runs.newest(runs.path) == newest
