"""A tiny suite in its own folder that faults disturb, and checks of its files and processes."""

import io
import json
import os
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
from pyarrow import parquet

from locus.benchmark import records
from tests.warm import ROOT, Running

SUITE = """
title: Disturbed
about: Too small to mean anything.
train: {dataset: "phantom:train=16,val=4,test=6", img_size: 32, epochs: 2, threads: 1, precision: "32", logger: [csv], plots: false}
models:
  - {backbone: custom, global_pool: [AVG, PCAM]}
methods: ["mine.py:Mine"]
protocols: [locus]
"""
METHOD = '''
from locus.methods.base import Method

class Mine(Method):
    """The features' sum. By hand."""

    name = "mine"
    needs = frozenset({"features"})
    source = "by hand"

    def maps(self, evidence):
        for number, image in enumerate(evidence.images):
            pass  # HERE
        return evidence.A.sum(1, keepdim=True).repeat(1, len(evidence.findings), 1, 1)
'''
FLAGS = ["--suite", "tiny", "--trust", "--suites", ".", "--results", "results", "--runs", "runs", "--cache_dir", "cache"]
ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}


class Survived(Exception):  # noqa: N818
    """The run ended before the fault could reach it."""


class Refused(Exception):  # noqa: N818
    """The fault cannot be caused on this machine."""


def sentence(done, status=2):
    """Return the error line after checking that there is no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode == status, done.stderr[-2000:]
    assert "Traceback" not in done.stderr, done.stderr[-4000:]
    assert len(lines) == 1, done.stderr[-2000:]
    return lines[0]


class Trial:
    """A suite of two models in ``folder``; ``whole``: a trial with an undisturbed run."""

    def __init__(self, folder, whole=None):
        self.folder, self.whole, self.seconds = Path(folder), whole, 0.0
        (self.folder / "mine.py").write_text(METHOD)
        (self.folder / "tiny.yaml").write_text(SUITE)

    def start(self, *words):
        return Running("benchmark.run", [*FLAGS, *words], cwd=self.folder, env=ENVIRONMENT)

    def run(self, *words):
        begun = time.monotonic()
        done = self.start(*words).done()
        self.seconds = time.monotonic() - begun
        return done

    def finish(self, *without):
        """Copy the results of the undisturbed run except files that match the patterns."""
        shutil.copytree(self.whole.folder, self.folder, dirs_exist_ok=True)
        for path in [path for pattern in without for path in self.folder.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def clear(self):
        """Remove the results of previous runs."""
        for name in ("results", "runs", "cache"):
            shutil.rmtree(self.folder / name)

    def edit(self, file, before, after):
        """Change a file of the trial."""
        path = self.folder / file
        assert before in path.read_text()
        path.write_text(path.read_text().replace(before, after))

    def until(self, running, sign):
        """Wait for a file that matches the pattern; return True if the process still runs."""
        while not any(self.folder.glob(sign)) and running.poll() is None:
            time.sleep(0.001)
        return running.poll() is None

    def recorded(self):
        """Return key -> record without its times."""
        made = (self.folder / "results/tiny").exists() or (self.folder / "runs/records/tiny").exists()
        loaded = records.load(self.folder / "results/tiny") if made else []
        return {record.key: record.model_dump(mode="json", exclude={"created", "seconds"}) for record in loaded}

    def reasons(self):
        """Return method and reason of each failed record."""
        failed = [record for record in self.recorded().values() if record["status"] == "failed"]
        return {(record["cell"]["method"], record["reason"]) for record in failed}

    def broken(self):
        """Return the unreadable files; only hidden files may be incomplete."""
        files = [path for path in self.folder.rglob("[!.]*.*") if path.is_file()]
        return [str(path) for path in files if not whole(path)]

    def temporary(self):
        """Return the temporary files."""
        return [str(path) for path in self.folder.rglob(".*") if path.is_file() and path.name != ".lock"]

    def jobs(self, running):
        """Return the processes of the jobs of a command."""
        pids = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text().split()
        return [int(pid) for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def left_behind(self, seconds=10.0):
        """Return the processes in the folder that do not end within some seconds."""
        end = time.monotonic() + seconds
        while (alive := [*_working_in(self.folder)]) and time.monotonic() < end:
            time.sleep(0.05)
        return alive


def whole(path):
    """Return True if a file can be read completely."""
    content = path.read_bytes()
    try:
        if path.suffix == ".json":
            json.loads(content)
        elif path.suffix == ".parquet":
            parquet.read_table(path)
        elif path.suffix == ".npy":
            np.load(io.BytesIO(content))
        return zipfile.is_zipfile(path) if path.suffix == ".ckpt" else bool(content) or path.suffix == ".lock"
    except (ValueError, OSError, EOFError):
        return False


def _working_in(folder):
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "cwd").readlink() == folder.resolve() and b"Z" not in (process / "stat").read_bytes().rsplit(b")", 1)[1][:3]:
                yield int(process.name)
        except OSError:  # it has ended, or belongs to another user
            continue
