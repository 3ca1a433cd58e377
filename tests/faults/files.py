"""Full and read-only disks, truncated files, a changed clock."""

import os
import re
import resource
import subprocess
import sys
import time
from pathlib import Path

from tests.faults.signals import SIGNS
from tests.faults.trial import ENVIRONMENT, FLAGS, Refused, sentence

READ_ONLY = ["unshare", "--mount", "--map-root-user", "sh", "-c", 'mkdir -p "$0"; mount -t tmpfs -o ro none "$0" && exec "$@"']
"""Start of a command for which the next argument, a folder, is a read-only file system."""


def full_disk(trial, random):
    """A full disk: files above a random size cannot be written"""
    running = trial.start()
    limit = random.choice([2_000, 20_000, 60_000])
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (limit, limit))
    told = sentence(running.done())
    assert "cannot write" in told
    assert "File too large; free some space" in told
    return "an error with the path and the reason, exit 2"


def read_only_results(trial, random):
    """Results on a read-only file system"""
    trial.finish("results", "runs/records", "runs/tiny/maps")
    folder = trial.folder / "results"
    if subprocess.run([*READ_ONLY, folder, "true"], check=False).returncode:
        raise Refused
    command = [*READ_ONLY, folder, sys.executable, "-m", "benchmark.run", *FLAGS]
    done = subprocess.run(command, cwd=trial.folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    told = sentence(done)
    assert "results/tiny" in told
    assert "Read-only file system" in told
    return "an error with the path and the reason, exit 2"


def clock_set_back(trial, random):
    """The clock is set back by a day during a run, so that its files have tomorrow's date"""
    running = trial.start()
    trial.until(running, SIGNS[random.choice([*SIGNS])])
    tomorrow = time.time() + 86_400
    for path in trial.folder.rglob("*"):
        os.utime(path, (tomorrow, tomorrow)) if path.exists() else None
    assert running.done().returncode == 0
    return "the same run completes"


def cut(name, pattern, *without, remedy=None):
    """Return a fault: a file is truncated after a run that has written all but ``without``."""

    def fault(trial, random):
        trial.finish(*without)
        file = random.choice(sorted(trial.folder.glob(pattern)))
        os.truncate(file, file.stat().st_size // 2)
        done = trial.run()
        if remedy is None:
            assert done.returncode == 0, done.stderr[-2000:]
            assert re.search(rf"{file.stem}.* (broken|damaged)", done.stderr), done.stderr[-2000:]
            return "a warning with the path; the same run creates it again and completes"
        told = sentence(done)
        assert file.name in told
        return f"an error with the path, exit 2; following its advice works ({remedy(trial, told)})"

    fault.__doc__, fault.__name__ = f"{name} cut to half of its length", f"cut_{pattern.split('/')[0]}_{Path(pattern).name.strip('*.')}"
    return fault


def removed(trial, told):
    assert "delete records.parquet and cells.parquet there" in told
    for name in ("records.parquet", "cells.parquet"):
        (trial.folder / "results/tiny" / name).unlink()
    return "delete both files, then run again"


def overwritten(trial, told):
    assert "delete it and run the suite again with --overwrite always" in told
    (trial.folder / "results/tiny/cases.parquet").unlink()
    assert trial.run("--overwrite", "always").returncode == 0
    return "delete the file, then run with `--overwrite always`"


MADE = ("results", "runs/records")
MAPS = "runs/tiny/maps"
FAULTS = [
    full_disk,
    read_only_results,
    clock_set_back,
    cut("`best.ckpt`", "runs/tiny/custom-*/best.ckpt", *MADE, MAPS),
    cut("`last.ckpt` of an unfinished training", "runs/tiny/custom-*/last.ckpt", *MADE, MAPS, "runs/tiny/*/metrics.json"),
    cut("`metrics.json` of a training", "runs/tiny/custom-*/metrics.json", *MADE, MAPS),
    cut("`predictions.csv` of a training", "runs/tiny/custom-*/predictions.csv", *MADE),
    cut("The pixel cache", "cache/*.npy", *MADE, "runs/tiny"),
    cut("The row states of the pixel cache", "cache/*.rows", *MADE, "runs/tiny"),
    cut("A file of maps", "runs/tiny/maps/*/*.safetensors", *MADE),
    cut("`records.parquet`", "results/tiny/records.parquet", remedy=removed),
    cut("`cells.parquet`", "results/tiny/cells.parquet", remedy=removed),
    cut("`cases.parquet`", "results/tiny/cases.parquet", remedy=overwritten),
]
