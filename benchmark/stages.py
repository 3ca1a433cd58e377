"""What a suite does for one model: train it, explain its held-out images, make the cases of its protocols.

Each stage starts from what the one before left on disk, so a killed run goes on where it stopped.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark import maps as store
from benchmark import training
from benchmark.harvest import harvest
from benchmark.orders import Order, built, order
from benchmark.plan import ModelPlan, folder_name
from benchmark.protocols.base import Case
from benchmark.trained import Trained, drawn
from config import EngineFlags
from core.errors import DataError, LocusError
from core.frames import Alignment, Grid


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


def explain(
    trained: Sequence[Trained], words: Sequence[str], folder: Path, flags: EngineFlags, slow_images: int | None = None
) -> dict[str, store.StoredMaps | LocusError]:
    """The maps of each method as they lie in ``folder``, made where they are missing; the error that says why there are none.

    ``NotAvailableError``: the method has no answer for this model. Another one: it broke, and the next run tries it again.
    Where all are there no model is loaded. Methods that are not fast explain ``slow_images`` of the images (None: all).
    Raises ``DataError`` where no held-out image has a truth box.
    """
    if not drawn(trained, None):
        raise DataError(f"no test image of {trained[0].config.dataset} has a truth box: nothing can be explained and scored")
    orders: list[Order] = []
    found: dict[str, store.StoredMaps | LocusError] = {}
    for word in words:
        try:
            part = built(word)
        except LocusError as error:
            found[word] = error
        else:
            orders.append(order(trained, word, part, folder, slow_images))
    stored = {each.word: store.read(each.array, each.key) for each in orders}
    if missing := [each for each in orders if stored[each.word] is None]:
        found.update(harvest(trained, missing, flags))
    for each in orders:
        if each.word not in found:
            found[each.word] = stored[each.word] or store.read(each.array, each.key) or _lost(each)
    return found


def _lost(each: Order) -> DataError:
    return DataError(f"the maps in {each.array} were replaced by those of another run with other code: run it again when that one is done")


def cases(trained: Sequence[Trained], maps: store.StoredMaps, alignment: str, images: int | None = None) -> list[Case]:
    """Every held-out image with a truth box, or the ``images`` that slow methods explain, x every finding."""
    grid: Grid | Alignment = maps.index.grid if alignment == "aligned" else "conventional"
    return [
        Case(
            image_id=sample.image_id,
            patient_id=sample.patient_id,
            finding=finding,
            map=maps.stored(sample.image_id, finding),
            grid=grid,
            frame=sample.frame,
            boxes=sample.boxes.get(finding, np.zeros((0, 4))),
        )
        for sample in drawn(trained, images)
        for finding in trained[0].data.findings
    ]


def predictions(trained: Sequence[Trained]) -> pd.DataFrame:
    """The held-out predictions of all folds: ``image``, ``patient``, ``boxed``, ``label_F`` and ``logit_F`` per finding F."""
    tables = [pd.read_csv(run.folder / "predictions.csv", dtype={"image": str, "patient": str}) for run in trained]
    table = pd.concat(tables, ignore_index=True)
    return table[table["split"] == "test"]
