"""The steps that explain and score the cells of a suite's model, with ``locus.benchmark.evaluation``.

``explain``        generate the missing maps of some methods; ``score`` writes the records of some cells
``finished_runs``  the training runs of a model, which must be finished, with the images that they explain
``SuiteScorer``    also scores boxes drawn by people

Training is in ``locus.benchmark.training``, the order of the steps in ``run``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from locus.benchmark.evaluation import network, readers
from locus.benchmark.evaluation.cell import Scored, score_result
from locus.benchmark.maps.runs import ModelRun
from locus.benchmark.records import Cell, cases
from locus.benchmark.report.grouping import counted
from locus.benchmark.suite import fitted
from locus.benchmark.suite.cells import ModelTask
from locus.benchmark.suite.plan import ModelPlan
from locus.benchmark.training import hardware
from locus.config import RunConfig, TrainConfig
from locus.core.errors import DataError
from locus.core.names import MAIN_PROTOCOL, READERS, SECOND_READERS
from locus.datasets.base import content_stamp

EVALUATE_PEOPLE = {READERS: readers.score_readers, SECOND_READERS: readers.score_second_readers}
"""Row of people's boxes -> the function that scores it by ``single_box``."""


def finished_runs(model: ModelPlan, runs_dir: Path) -> Sequence[ModelRun]:
    """Return the training runs of ``model`` in ``runs_dir``, all of which must be finished.

    The runs of the last model are cached with their images, because its steps follow each other. Raises ``DataError``
    if a run was trained on different data.
    """
    stamps = (content_stamp(folder / "metrics.json") for folder in model.run_configs(runs_dir))
    return _finished(model, runs_dir, tuple(stamps))


def recorded(model: ModelPlan, digests: Sequence[str | None], runs_dir: Path) -> list[ModelRun]:
    """Return the training runs of ``model`` with the ``digests`` of their weights, without reading a checkpoint.

    A digest of None is that of the checkpoint. Raises ``DataError`` if the number of digests is wrong.
    """
    configs = model.run_configs(runs_dir)
    if len(digests) != len(configs):
        recorded_count = f"a record has {counted(len(digests), 'checkpoint')}"
        planned_count = f"{model.id} has {counted(len(configs), 'training run')} in the suite"
        raise DataError(f"{recorded_count}, but {planned_count}: {cases.RUN_AGAIN}")
    return [
        ModelRun(config, folder, recorded_digest=digest, external=model.external)
        for (folder, config), digest in zip(configs.items(), digests, strict=True)
    ]


@lru_cache(maxsize=1)
def _finished(
    model: ModelPlan, runs_dir: Path, stamps: tuple[tuple[int, int], ...]
) -> Sequence[ModelRun]:
    """Return the finished training runs of a model; raise if the test data have changed since training."""
    digest = None if model.external is None else model.external.digest
    runs = recorded(model, [digest] * len(model.trainings), runs_dir)
    for run in runs:
        differing = run.other_data()
        if differing:
            reason = f"was trained on different data ({', '.join(differing)} differ)"
            raise DataError(f"{run.folder} {reason}: remove the folder to train again")
    return tuple(runs)


def scored_model(
    model: ModelPlan, trained: Sequence[ModelRun], runs_dir: Path
) -> network.ScoredModel:
    """Return the training runs of ``model`` with the folder of their maps in ``runs_dir``."""
    return network.ScoredModel(
        id=model.id,
        trained=trained,
        maps=model.maps_folder(runs_dir),
        code=model.code,
        images=model.images,
        protocols=model.protocols,
        grid=model.grid,
    )


def explain(
    model: ModelPlan, method_names: Sequence[str], runs_dir: Path, flags: RunConfig
) -> None:
    """Generate the maps that are missing.

    If a method fails, it has no maps; scoring tries it again and records the reason.

    Args:
        model: the planned model; its training runs must be finished.
        method_names: the methods.
        runs_dir: folder of the training runs, and of the maps.
        flags: the flags of the command.
    """
    hardware.configure_torch(model.trainings[0].threads or flags.threads)
    scored = scored_model(model, finished_runs(model, runs_dir), runs_dir)
    network.stored_cases(scored, method_names, flags)


def score(task: ModelTask, runs_dir: Path, folder: Path, flags: RunConfig) -> None:
    """Write a record for each cell of a task; the training runs must be finished.

    Maps that are missing are generated first. If a method fails, only its cells are affected. Without a network, no
    image is read.

    Args:
        task: the model and its cells.
        runs_dir: folder of the training runs and maps.
        folder: the results folder of the suite.
        flags: the flags of the command.
    """
    model = task.model
    config = model.trainings[0]
    hardware.configure_torch(config.threads or flags.threads)
    trained = finished_runs(model, runs_dir) if model.grid is None else [_truth_alone(config)]
    fit = fitted.of_tasks([task], folder, flags)
    suite_scorer = SuiteScorer.prepare(
        scored_model(model, trained, runs_dir), task.cells, flags, fit=fit
    )
    network.write_records(suite_scorer, folder)


@lru_cache(maxsize=1)
def _truth_alone(config: TrainConfig) -> ModelRun:
    """Return a run for the truth of its test images; all grids of a suite share it."""
    return ModelRun(config, Path())


@dataclass(eq=False, kw_only=True)
class SuiteScorer(network.NetworkScorer):
    """Scores the cells of a suite: those of a network, those fitted on another suite, and people's boxes."""

    fit: fitted.Fit | None = None
    """What the suite ``fitted_on`` chose; None if no cell needs it."""

    def evaluate(self, cell: Cell) -> Scored:
        """Return the scores of a cell and its rows per case."""
        if self.fit is not None and cell.fitted_on is not None:
            return fitted.score(self.fit, self.store, cell)
        if cell.method not in EVALUATE_PEOPLE:
            return super().evaluate(cell)
        evaluate = (
            EVALUATE_PEOPLE[cell.method]
            if cell.protocol == MAIN_PROTOCOL
            else readers.score_reader_pairs
        )
        return score_result(
            lambda: evaluate(self.model.trained, self.store.findings, cell.data_seed, cell.images),
            "none",
        )
