"""The finished models of a suite: a run of main.py, a converted one, somebody's network; or a list of such."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmark.suite.plan.model import DATA, ModelPlan
from benchmark.suite.plan.suite import Suite
from config import TrainConfig
from core import cli
from core.errors import BadValueError

CHECKPOINT = "checkpoint"
"""The key of a suite's model that is not trained."""
KEYS = (CHECKPOINT, "entry", "trained_on", "slow_images")


def plans(suite: Suite, entry: dict[str, Any], given: dict[str, Any]) -> list[ModelPlan]:
    """A model for each checkpoint of ``entry``: several are trainings of one entry.

    Raises ``BadValueError`` for a key that is none of a finished model's, ``DataError`` for what is no run.
    """
    if unknown := [key for key in entry if key not in KEYS]:
        raise BadValueError(
            f"a model of the suite {suite.name!r} has checkpoint and {unknown[0]}: beside it stand "
            f"{', '.join(KEYS[1:])}"
        )
    if suite.test_on is not None or suite.check is not None:
        raise BadValueError(f"the suite {suite.name!r} trains what it asks (test_on, check): it takes no checkpoint")
    from benchmark.models import stamp  # torch is imported where there is a file of weights to read

    paths = entry[CHECKPOINT] if isinstance(entry[CHECKPOINT], list | tuple) else [entry[CHECKPOINT]]
    read = [stamp.read(Path(path), entry.get("entry"), entry.get("trained_on")) for path in paths]
    name = entry.get("entry") or read[0][0].name
    seeds = _seeds([flags["seed"] for _, flags in read])
    data = {key: value for key, value in {**suite.train, **given}.items() if key in DATA}
    folds = suite.folds if suite.folds is not None else [data.get("fold", 0)]
    made = []
    for (finished, flags), seed in zip(read, seeds, strict=True):
        values = {**cli.defaults_of(TrainConfig, data), **flags, **data, "backbone": name, "seed": seed}
        values = {key: value for key, value in values.items() if key in {*DATA, *flags, "backbone"}}
        trainings = tuple(cli.build(TrainConfig, {**values, "plots": False, "fold": fold}) for fold in folds)
        slow = entry.get("slow_images", suite.slow_images)
        id_ = f"{name}-{flags['img_size']}px-seed{seed}".replace(":", "_").replace("/", "_")
        made.append(ModelPlan(id_, trainings, None, slow, finished=finished))
    return made


def _seeds(stated: Sequence[int]) -> list[int]:
    """A seed for each training of an entry: its own where they differ, else its number."""
    return list(stated) if len(set(stated)) == len(stated) else list(range(len(stated)))
