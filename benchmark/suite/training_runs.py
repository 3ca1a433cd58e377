"""The finished training runs of a model, with the images that they explain."""

import json
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from benchmark.maps.trained import TrainingRun
from benchmark.records import cases
from benchmark.report.sentences import counted
from benchmark.suite.plan import ModelPlan
from core.errors import DataError
from datasets.io.content import content_stamp


def finished_runs(model: ModelPlan, runs_dir: Path) -> Sequence[TrainingRun]:
    """Return the training runs of ``model`` in ``runs_dir``, all of which must be finished.

    The runs of the last model are cached with their images, because its steps follow each other. Raises ``DataError``
    if a run was trained on different data.
    """
    stamps = (content_stamp(folder / "metrics.json") for folder in model.run_configs(runs_dir))
    return _finished(model, runs_dir, tuple(stamps))


def recorded(model: ModelPlan, digests: Sequence[str | None], runs_dir: Path) -> list[TrainingRun]:
    """Return the training runs of ``model`` with the ``digests`` of their weights, without reading a checkpoint.

    A digest of None is that of the checkpoint. Raises ``DataError`` if the number of digests is wrong.
    """
    configs = model.run_configs(runs_dir)
    if len(digests) != len(configs):
        recorded_count = f"a record has {counted(len(digests), 'checkpoint')}"
        planned_count = f"{model.id} has {counted(len(configs), 'training run')} in the suite"
        raise DataError(f"{recorded_count}, but {planned_count}: {cases.RUN_AGAIN}")
    return [
        TrainingRun(config, folder, recorded_digest=digest, given=model.given)
        for (folder, config), digest in zip(configs.items(), digests, strict=True)
    ]


@lru_cache(maxsize=1)
def _finished(model: ModelPlan, runs_dir: Path, stamps: tuple[tuple[int, int], ...]) -> Sequence[TrainingRun]:
    """Return the finished training runs of a model; raise if the test data have changed since training."""
    digest = None if model.given is None else model.given.digest
    runs = recorded(model, [digest] * len(model.trainings), runs_dir)
    for run in runs:
        seen = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))["data"]["test"]
        if differing := run.unlike(seen):
            reason = f"was trained on different data ({', '.join(differing)} differ)"
            raise DataError(f"{run.folder} {reason}: remove the folder to train again")
    return tuple(runs)
