"""After each fault, the next run completes with the same records. Damaged images: tests/datasets; Ctrl-C: tests/commands/test_run.py."""

import os
import re
import resource
import subprocess
import sys

import pytest

from tests.faults.trial import ENVIRONMENT, FLAGS, Trial, sentence

pytestmark = pytest.mark.commands
SIGNS = ["runs/tiny/*/last.ckpt", "runs/tiny/maps/*/*", "runs/records/tiny/*.json", "results/tiny/cases.parquet"]
"""Files that exist once a run trains, explains, writes records and packs them."""
MADE = ("results", "runs/records")
MAPS = "runs/tiny/maps"
READ_ONLY = ["unshare", "--mount", "--map-root-user", "sh", "-c", 'mkdir -p "$0"; mount -t tmpfs -o ro none "$0" && exec "$@"']
"""Start of a command for which the next argument, a folder, is a read-only file system."""


@pytest.fixture
def disturb(undisturbed, tmp_path):
    """Return disturb(*without), a trial with the results of a whole run except some; its next run must complete them."""
    trials = []

    def begun(*without):
        trials.append(Trial(tmp_path, undisturbed, without))
        return trials[-1]

    yield begun
    trials[0].run()
    assert trials[0].recorded() == undisturbed.recorded()
    assert trials[0].temporary() == []


def cut(trial, pattern):
    """Truncate a file to half of its length."""
    file = sorted(trial.folder.glob(pattern))[0]
    os.truncate(file, file.stat().st_size // 2)
    return file


def test_a_run_killed_in_every_stage_gives_the_same_records(disturb):
    """Killed while training, explaining, writing records and packing, one after the other."""
    trial = disturb("results", "runs", "cache")
    for sign in SIGNS:
        running = trial.start()
        assert trial.until(running, sign), f"the run ended before {sign}"
        running.kill()
        running.wait()


@pytest.mark.parametrize("limit", [2_000, pytest.param(20_000, marks=pytest.mark.slow), pytest.param(60_000, marks=pytest.mark.slow)])
def test_a_full_disk_is_an_error_with_the_reason(disturb, limit):
    running = disturb("results", "runs", "cache").start()
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (limit, limit))
    assert re.search(r"cannot write .*File too large", sentence(running.done()))


@pytest.mark.slow
def test_results_on_a_read_only_file_system_are_an_error_with_the_path(disturb):
    trial = disturb(*MADE, MAPS)
    folder = trial.folder / "results"
    if subprocess.run([*READ_ONLY, folder, "true"], check=False).returncode:
        pytest.skip("this machine allows no read-only mount")
    command = [*READ_ONLY, folder, sys.executable, "-m", "benchmark.run", *FLAGS]
    told = sentence(subprocess.run(command, cwd=trial.folder, env=ENVIRONMENT, capture_output=True, text=True, check=False))
    assert re.search("results/tiny.*Read-only file system", told)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "without"),
    [
        ("runs/tiny/custom-*/best.ckpt", (*MADE, MAPS)),
        ("runs/tiny/custom-*/last.ckpt", (*MADE, MAPS, "runs/tiny/*/metrics.json")),
        ("runs/tiny/custom-*/predictions.csv", MADE),
        ("runs/tiny/maps/*/*.safetensors", MADE),
        ("cache/*.npy", (*MADE, "runs/tiny")),
        ("cache/*.rows", (*MADE, "runs/tiny")),
    ],
)
def test_a_damaged_checkpoint_map_or_cache_file_is_made_again_with_a_warning(disturb, pattern, without):
    trial = disturb(*without)
    file = cut(trial, pattern)
    assert re.search(rf"{file.stem}.* (broken|damaged)", trial.run().stderr)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["records.parquet", "cells.parquet"])
def test_damaged_packed_records_are_an_error_whose_advice_works(disturb, name):
    trial = disturb()
    cut(trial, f"results/tiny/{name}")
    told = sentence(trial.start().done())
    assert name in told
    assert "delete records.parquet and cells.parquet there" in told
    for file in ("records.parquet", "cells.parquet"):
        (trial.folder / "results/tiny" / file).unlink()


@pytest.mark.slow
def test_damaged_packed_rows_are_an_error_whose_advice_works(disturb):
    trial = disturb()
    file = cut(trial, "results/tiny/cases.parquet")
    assert re.search("cases.parquet.*delete it .*--overwrite always", sentence(trial.start().done()))
    file.unlink()
    trial.run("--overwrite", "always")
