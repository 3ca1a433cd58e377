"""What a suite does for one model: train it, explain its held-out images, make the cases of its protocols.

Each stage starts from what the one before left on disk, so a killed run goes on where it stopped.
"""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

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
from core.types import Sample
from datasets.lungs import outlined


def train(model: ModelPlan, runs: Path) -> list[Trained]:
    """Every training of ``model`` below ``runs``; finished ones are taken as they are, killed ones go on.

    Raises ``DataError`` for a finished one that saw other data than those at hand.
    """
    if model.init is not None:
        start = training.fit(model.init, runs / folder_name(model.init, None))
        trainings = [replace(config, init_from=str(start / "best.ckpt")) for config in model.trainings]
    else:
        trainings = list(model.trainings)
    folders = [runs / folder_name(config, model.init) for config in trainings]
    trained = [Trained(config, training.fit(config, folder)) for config, folder in zip(trainings, folders, strict=True)]
    for run in trained:
        seen = json.loads((run.folder / "metrics.json").read_text(encoding="utf-8"))["data"]["test"]
        if other := run.unlike(seen):
            raise DataError(f"{run.folder} was trained on other data ({', '.join(other)} differ): remove the folder to train anew")
    return [replace(run, other=model.elsewhere) for run in trained]


Found = dict[str, store.StoredMaps | LocusError]
"""Word -> the maps of a method as they lie on disk, or the error that says why there are none.

``NotAvailableError``: the method has no answer for this model. Another one: it broke, and the next run tries it again.
"""


class NoMapsError(DataError):
    """Maps are not on disk, and none are to be made."""


def explain(
    trained: Sequence[Trained], words: Sequence[str], folder: Path, flags: EngineFlags | None, slow_images: int | None = None
) -> Found:
    """The maps of each method as they lie in ``folder``, made where they are missing; without ``flags`` a ``NoMapsError`` instead.

    Where all are there no model is loaded. Methods that are not fast explain ``slow_images`` of the images (None: all).
    Raises ``DataError`` where no held-out image has a truth box.
    """
    if not drawn(trained, None):
        raise DataError(f"no test image of {trained[0].config.dataset} has a truth box: nothing can be explained and scored")
    orders, found = ordered(trained, words, folder, slow_images)
    return found | _made(orders, flags)


def validation(trained: Sequence[Trained], words: Sequence[str], folder: Path, flags: EngineFlags | None) -> tuple[list[Trained], Found]:
    """The trainings with their validation images, and the maps there of the methods that are fast: thresholds are chosen on them.

    No maps where no validation image has a truth box, as in the official NIH lists, and on another data set than the trainings' own.
    """
    if any(run.other is not None for run in trained):
        return [], {}
    held = [replace(run, split="val") for run in trained]
    if not any(sample.boxes for sample in drawn(held, None)):
        return held, {}
    orders, _ = ordered(held, words, folder, None)
    return held, _made([each for each in orders if each.fast], flags)


def ordered(trained: Sequence[Trained], words: Sequence[str], folder: Path, slow_images: int | None) -> tuple[list[Order], Found]:
    """What each method owes, and the errors of those that cannot be built."""
    orders: list[Order] = []
    broken: Found = {}
    for word in words:
        try:
            orders.append(order(trained, word, built(word), folder, slow_images))
        except LocusError as error:
            broken[word] = error
    return orders, broken


def _made(orders: Sequence[Order], flags: EngineFlags | None) -> Found:
    stored = {each.word: store.read(each.array, each.key) for each in orders}
    missing = [each for each in orders if stored[each.word] is None]
    if flags is None:
        return {each.word: stored[each.word] or _absent(each) for each in orders}
    broken = harvest(missing, flags) if missing else {}
    return {each.word: broken.get(each.word) or stored[each.word] or store.read(each.array, each.key) or _lost(each) for each in orders}


def _absent(each: Order) -> NoMapsError:
    return NoMapsError(f"no maps in {each.array.parent} that today's code would make of these weights and images")


def _lost(each: Order) -> DataError:
    return DataError(f"the maps in {each.array} were replaced by those of another run with other code: run it again when that one is done")


def cases(trained: Sequence[Trained], maps: store.StoredMaps, alignment: str, images: int | None = None) -> list[Case]:
    """Every image of the trainings' ``cases``, or the ``images`` that slow methods explain, x every finding.

    The lungs are there for the findings that the image shows: what lights up for one that it does not is no explanation.
    """
    grid: Grid | Alignment = maps.index.grid if alignment == "aligned" else "conventional"
    number = {sample.image_id: n for n, run in enumerate(trained) for sample in run.cases}
    return [
        Case(
            image_id=sample.image_id,
            patient_id=sample.patient_id,
            finding=finding,
            map=maps.stored(sample.image_id, finding),
            grid=grid,
            frame=sample.frame,
            boxes=sample.boxes.get(finding, np.zeros((0, 4))),
            read_mask=None if sample.read_masks is None else partial(_mask, sample, finding),
            read_lungs=outlined(sample) if label == 1 else None,
            training=number[sample.image_id],
        )
        for sample in drawn(trained, images)
        for finding, label in zip(trained[0].data.findings, sample.labels.tolist(), strict=True)
    ]


def _mask(sample: Sample, finding: str) -> NDArray[np.bool_]:
    """(H,W) the truth mask of one finding; empty where the image does not show it."""
    found = sample.masks.get(finding)
    return np.zeros(sample.frame, dtype=bool) if found is None else found


def predictions(trained: Sequence[Trained]) -> pd.DataFrame:
    """The predictions of all trainings: ``image``, ``patient``, ``split``, ``boxed``, ``label_F`` and ``logit_F`` per finding F.

    ``training`` counts the trainings: with k folds an image is held out by one of them and may be a validation image of another.
    """
    tables = [pd.read_csv(run.folder / "predictions.csv", dtype={"image": str, "patient": str}) for run in trained]
    return pd.concat([table.assign(training=n) for n, table in enumerate(tables)], ignore_index=True)
