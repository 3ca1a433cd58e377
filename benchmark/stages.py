"""What a suite does for one model: train it, explain its held-out images, score the stored maps cell by cell.

Each stage starts from what the one before left on disk, so a killed run goes on where it stopped.
"""

import hashlib
import inspect
import json
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark import maps as store
from benchmark import training
from benchmark.baselines import BASELINES
from benchmark.explain import named
from benchmark.harvest import Trained, harvest
from benchmark.plan import ModelPlan, folder_name
from benchmark.protocols.base import Case
from core.errors import DataError
from core.files import key
from core.frames import Alignment, Grid

log = logging.getLogger(__name__)


def train(model: ModelPlan, runs: Path) -> list[Trained]:
    """Every training of ``model`` below ``runs``; finished ones are taken as they are, killed ones go on."""
    if model.init is not None:
        start = training.fit(model.init, runs / folder_name(model.init, None))
        trainings = [replace(config, init_from=str(start / "best.ckpt")) for config in model.trainings]
    else:
        trainings = list(model.trainings)
    folders = [runs / folder_name(config, model.init) for config in trainings]
    trained = [Trained(config, training.fit(config, folder)) for config, folder in zip(trainings, folders, strict=True)]
    for run in trained:
        _check_data(run)
    return trained


def _check_data(run: Trained) -> None:
    """Raise ``DataError`` when a finished run saw other data than those at hand."""
    seen = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))["data"]["test"]
    other = [name for name, value in run.data.describe.items() if seen.get(name) != value]
    if other:
        raise DataError(f"{run.folder} was trained on other data ({', '.join(other)} differ): remove the folder to train anew")


def explain(trained: Sequence[Trained], words: Sequence[str], folder: Path) -> dict[str, store.StoredMaps | str]:
    """The stored maps of each method, made where they are missing; a sentence where a method has no answer."""
    keys = {word: _map_key(trained, word) for word in words}
    found: dict[str, store.StoredMaps | str] = {}
    for word in words:
        stored = store.read(_map_file(folder, word), keys[word])
        if stored is not None:
            found[word] = stored
    missing = [word for word in words if word not in found]
    if missing:
        log.info("explaining %d images with %s", sum(len(run.cases) for run in trained), ", ".join(missing))
        for word, maps in harvest(trained, missing).items():
            found[word] = maps
            if isinstance(maps, store.StoredMaps):
                store.write(_map_file(folder, word), keys[word], maps)
    return found


def cases(trained: Sequence[Trained], maps: store.StoredMaps, alignment: str) -> list[Case]:
    """Every held-out image with a truth box x every finding, in the order of the maps."""
    findings = trained[0].data.findings
    samples = [sample for run in trained for sample in run.cases]
    grid: Grid | Alignment = maps.grid if alignment == "aligned" else "conventional"
    return [
        Case(
            image_id=sample.image_id,
            patient_id=sample.patient_id,
            finding=finding,
            map=maps.map(n, k),
            grid=grid,
            frame=sample.frame,
            boxes=sample.boxes.get(finding, np.zeros((0, 4))),
        )
        for n, sample in enumerate(samples)
        for k, finding in enumerate(findings)
    ]


def predictions(trained: Sequence[Trained]) -> pd.DataFrame:
    """The held-out predictions of all folds: ``image``, ``patient``, ``boxed``, ``label_F`` and ``logit_F`` per finding F."""
    tables = [pd.read_csv(run.folder / "predictions.csv", dtype={"image": str, "patient": str}) for run in trained]
    table = pd.concat(tables, ignore_index=True)
    return table[table["split"] == "test"]


def _map_file(folder: Path, word: str) -> Path:
    return folder / f"{word.replace(':', '_').replace('/', '_')}.npz"


def _map_key(trained: Sequence[Trained], word: str) -> str:
    """What the maps depend on: weights, images and their size, the method, its options and its code."""
    images = [[sample.image_id for sample in run.cases] for run in trained]
    part = BASELINES[word] if word in BASELINES else type(named(word)[1])
    code = hashlib.sha256(inspect.getsource(part).encode()).hexdigest()
    return key([[run.digest for run in trained], images, trained[0].config.img_size, word, code])
