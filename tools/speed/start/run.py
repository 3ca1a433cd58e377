"""Time each command in a new interpreter, in turn with ``import torch``."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tools.speed import names
from tools.speed.machine import measured
from tools.speed.record import Row, SpeedRecord
from tools.speed.start.subject import StartSpeedConfig
from tools.speed.timing import fastest

TRAINING = "--dataset phantom:train=64,val=32,test=32 --img_size 64 --backbone custom --pretrained False --logger csv"


def run(config: StartSpeedConfig) -> SpeedRecord:
    """Time every command ``config.rounds`` times."""
    return measured(config, ("torch", "lightning"), _rows(config))


def _rows(config: StartSpeedConfig) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        commands = _commands(Path(folder))
        _timed(commands[-1][2], "exit")  # decodes the images and compiles the bytecode
        figures = [[_timed(words, until) for _, until, words in commands] for _ in range(config.rounds)]
    for (name, until, _), times in zip(commands, zip(*figures, strict=True), strict=True):
        yield fastest("start", {"until": until}, name, times)


def _commands(folder: Path) -> list[tuple[str, str, list[str]]]:
    """Return name, end of the timing and arguments of each command; the training run is the last."""
    cached = [*TRAINING.split(), "--cache_dir", str(folder / "cache"), "--num_workers", "1"]
    return [
        (names.IMPORT_TORCH, "exit", ["-c", "import torch"]),
        ("main.py --lr fast", "error", ["main.py", "--lr", "fast"]),
        ("main.py --backbone resnet81", "error", ["main.py", "--backbone", "resnet81"]),
        (
            "main.py --dataset NIH, no data",
            "error",
            ["main.py", "--dataset", "NIH", "--data_root_dir", str(folder / "no")],
        ),
        ("benchmark.run --suite nosuite", "error", ["-m", "benchmark.run", "--suite", "nosuite"]),
        ("main.py", "first line", ["main.py", *cached, "--model_save_dir", str(folder / "run")]),
        ("heatmap.py --help", "first line", ["heatmap.py", "--help"]),
        ("benchmark.run --suite demo --dry_run", "first line", ["-m", "benchmark.run", "--suite", "demo", "--dry_run"]),
        (names.FIRST_STEP, "exit", ["-m", "tools.scale.watched", "1", *cached]),
    ]


def _timed(words: Sequence[str], until: str) -> dict[str, float]:
    """Return wall and CPU seconds until the process ends or, for ``first line``, prints."""
    used, begun = sum(os.times()[2:4]), time.perf_counter()
    with subprocess.Popen([sys.executable, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        process.stdout.readline() if until == "first line" else process.stdout.read()
        if until != "first line":
            process.wait()
        wall = time.perf_counter() - begun
        process.kill()
    return {"wall_s": round(wall, 3), "cpu_s": round(sum(os.times()[2:4]) - used, 3)}
