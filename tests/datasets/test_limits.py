"""Limits of CPUs by affinity mask and container quota."""

import os

import pytest

from locus.core import limits
from tests.warm import in_a_child


def pinned():
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return limits.cpus()


@pytest.mark.byhand
def test_cpus_are_counted_by_the_affinity_mask():
    assert in_a_child(pinned) == 1
    assert limits.cpus() <= len(os.sched_getaffinity(0))


@pytest.mark.byhand
@pytest.mark.parametrize(
    ("outer", "inner", "wanted"), [("150000 100000", "max 100000", 2), ("max 100000", "50000 100000", 1), ("max", "max", 64)]
)
def test_the_cpu_quota_of_a_container_is_found_at_every_level(tmp_path, monkeypatch, outer, inner, wanted):
    (tmp_path / "jobs" / "mine").mkdir(parents=True)
    (tmp_path / "jobs" / "cpu.max").write_text(f"{outer}\n")
    (tmp_path / "jobs" / "mine" / "cpu.max").write_text(f"{inner}\n")
    (tmp_path / "own").write_text("0::/jobs/mine\n")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert limits.cpus(tmp_path, tmp_path / "own") == wanted
    assert limits.cpus(tmp_path, tmp_path / "absent") == 64
