"""One model of a suite: train, explain, score, record. Each step starts from what the one before left on disk."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from benchmark.records import Cell
from benchmark.suite.plan import ModelPlan
from benchmark.suite.record import shared_fields, write_record
from benchmark.suite.score import make_score_function
from benchmark.suite.train import train
from benchmark.training import machine
from config import RunConfig

log = logging.getLogger(__name__)


def run_model(model: ModelPlan, cells: Sequence[Cell], runs_dir: Path, folder: Path, flags: RunConfig) -> None:
    """Train ``model`` below ``runs_dir`` where needed, explain, and write a record below ``folder`` for each cell.

    A method that breaks fails its own cells only.
    """
    trained = train(model, runs_dir, flags.threads)
    machine.configure_torch(model.trainings[0].threads or flags.threads)
    score, shared = make_score_function(model, cells, trained, runs_dir, flags), shared_fields(trained)
    in_order = sorted(cells, key=lambda cell: (cell.method, cell.alignment))  # a method's cases are made once
    for cell in tqdm(in_order, desc=f"score {model.id}", unit="cell", leave=False, disable=None):
        start = time.perf_counter()
        scored = score(cell)
        write_record(cell, scored, shared, time.perf_counter() - start, folder)
    log.info("%s: %d records written", model.id, len(cells))
