"""``--costs``: measure the time and memory of each method of a suite, once per network."""

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from backbones import Classifier
from benchmark.explain import apply_engine_flags, cost
from benchmark.maps.requests import build_method
from benchmark.maps.trained import TrainingRun, Untrained, untrained
from benchmark.records import costs
from benchmark.records.costs import Cost
from benchmark.suite.selection import ModelTask, missing_data
from benchmark.suite.training_runs import recorded
from benchmark.training import provenance
from config import RunConfig
from core.errors import LocusError, NotAvailableError
from core.names import MAIN_PROTOCOL, NOT_IN_METHODS, PEOPLE
from core.types import Echo
from datasets.io import transforms
from methods.base import Method

IMAGES = 8
"""Number of images that are explained at once."""


def measure(planned: Sequence[ModelTask], runs_dir: Path, folder: Path, config: RunConfig, echo: Echo) -> None:
    """Update ``costs.parquet`` of ``folder`` for the methods of the ``planned`` cells, on this machine.

    Rows of another machine are measured again; all rows with ``--overwrite always``. A network without a training run
    in ``runs_dir`` gets random weights, which cost the same. Raises ``WriteError`` if a file cannot be written.
    """
    used = provenance.of_scoring()
    here = {"device": used.device, "processor": used.processor, "threads": 1, "torch": used.versions["torch"]}
    old_rows = [] if config.overwrite == "always" else costs.read(folder)
    rows = [row for row in old_rows if all(getattr(row, name) == value for name, value in here.items())]
    for (dataset, model), tasks in _networks(planned).items():
        measured = {row.method for row in rows if (row.dataset, row.model) == (dataset, model)}
        words = [word for word in _words(tasks) if word not in measured]
        if not words or missing_data(tasks[0].model):
            continue
        start, about = time.process_time(), {"dataset": dataset, "model": model, **here}
        try:
            new = [Cost(**about, **row) for row in _measured(_training(tasks, runs_dir), words, config, echo)]
        except LocusError as error:
            echo(f"costs of {model}: {error}")
            continue
        costs.write(rows := [*rows, *new], folder)
        echo(f"costs of {model}: {len(new)} methods in {time.process_time() - start:.0f} s of processor time")


def _networks(planned: Sequence[ModelTask]) -> dict[tuple[str, str], list[ModelTask]]:
    """Data set and network without its seed -> its models, those of the first seed first."""
    networks: dict[tuple[str, str], list[ModelTask]] = {}
    for task in planned:
        if task.cells:
            networks.setdefault((task.cells[0].dataset, task.cells[0].model_of_any_seed), []).append(task)
    return networks


def _words(tasks: Sequence[ModelTask]) -> list[str]:
    """The methods of the leaderboard; baselines and readers have no costs."""
    cells = [cell for task in tasks for cell in task.cells if cell.protocol == MAIN_PROTOCOL]
    return list(dict.fromkeys(cell.method for cell in cells if cell.method not in (*NOT_IN_METHODS, *PEOPLE)))


def _training(tasks: Sequence[ModelTask], runs_dir: Path) -> TrainingRun:
    """The first finished training run of a network, else the first one with random weights."""
    models = [task.model for task in tasks]
    runs = [run for model in models for run in recorded(model, [None] * len(model.trainings), runs_dir)]
    return next((run for run in runs if run.checkpoint.is_file()), None) or untrained(runs[0])


def _measured(run: TrainingRun, words: Sequence[str], config: RunConfig, echo: Echo) -> Iterator[dict[str, object]]:
    """The measured fields of a cost, for each method that supports the network."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model: Classifier = apply_engine_flags(run.model(device), config)
    images = transforms.evaluation()(torch.from_numpy(run.pixels[:IMAGES]).to(device))
    weights = "random" if isinstance(run, Untrained) else "trained"
    for word in words:
        try:
            part = build_method(word)
            if isinstance(part, Method):
                spent = cost.spent(model, images, part)
                yield {"method": word, "findings": len(run.data.findings), "weights": weights, **spent}
        except NotAvailableError:
            continue  # its cell's record has the reason
        except LocusError as error:
            echo(f"costs of {word}: {error}")
