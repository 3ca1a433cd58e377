"""The default run for explaining an image."""

import os

import pytest

from locus.benchmark.training import runs


@pytest.fixture
def add_run(tmp_path):
    """``add(folder, age)`` makes a finished run; the path is that of ``runs``."""

    def add(folder, seconds):
        (tmp_path / folder).mkdir(parents=True)
        for name in ("best.ckpt", "metrics.json"):
            (tmp_path / folder / name).touch()
        os.utime(tmp_path / folder / "metrics.json", (seconds, seconds))
        return tmp_path / folder / "best.ckpt"

    add.path = tmp_path
    return add


def test_a_user_s_own_run_comes_before_a_newer_one_of_a_suite(add_run):
    expected, suite = add_run("train/mine", 1e9), add_run("suites/demo/a", 1e9 + 9)
    older = add_run("train/older", 1e9 - 9)
    assert runs.finished(add_run.path) == [expected, older, suite]


def test_newest_suite_run_comes_first_if_there_is_no_other(add_run):
    assert runs.finished(add_run.path) == []
    older = add_run("suites/demo/a", 1e9)
    newest = add_run("suites/demo/b", 1e9 + 9)
    assert runs.finished(add_run.path) == [newest, older]
