"""Measure the start of a training run on a data set of NIH's size, compared with a plain DataLoader."""

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmark.training import machine
from core.errors import LocusError
from datasets.io import limits
from datasets.io.decoding_worker import DECODED
from tools.scale import tree

BATCH = 64


def measure(
    folder: Path, images: int, epoch_images: int, size: int, workers: int, originals: Path | None
) -> dict[str, Any]:
    """Start on ``images`` images, kill the process, start again; train epochs of ``epoch_images`` with both loaders.

    Every start is a new process. The data sets are created in ``folder`` and are not removed. Seconds are wall time.
    """
    whole = tree.make(folder / f"nih-{images}", images, originals, broken=3)
    part = tree.make(folder / f"nih-{epoch_images}", epoch_images, originals, broken=3)
    flags = ["--img_size", str(size), "--num_workers", str(workers)]
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        few = _watched(part, 1, flags, Path(cache))
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        first = _watched(whole, 1, flags, Path(cache))
        killed = _killed(whole, flags, Path(cache), first["decoded_after"] + 200)
        again = _watched(whole, 1, flags, Path(cache))
    with tempfile.TemporaryDirectory(dir=folder) as cache:
        epochs = _watched(part, 0, [*flags, "--epochs", "2"], Path(cache))["epochs"]
    plain = _plain(part, epochs[0]["images"], size, workers)
    bytes_each = (first["anonymous_kb"] - few["anonymous_kb"]) * 1024 / (first["listed"] - few["listed"])
    return {
        "machine": f"{machine.cpu_model()}, {limits.cpus()} cores", "load": round(os.getloadavg()[0], 1),
        "images": images, "epoch_images": epoch_images, "size": size, "workers": workers,
        "training_images": first["images"], "listed_s": first["listed_s"], "first_step_s": first["first_step_s"],
        "bytes_per_image": round(bytes_each), "killed_after": killed, "decoded_before_restart": again["decoded_before"],
        "restart_first_step_s": again["first_step_s"], "epochs": epochs, "plain": plain,
        "first_epoch_ratio": _ratio(epochs[0], plain), "second_epoch_ratio": _ratio(epochs[1], plain),
    }  # fmt: skip


def _ratio(epoch: dict[str, float], plain: dict[str, float]) -> dict[str, float]:
    """Return the images per second, by wall and CPU time, divided by those of the plain loader."""
    ratios = {name: plain[name] / plain["images"] / (epoch[name] / epoch["images"]) for name in ("seconds", "cpu_s")}
    return {name: round(value, 2) for name, value in ratios.items()}


def _command(root: Path, steps: int, flags: Sequence[str], cache: Path) -> list[str]:
    recipe = "--dataset NIH --num_classes 8 --backbone custom --pretrained False --logger csv --num_GPU 0"
    places = ["--data_root_dir", str(root), "--cache_dir", str(cache), "--batch_size", str(BATCH)]
    return [sys.executable, "-m", "tools.scale.watched", str(steps), *recipe.split(), *places, *flags]


def _watched(root: Path, steps: int, flags: Sequence[str], cache: Path) -> dict[str, Any]:
    done = subprocess.run(_command(root, steps, flags, cache), stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise LocusError(f"the training run on {root} ended with status {done.returncode}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _killed(root: Path, flags: Sequence[str], cache: Path, after: int) -> int:
    """Kill a training run once ``after`` images are decoded; return the number when its processes have ended."""
    (states,) = sorted(cache.glob("*.rows"), key=lambda path: path.stat().st_size)[-1:]
    with subprocess.Popen(_command(root, 0, flags, cache), stdout=subprocess.DEVNULL) as process:
        while (_decoded(states)) < after and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    count = -1
    while count != (count := _decoded(states)):
        time.sleep(1)
    return count


def _decoded(states: Path) -> int:
    return int((np.fromfile(states, np.uint8) == DECODED).sum())


def _plain(root: Path, count: int, size: int, workers: int) -> dict[str, float]:
    from tools.scale import plain

    linked = (path for path in root.glob("images_*/images/*.png") if path.stat().st_nlink > 1)  # a cut file is a copy
    intact = sorted(linked)
    random.Random(0).shuffle(intact)
    return plain.epoch(intact[:count], size, workers, BATCH)
