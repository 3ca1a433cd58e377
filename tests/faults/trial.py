"""A tiny suite in its own folder that faults disturb."""

import os
import shutil
import time
from pathlib import Path

from locus.benchmark import records
from tests.warm import ROOT, Running

SUITE = """
title: Disturbed
about: Too small to mean anything.
train: {dataset: "phantom:train=16,val=4,test=6", img_size: 32, epochs: 2, threads: 1, precision: "32", logger: [csv], plots: false}
models:
  - {backbone: custom, global_pool: [AVG, PCAM]}
methods: [gradcam]
protocols: [locus]
"""
FLAGS = ["--suite", "tiny", "--suites", ".", "--results", "results", "--runs", "runs", "--cache_dir", "cache"]
ENVIRONMENT = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}


class Trial:
    """A suite of two models in ``folder``; ``whole``: a trial whose results it begins with, except files that match ``without``."""

    def __init__(self, folder, whole=None, without=("results", "runs", "cache")):
        self.folder = Path(folder)
        if whole:
            shutil.copytree(whole.folder, self.folder, dirs_exist_ok=True)
            for path in [path for pattern in without for path in self.folder.glob(pattern)]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        (self.folder / "tiny.yaml").write_text(SUITE)

    def start(self, *words):
        return Running("benchmark.run", [*FLAGS, *words], cwd=self.folder, env=ENVIRONMENT)

    def run(self, *words):
        done = self.start(*words).done()
        assert done.returncode == 0, done.stderr[-3000:]
        return done

    def until(self, running, sign):
        """Wait for a file that matches the pattern; return True if the process still runs."""
        while not any(self.folder.glob(sign)) and running.poll() is None:
            time.sleep(0.001)
        return running.poll() is None

    def recorded(self):
        """Return key -> record without its times."""
        loaded = records.load(self.folder / "results/tiny")
        return {record.key: record.model_dump(mode="json", exclude={"created", "seconds"}) for record in loaded}

    def temporary(self):
        """Return the temporary files."""
        return [str(path) for path in self.folder.rglob(".*") if path.is_file() and path.name != ".lock"]


def sentence(done):
    """Return the error line after checking that there is no traceback."""
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert (done.returncode, len(lines), "Traceback" in done.stderr) == (2, 1, False), done.stderr[-3000:]
    return lines[0]
