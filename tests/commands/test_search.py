"""``python main.py --search`` as a user types it."""

import csv
import re
import signal
import time

import pytest
import yaml

pytestmark = pytest.mark.commands
PLAN = {
    "study": "tiny", "trials": 3, "startup_trials": 2, "heartbeat": 1,
    "flags": {"dataset": "phantom:train=160,val=24,test=24", "img_size": 32, "backbone": "custom", "epochs": 8,
    "logger": ["csv"], "plots": False},
    "space": {"lr": {"low": 1e-4, "high": 1e-2, "log": True}},
}  # fmt: skip


@pytest.fixture
def flags(tmp_path):
    (tmp_path / "search.yaml").write_text(yaml.safe_dump(PLAN))
    return ["--search", tmp_path / "search.yaml", "--model_save_dir", tmp_path, "--cache_dir", tmp_path / "cache", "--threads", "1"]


@pytest.mark.slow
def test_a_search_that_was_killed_goes_on_and_tries_the_dead_trial_again(succeed, started, flags, tmp_path):
    """SIGKILL in the middle of the second trial: nothing is told to anybody."""
    process = started("main.py", *flags)
    second = tmp_path / "search-tiny" / "trial-0001" / "last.ckpt"
    end = time.monotonic() + 240
    while not second.exists() and time.monotonic() < end and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert second.exists()
    assert "train the best recipe again" in succeed("main.py", *flags).stdout
    with (tmp_path / "search-tiny" / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] in ("complete", "pruned") for row in rows].count(True) == 3
    (dead,) = [row for row in rows if row["state"] == "failed"]
    again = next(row for row in rows if row["state"] != "failed" and row["run"] == dead["run"])
    assert (again["lr"], again["run"]) == (dead["lr"], "trial-0001")
    assert dead["reason"] == f"interrupted, repeated as {again['trial']}"


def test_a_wrong_search_file_is_a_sentence(refused, tmp_path):
    (tmp_path / "search.yaml").write_text(yaml.safe_dump({**PLAN, "space": {"lrr": [1]}}))
    assert re.search(r"search\.yaml.*'lrr'.*'lr'", refused(f"--search {tmp_path}/search.yaml"))
    assert f"{tmp_path}/none.yaml" in refused(f"--search {tmp_path}/none.yaml")
