"""Time explaining and scoring a suite repeatedly, with different numbers of jobs in turn."""

import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmark.suite import cells, executors, plan
from benchmark.suite.executors import Step
from benchmark.suite.executors.local import Local
from benchmark.suite.pending import Pending
from benchmark.suite.selection import ModelTask
from benchmark.suite.steps import model_steps
from config import RunConfig
from tools.speed import memory
from tools.speed.jobs.subject import JobsSpeedConfig
from tools.speed.machine import measured
from tools.speed.record import Row, SpeedRecord
from tools.speed.timing import fastest

PACKAGES = ("torch", "numpy", "numba")
THREADS = 1


def run(config: JobsSpeedConfig) -> SpeedRecord:
    """Measure everything."""
    return measured(config, PACKAGES, _rows(config), THREADS)


def _rows(config: JobsSpeedConfig) -> Iterator[Row]:
    """Yield a row per number of jobs. Each is measured in a new interpreter, so that imports count."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        steps = _steps(config, folder)
        for _ in executors.run([step for step in steps if step.kind == "train"], Local(1)):
            pass
        rounds = [
            {jobs: memory.fresh(_timed, steps, jobs, folder) for jobs in config.jobs} for _ in range(config.rounds)
        ]
    count = sum(step.kind != "train" for step in steps)
    for jobs in config.jobs:
        yield fastest("jobs", {"jobs": jobs, "steps": count}, "a suite", [times[jobs] for times in rounds])


def _steps(config: JobsSpeedConfig, folder: Path) -> list[Step]:
    train = {
        "dataset": f"phantom:train=64,val=64,test={config.images}", "backbone": "custom", "img_size": 128, "epochs": 1,
        "pretrained": False, "threads": THREADS, "cache_dir": str(folder / "cache"), "plots": False, "logger": ["csv"],
    }  # fmt: skip
    suite = plan.Suite(
        name="speed", title="Speed", about="To be timed.", train=train, models=[{"seed": list(range(config.models))}],
        methods=list(config.methods), protocols=list(config.protocols), slow_images=config.slow_images,
    )  # fmt: skip
    tasks = [ModelTask(model, tuple(cells.cells(suite, model))) for model in plan.models(suite)]
    return [step for task in tasks for step in model_steps(task, folder / "runs", folder / "made/speed", RunConfig())]


def _timed(steps: Sequence[Step], jobs: int, folder: Path) -> dict[str, float]:
    """Return wall seconds from the first explanation to the last record, CPU seconds, and the load at the end."""
    for output in (folder / "runs/maps", folder / "made"):
        shutil.rmtree(output, ignore_errors=True)
    begun, used, pending = 0.0, sum(os.times()[:4]), Pending.of(steps, folder / "made/speed")
    with Local(jobs) as local:
        for event in executors.run(steps, local):
            begun = begun or (time.perf_counter() if event.step.kind != "train" else 0.0)
            pending.take(event)
        wall = time.perf_counter() - begun
    used = sum(os.times()[:4]) - used
    return {"wall_s": round(wall, 2), "cpu_s": round(used, 2), "load": round(os.getloadavg()[0], 2)}
