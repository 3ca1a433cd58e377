"""The work of a suite's steps, as functions that any process can call: train, restore, predict, explain, score.

A step names one of them (``executors.Step``). Each imports the module that does the work when it is called, because
these imports are slow and a plan needs none of them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from locus.benchmark.suite.cells import ModelTask
from locus.benchmark.suite.plan import ModelPlan
from locus.config import RunConfig, TrainConfig

if TYPE_CHECKING:
    from locus.benchmark.opening import ExternalModel


def train(config: TrainConfig, folder: Path) -> None:
    """Train a network in a run ``folder``, or resume its training."""
    from locus.benchmark import training

    training.fit(config, folder)


def restore(file: Path, config: TrainConfig, folder: Path) -> None:
    """Write the run of a ``file`` of published weights to ``folder``."""
    from locus.benchmark.training import weights

    weights.restore(file, config, folder)


def predict(model: "ExternalModel", config: TrainConfig, folder: Path) -> None:
    """Write a copy of an external ``model`` and its predictions for the held-out images to ``folder``."""
    from locus.benchmark.maps import runs

    runs.predict_held_out(model, config, folder)


def explain(
    model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig
) -> None:
    """Generate the maps of ``method_names`` that are missing in ``runs_dir``."""
    from locus.benchmark.suite import score

    score.explain(model, method_names, runs_dir, flags)


def score(task: ModelTask, runs_dir: Path, folder: Path, flags: RunConfig) -> None:
    """Write a record in ``folder`` for each cell of ``task``."""
    from locus.benchmark.suite import score

    score.score(task, runs_dir, folder, flags)
