"""After each fault, the next run completes with the same records. Damaged images: tests/datasets; Ctrl-C: tests/commands/test_run.py."""

import os
import re
import resource
import shutil
import time

import pytest

from locus.benchmark import records
from tests.warm import ROOT, Running

pytestmark = pytest.mark.commands
SUITE = """
title: Disturbed
about: Too small to mean anything.
train: {dataset: "phantom:train=16,val=4,test=6", img_size: 32, epochs: 2, threads: 1, precision: "32", logger: [csv], plots: false}
models:
  - {backbone: custom, global_pool: [AVG, PCAM]}
methods: [gradcam]
protocols: [single_box]
"""
FLAGS = ["--suite", "tiny", "--suites", ".", "--results", "results", "--runs", "runs", "--cache_dir", "cache"]
ALL, MADE, MAPS = ("results", "runs", "cache"), ("results", "runs/records"), "runs/tiny/maps"
SIGNS = ["runs/tiny/*/last.ckpt", "runs/tiny/maps/*/*", "runs/records/tiny/*.json", "results/tiny/cases.parquet"]
"""Files that exist once a run trains, explains, writes records and packs them."""


def start(folder, *words):
    return Running("benchmark.run", [*FLAGS, *words], cwd=folder, env={"CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)})


def complete(folder, *words):
    """Run the suite to its end and return its output."""
    done = start(folder, *words).done()
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def recorded(folder):
    """Return key -> record without its times."""
    loaded = records.load(folder / "results/tiny")
    return {record.key: record.model_dump(mode="json", exclude={"created", "seconds"}) for record in loaded}


def sentence(done):
    """Return the error line after checking that there is no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert (done.returncode, len(lines), "Traceback" in done.stderr) == (2, 1, False), done.stderr[-3000:]
    return lines[0]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    (folder / "tiny.yaml").write_text(SUITE)
    complete(folder)
    return folder


@pytest.fixture
def disturb(undisturbed, tmp_path):
    """Return disturb(*without), a folder with the results of a whole run except some; its next run must complete them."""

    def begun(*without):
        shutil.copytree(undisturbed, tmp_path, dirs_exist_ok=True)
        for path in [path for pattern in without for path in tmp_path.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return tmp_path

    yield begun
    complete(tmp_path)
    assert recorded(tmp_path) == recorded(undisturbed)
    assert [path for path in tmp_path.rglob(".*") if path.is_file() and path.name != ".lock"] == []


def cut(folder, pattern):
    """Truncate a file to half of its length."""
    file = sorted(folder.glob(pattern))[0]
    os.truncate(file, file.stat().st_size // 2)
    return file


def test_a_run_killed_in_every_stage_gives_the_same_records(disturb):
    """Killed while training, explaining, writing records and packing, one after the other."""
    folder = disturb(*ALL)
    for sign in SIGNS:
        running = start(folder)
        while not any(folder.glob(sign)) and running.poll() is None:
            time.sleep(0.001)
        assert running.poll() is None, f"the run ended before {sign}"
        running.kill()
        running.wait()


@pytest.mark.parametrize("limit", [2_000, pytest.param(60_000, marks=pytest.mark.slow)])
def test_a_full_disk_is_an_error_with_the_reason(disturb, limit):
    running = start(disturb(*ALL))
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (limit, limit))
    assert re.search(r"cannot write .*File too large", sentence(running.done()))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("pattern", "without"),
    [
        ("runs/tiny/custom-*/best.ckpt", (*MADE, MAPS)),
        ("runs/tiny/custom-*/predictions.csv", MADE),
        ("runs/tiny/maps/*/*.safetensors", MADE),
        ("cache/*.npy", (*MADE, "runs/tiny")),
    ],
)
def test_a_damaged_checkpoint_map_or_cache_file_is_made_again_with_a_warning(disturb, pattern, without):
    folder = disturb(*without)
    file = cut(folder, pattern)
    assert re.search(rf"{file.stem}.* (broken|damaged)", complete(folder).stderr)


@pytest.mark.slow
def test_damaged_packed_records_are_an_error_whose_advice_works(disturb):
    folder = disturb()
    file = cut(folder, "results/tiny/records.parquet")
    assert re.search("records.parquet.* delete records.parquet and cells.parquet there", sentence(start(folder).done()))
    file.unlink()
    file.with_name("cells.parquet").unlink()
