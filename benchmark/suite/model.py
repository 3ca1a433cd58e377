"""What is done with a trained model: explain, score, record. Each starts from what the one before left on disk."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from benchmark.maps import shards
from benchmark.suite.explain import explain_model, map_requests
from benchmark.suite.plan import ModelPlan
from benchmark.suite.record import shared_fields, write_record
from benchmark.suite.score import make_score_function
from benchmark.suite.selection import ModelJob
from benchmark.suite.train import finished
from benchmark.training import machine
from config import RunConfig

log = logging.getLogger(__name__)


def explain(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig) -> None:
    """Make the maps of ``method_names`` that are missing below ``runs_dir``.

    One that breaks leaves none: its scoring tries it again, and records why.
    """
    machine.configure_torch(model.trainings[0].threads or flags.threads)
    explain_model(model, finished(model, runs_dir), method_names, runs_dir, flags)


def explain_shard(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig, number: int) -> None:
    """The same of shard ``number`` of ``--shards``: see ``benchmark.maps.shards``."""
    machine.configure_torch(model.trainings[0].threads or flags.threads)
    requests = map_requests(model, finished(model, runs_dir), method_names, runs_dir)
    shards.generate_shard(requests, number, flags.shards, flags)


def join_shards(model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig) -> None:
    """Join the shards of ``method_names``, and make what has none; what broke is left to its scoring, as above."""
    lacking = shards.join(map_requests(model, finished(model, runs_dir), method_names, runs_dir), flags.shards)
    explain(model, [name for name in method_names if name not in lacking], runs_dir, flags)


def score(job: ModelJob, runs_dir: Path, folder: Path, flags: RunConfig) -> None:
    """Write a record below ``folder`` for each cell of ``job``, the trainings of whose model are done.

    Maps that are missing below ``runs_dir`` are made first. A method that breaks fails its own cells only.
    """
    model = job.model
    machine.configure_torch(model.trainings[0].threads or flags.threads)
    trained = finished(model, runs_dir)
    score_cell, shared = make_score_function(model, job.cells, trained, runs_dir, flags), shared_fields(trained)
    in_order = sorted(job.cells, key=lambda cell: (cell.method, cell.alignment))  # a method's cases are made once
    for cell in tqdm(in_order, desc=f"score {model.id}", unit="cell", leave=False, disable=None):
        start = time.perf_counter()
        scored = score_cell(cell)
        write_record(cell, scored, shared, time.perf_counter() - start, folder)
    log.info("%s: %d records written", model.id, len(job.cells))
