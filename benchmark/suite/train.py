"""The finished training runs of a suite's model, with the images that they explain."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from benchmark.maps.trained import TrainingRun
from benchmark.suite.plan import ModelPlan
from benchmark.suite.steps import trainings
from core.errors import DataError
from datasets.io.content import content_stamp


def finished(model: ModelPlan, runs_dir: Path) -> Sequence[TrainingRun]:
    """Every training run of ``model`` below ``runs_dir``; all must be finished.

    The last model's runs are cached with their images, because its steps follow each other. Raises ``DataError`` for a
    run that saw other data than the current data.
    """
    stamps = (content_stamp(folder / "metrics.json") for folder in trainings(model, runs_dir))
    return _finished(model, runs_dir, tuple(stamps))


def recorded(model: ModelPlan, digests: Sequence[str | None], runs_dir: Path) -> list[TrainingRun]:
    """Every training run of ``model``, with the weights' ``digests`` from a record: no checkpoint is read.

    None: the digest of the checkpoint. Raises ``DataError`` if their numbers differ.
    """
    if len(digests) != len(model.trainings):
        count = f"the record states {len(digests)} checkpoints"
        raise DataError(f"{count}, the suite has {len(model.trainings)} trainings of {model.id}")
    return [replace(run, other=model.other_data) for run in _runs(model, runs_dir, digests)]


@lru_cache(maxsize=1)
def _finished(model: ModelPlan, runs_dir: Path, stamps: tuple[tuple[int, int], ...]) -> Sequence[TrainingRun]:
    digest = None if model.finished is None else model.finished.digest
    trained = _runs(model, runs_dir, [digest] * len(model.trainings))
    for run in trained:
        seen = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))["data"]["test"]
        if other := run.unlike(seen):
            differ = ", ".join(other)
            wrong = f"{run.folder} was trained on other data ({differ} differ)"
            raise DataError(f"{wrong}: remove the folder to train anew")
    return tuple(replace(run, other=model.other_data) for run in trained)


def _runs(model: ModelPlan, runs_dir: Path, digests: Sequence[str | None]) -> list[TrainingRun]:
    """Every training run of ``model`` on its own data."""
    runs = zip(trainings(model, runs_dir).items(), digests, strict=True)
    return [TrainingRun(flags, path, recorded_digest=digest, finished=model.finished) for (path, flags), digest in runs]
