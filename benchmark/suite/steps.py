"""The steps of a model: training runs, then explanations, then scoring."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import methods
from benchmark.records import Cell
from benchmark.suite.executors import Step
from benchmark.suite.plan import folder_name
from benchmark.suite.selection import ModelTask
from config import RunConfig, TrainConfig
from core.errors import BadValueError
from core.flags.choices import CHECKS
from core.names import CLASSIFIER, PEOPLE, UNRANKED_METHODS

PORTION = 4
"""Methods per scoring step: enough to outweigh reading the images again, few enough to keep all jobs busy."""


def model_steps(task: ModelTask, runs_dir: Path, folder: Path, flags: RunConfig) -> list[Step]:
    """Return all steps from a model to the records of its cells; a step skips finished work when it runs.

    Training runs and maps are in ``runs_dir``, records below the suite's ``folder``. A step lists the steps that it
    needs; an executor may run all others at once.

    >>> from benchmark.suite import cells, plan
    >>> suite = plan.load("demo")
    >>> model = plan.models(suite)[0]
    >>> task = ModelTask(model, tuple(cells.cells(suite, model)[:9]))
    >>> [step.kind for step in model_steps(task, Path("runs"), Path("results/demo"), RunConfig())]
    ['train', 'explain', 'score', 'score', 'score']
    """
    model, name = task.model, f"{folder.name}/{task.model.id}"
    threads = model.trainings[0].threads or flags.threads
    first = [] if model.init is None else [_training(model.init, runs_dir / folder_name(model.init, None), threads)]
    starts = tuple(step.id for step in first)
    learning = [_training(config, path, threads, starts) for path, config in model.run_configs(runs_dir).items()]
    if model.given is not None:  # its predictions replace training
        predict = "benchmark.maps.predict.predict_held_out"
        learning = [
            replace(
                step,
                id=step.id.replace("train", "predict", 1),
                function=predict,
                arguments=(model.given, *step.arguments),
            )
            for step in learning
        ]
    trained = tuple(step.id for step in learning)

    def after(needs: tuple[str, ...], kind: Literal["explain", "score"], part: str, *arguments: object) -> Step:
        return Step(f"{kind} {name} ({part})", kind, f"benchmark.suite.{kind}.{kind}", arguments, needs, threads or 1)

    together, portions = _parts(task.cells)
    explaining = [after(trained, "explain", part, model, words, runs_dir, flags) for part, words in together.items()]
    maps = {word: step.id for step in explaining for word in step.arguments[1]}
    scoring = []
    for number, chosen in enumerate(portions, start=1):
        needs = tuple(dict.fromkeys(maps[cell.method] for cell in chosen if cell.method in maps)) or trained
        part, portion = f"{number} of {len(portions)}", ModelTask(model, tuple(chosen))
        scoring.append(after(needs, "score", part, portion, runs_dir, folder, flags))
    return [*first, *learning, *explaining, *scoring]


def check_parallel(
    tasks: Sequence[ModelTask], at_a_time: int, threads: int | None, minutes: float | None = None
) -> None:
    """Raise ``BadValueError`` if ``tasks`` cannot run at the same time or be stopped after ``minutes``."""
    if at_a_time == 1 and minutes is None:
        return
    flag, instead = (f"--jobs {at_a_time}", "use --jobs 1") if at_a_time > 1 else ("--step_minutes", "leave it out")
    starts = [task.model.init for task in tasks if task.model.init is not None]
    configs = [*starts, *(config for task in tasks for config in task.model.trainings)]
    if threads is None and any(config.threads is None for config in configs):
        reason = "because results depend on that number"
        raise BadValueError(f"{flag} requires a fixed number of threads, {reason}: add --threads 1")
    if any(map(_uses_several_devices, configs)):
        raise BadValueError(f"{flag} requires training runs on a single device: {instead} for this suite")


def _uses_several_devices(config: TrainConfig) -> bool:
    words = config.devices, str(config.num_GPU or 0), "2" if "," in (config.device_ids or "") else "1"
    return config.num_nodes > 1 or not {"auto", "0", "1"}.issuperset(words)


def _training(config: TrainConfig, folder: Path, threads: int | None, needs: tuple[str, ...] = ()) -> Step:
    """Return a training step with this number of ``threads``, unless the configuration sets one."""
    name, config = f"train {folder.parent.name}/{folder.name}", replace(config, threads=config.threads or threads)
    return Step(name, "train", "benchmark.training.fit", (config, folder), needs, config.threads or 1)


def _parts(cells: Sequence[Cell]) -> tuple[dict[str, list[str]], list[list[Cell]]]:
    """Return name -> methods of an explaining step, and the cells of each scoring step.

    Fast methods are explained together, slow ones separately. A check generates the maps for all its cells at once.
    """
    if any(cell.protocol in CHECKS for cell in cells):
        return {}, [list(cells)]
    words = list(dict.fromkeys(cell.method for cell in cells))
    slow = [word for word in words if word not in (CLASSIFIER, *UNRANKED_METHODS) and not methods.is_fast(word)]
    scored = [*(word for word in words if word not in slow), *slow]
    fast = [word for word in scored if word not in (CLASSIFIER, *PEOPLE, *slow)]
    together = {**({"fast methods": fast} if fast else {}), **{word: [word] for word in slow}}
    parts = [scored[start : start + PORTION] for start in range(0, len(scored), PORTION)]
    return together, [[cell for cell in cells if cell.method in part] for part in parts]
