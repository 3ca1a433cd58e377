"""Measure the scheduler, the plan and the tables of large suites, in CPU seconds."""

import heapq
import itertools
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import pandas as pd
import yaml

from benchmark import records
from benchmark.records import Record, cases
from benchmark.records import packed as packed_records
from benchmark.report import tables as report
from benchmark.suite import cells as suite_cells
from benchmark.suite import plan as plans
from benchmark.suite.executors import Executor, Step
from benchmark.suite.executors.view import run_with_progress
from benchmark.suite.pending import PACKED_PER_NEW, Pending
from benchmark.suite.selection import ModelTask
from benchmark.suite.steps import model_steps
from config import RunConfig
from core.errors import LocusError
from core.names import MAIN_PROTOCOL

SECONDS = {"train": 3600.0, "explain": 120.0, "score": 30.0}
"""Simulated duration of the steps."""
JOBS = (1, 8, 64)
WORDS = ("key", "model_id", "image", "patient")
PHANTOM = Path("results/phantom")


class Simulated(Executor):
    """Executor whose steps do nothing and take simulated time."""

    name: ClassVar[str] = "simulated"

    def __init__(self, jobs: int) -> None:
        super().__init__(jobs)
        self.now, self.busy = 0.0, 0.0
        self._ends: list[tuple[float, int, Step]] = []
        self._count = itertools.count()

    def __exit__(self, *_: object) -> None:
        """Do nothing."""

    def start(self, step: Step) -> None:
        """Schedule the end of a step."""
        self.busy += SECONDS[step.kind]
        heapq.heappush(self._ends, (self.now + SECONDS[step.kind], next(self._count), step))

    def wait(self) -> tuple[Step, LocusError | None]:
        """Return the step that ends next."""
        self.now, _, step = heapq.heappop(self._ends)
        return step, None


