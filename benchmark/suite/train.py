"""The finished trainings of a suite's model, with the images that they are explained on."""

import json
from dataclasses import replace
from pathlib import Path

from benchmark.maps.trained import Trained
from benchmark.suite.plan import ModelPlan
from benchmark.suite.steps import trainings
from core.errors import DataError


def finished(model: ModelPlan, runs_dir: Path) -> list[Trained]:
    """Every training of ``model`` below ``runs_dir``, all of which are done.

    Raises ``DataError`` for one that saw other data than those at hand.
    """
    digest = None if model.finished is None else model.finished.digest
    folders = trainings(model, runs_dir).items()
    trained = [Trained(config, path, recorded_digest=digest, finished=model.finished) for path, config in folders]
    for run in trained:
        seen = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))["data"]["test"]
        if other := run.unlike(seen):
            differ = ", ".join(other)
            raise DataError(
                f"{run.folder} was trained on other data ({differ} differ): remove the folder to train anew"
            )
    return [replace(run, other=model.other_data) for run in trained]
