"""The steps of a model, as data: its trainings, the explanation that needs them, the scoring that needs the maps."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmark import validity
from benchmark.executors import Step
from benchmark.records import Cell
from benchmark.suite.plan import ModelPlan, finished_folder_name, folder_name
from benchmark.suite.selection import ModelJob
from config import RunConfig, TrainConfig
from core.errors import BadValueError
from core.names import CLASSIFICATION, READERS

if TYPE_CHECKING:
    from benchmark.maps.finished import FinishedModel


def trainings(model: ModelPlan, runs_dir: Path) -> dict[Path, TrainConfig]:
    """Run folder below ``runs_dir`` -> the training that it is of, one per fold; with what it starts from."""
    configs = list(model.trainings)
    if model.finished is not None:
        return {runs_dir / finished_folder_name(model.finished, config.fold): config for config in configs}
    if model.init is not None:
        start = str(_first(model.init, runs_dir) / "best.ckpt")
        configs = [replace(config, init_from=start) for config in configs]
    return {runs_dir / folder_name(config, model.init): config for config in configs}


def model_steps(job: ModelJob, runs_dir: Path, folder: Path, flags: RunConfig) -> list[Step]:
    """All steps from a model to the records of its cells; what is done already, a step finds done.

    Trainings and maps lie below ``runs_dir``, records below the suite's ``folder``.
    """
    model, name = job.model, f"{folder.name}/{job.model.id}"
    threads = model.trainings[0].threads or flags.threads
    first = [] if model.init is None else [_training(model.init, _first(model.init, runs_dir), threads)]
    needs = tuple(step.id for step in first)
    learning = [_training(config, path, threads, needs) for path, config in trainings(model, runs_dir).items()]
    if model.finished is not None:
        learning = [_predicting(model.finished, step) for step in learning]
    needs = tuple(step.id for step in learning)
    explaining = []
    if words := explained(job.cells):
        arguments = (model, words, runs_dir, flags)
        explaining = [
            Step(f"explain {name}", "explain", "benchmark.suite.model.explain", arguments, needs, threads or 1)
        ]
        needs = (f"explain {name}",)
    scoring = Step(
        f"score {name}", "score", "benchmark.suite.model.score", (job, runs_dir, folder, flags), needs, threads or 1
    )
    return [*first, *learning, *explaining, scoring]


def check_threads(jobs: Sequence[ModelJob], at_a_time: int, threads: int | None) -> None:
    """Raise ``BadValueError`` where several jobs share the CPUs and nothing says how many threads each one has."""
    starts = [job.model.init for job in jobs if job.model.init is not None]
    configs = [*starts, *(config for job in jobs for config in job.model.trainings)]
    if at_a_time > 1 and threads is None and any(config.threads is None for config in configs):
        raise BadValueError(
            f"--jobs {at_a_time} needs the threads of each job, on which the last digits depend: write --threads 1 too"
        )


def explained(cells: Sequence[Cell]) -> list[str]:
    """The methods whose maps the protocols of ``cells`` score; a check makes its own."""
    own = (cell for cell in cells if cell.protocol != CLASSIFICATION and not validity.is_check(cell.protocol))
    return list(dict.fromkeys(cell.method for cell in own if cell.method != READERS))


def _first(start: TrainConfig, runs_dir: Path) -> Path:
    return runs_dir / folder_name(start, None)


def _training(config: TrainConfig, folder: Path, threads: int | None, needs: tuple[str, ...] = ()) -> Step:
    """A training on so many ``threads``, unless it has its own; they were no part of the folder's name."""
    name, threads = f"train {folder.parent.name}/{folder.name}", config.threads or threads
    return Step(
        name, "train", "benchmark.training.fit", (replace(config, threads=threads), folder), needs, threads or 1
    )


def _predicting(finished: "FinishedModel", step: Step) -> Step:
    """The step that a finished model has in place of a training."""
    return replace(step, function="benchmark.models.scored.score_model", arguments=(finished, *step.arguments))