def scheduler(cells: int, _: int) -> dict[str, Any]:
    """Measure the scheduler on all steps of a suite with 1, 8 and 64 jobs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "large").mkdir()
        tasks = _tasks(_suite(cells))
        steps = [step for task in tasks for step in model_steps(task, folder / "runs", folder / "large", RunConfig())]
        rows = [_scheduled(steps, count, folder / "large") for count in JOBS]
    about = {"cells": sum(len(task.cells) for task in tasks), "trainings": len(tasks), "steps": len(steps)}
    return {**about, "load": _load(), "jobs": rows}


def _scheduled(steps: Sequence[Step], jobs: int, folder: Path) -> dict[str, Any]:
    executor, pending, begun = Simulated(jobs), Pending.of(steps, folder), time.process_time()
    ended: Counter[str] = Counter()
    for event in run_with_progress(steps, executor, lambda _: None):
        pending.take(event)
        ended[event.kind] += 1
    used = time.process_time() - begun
    idle = 1 - executor.busy / (jobs * executor.now)
    return {"jobs": jobs, "done": ended["done"], "cpu_s": round(used, 2), "idle": round(idle, 4)}


def plan(cells: int, _: int) -> dict[str, Any]:
    """Measure a dry run of a suite in a new process, including the start of Python and its imports."""
    with tempfile.TemporaryDirectory() as name:
        content = _suite(cells).model_dump(exclude={"name"}, exclude_defaults=True)
        Path(name, "large.yaml").write_text(yaml.safe_dump(content))
        flags = ["--suite", "large", "--suites", name, "--results", f"{name}/results", "--dry_run", "--threads", "1"]
        begun = sum(os.times()[2:4])
        said = subprocess.check_output([sys.executable, "-m", "benchmark.run", *flags], text=True)
        used = sum(os.times()[2:4]) - begun
    return {"said": said.splitlines()[0], "cpu_s": round(used, 2), "load": _load()}


def tables(cells: int, rows_per_cell: int) -> dict[str, Any]:
    """Measure packing, reading and the tables of ``cells`` cells, copied from the committed records of the phantom."""
    with tempfile.TemporaryDirectory() as name:
        folder, begun = Path(name) / "large", time.process_time()
        copies = _copies(cells, rows_per_cell, folder)
        packed_records.write_packed(copies, folder)
        packed = time.process_time()
        loaded = records.load(folder)
        read = time.process_time()
        report.write(folder, "Large", "Copies.", loaded)
        wrote = time.process_time()
        size = sum(file.stat().st_size for file in folder.iterdir()) / 1e6
        page = (folder / "index.html").stat().st_size / 1e6
        pack = _pack_again(copies, folder)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    trainings = len({record.cell.model_id for record in loaded})
    return {
        "cells": len(loaded), "trainings": trainings, "cases": rows_per_cell,
        "made_and_packed_s": round(packed - begun, 1), "read_s": round(read - packed, 1),
        "tables_s": round(wrote - read, 1), "peak_gib": round(peak, 2), "files_mb": round(size, 1),
        "page_mb": round(page, 1), "pack_s": round(pack, 1), "packed_times": round(_packed_times(trainings), 1),
        "load": _load(),
    }  # fmt: skip


def _pack_again(copies: Sequence[Record], folder: Path) -> float:
    """Return the seconds to pack the records of seed 0 again, together with all others."""
    rows_of = dict([*pd.read_parquet(folder / cases.CASES).groupby("key", observed=True)])
    for record in [record for record in copies if record.cell.seed == 0]:
        records.write(record, folder)
        rows = rows_of[record.key].drop(columns=["key", *cases.CELL]).dropna(axis="columns", how="all")
        cases.write(rows.to_dict("records"), record.cell, folder)
    begun = time.process_time()
    records.pack(folder)
    return time.process_time() - begun


def _packed_times(trainings: int) -> float:
    """Return how often each record is packed during a run, on average; see ``Pending``."""
    new, packed, written = 0, 0, 0
    for _ in range(trainings - 1):
        new += 1
        if PACKED_PER_NEW * new >= packed:
            packed, new = packed + new, 0
            written += packed
    return written / trainings


def _copies(count: int, rows_per_cell: int, folder: Path) -> list[Record]:
    """Return copies of the records with other seeds, and write their rows per case; only seed 0 has all columns."""
    sources = [r for r in records.load(PHANTOM) if r.source == "run" and r.cell.protocol == MAIN_PROTOCOL]
    sources = [r for r in sources if r.scores and r.cell.seed == 0 and r.cell.images is None]
    rows_of = dict([*pd.read_parquet(PHANTOM / cases.CASES).groupby("key", observed=True)])
    sources = [record for record in sources if record.key in rows_of]
    copies: list[Record] = []
    for seed in range(-(-count // len(sources))):
        tables = []
        for record in sources[: count - len(copies)]:
            name = record.cell.model_id.replace("seed0", f"seed{seed}")
            cell = record.cell.model_copy(update={"seed": seed, "model_id": name})
            tables.append(_enough(rows_of[record.key], rows_per_cell).assign(key=cell.key, model_id=name))
            copies.append(record.model_copy(update={"cell": cell}))
        rows = pd.concat(tables, ignore_index=True).astype(dict.fromkeys(WORDS, "category"))
        columns = [*rows.columns] if seed == 0 else cases.brief(rows.columns)
        folder.mkdir(exist_ok=True)
        rows[columns].to_parquet(cases.packed_file(folder, seed), index=False)
    return copies


def _enough(rows: pd.DataFrame, count: int) -> pd.DataFrame:
    """Return ``count`` rows of different cases; missing rows are copies of the first with other images and patients."""
    more = rows.iloc[: max(0, count - len(rows))]
    others = {name: more[name].astype(str) + "-again" for name in ("image", "patient")}
    return pd.concat([rows.iloc[:count].astype(dict.fromkeys(others, str)), more.assign(**others)])


def _suite(cells: int) -> plans.Suite:
    """Return a suite of about ``cells`` cells: 125 training runs, all methods, and as many protocols as needed."""
    flags = {"dataset": "phantom:train=32,val=16,test=24", "threads": 1, "epochs": 1, "backbone": "custom"}
    axes = {"global_pool": ["AVG", "MAX", "LSE", "PCAM", "EXP"], "img_size": [64, 96, 128, 160, 192]}
    protocols = ["locus", "pointing", "energy", "wang"]
    suite = plans.Suite(
        name="large", title="Large", about="To be planned.", train=flags, models=[axes], seeds=[*range(5)],
        protocols=protocols,
    )  # fmt: skip
    count = round(cells / 125 / len(suite_cells.method_names(suite)))
    return suite.model_copy(update={"protocols": protocols[: max(1, count)]})


def _tasks(suite: plans.Suite) -> list[ModelTask]:
    return [ModelTask(model, tuple(suite_cells.cells(suite, model))) for model in plans.models(suite)]


def _load() -> float:
    return round(os.getloadavg()[0], 1)
