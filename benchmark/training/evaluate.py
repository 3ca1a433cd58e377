"""Evaluates a finished run: predictions, metrics and plots of ``best.ckpt``, read back from disk."""

import csv
import io
import logging
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from backbones import Classifier
from benchmark.training import checkpoints, devices, plots
from benchmark.training.data import Batches, SplitImages, loader
from benchmark.training.metrics.assess import assess
from benchmark.training.metrics.predictions import Predictions
from benchmark.training.module import layout
from config import TrainConfig
from core.files import write_json, write_text
from datasets.io import transforms

log = logging.getLogger(__name__)
Splits = Mapping[str, SplitImages]
Logits = Mapping[str, Tensor]
HELD_OUT = ("val", "test")
MADE_BY = ("dataset", "partition", "folds", "fold", "data_seed", "train_on", "seed")
"""Flags that metrics.json repeats: whose numbers these are."""


def evaluate(folder: Path, config: TrainConfig, splits: Splits, facts: dict[str, Any], trust: bool = False) -> None:
    """Evaluate the run in ``folder`` on its held-out ``splits``, write the results; ``facts`` go into metrics.json.

    ``trust``: see ``checkpoints.load``.
    """
    model, _ = checkpoints.load(folder / "best.ckpt", devices.device(config, devices.gpus()), trust)
    model.to(memory_format=layout(config.channels_last))
    held_out = {name: splits[name] for name in HELD_OUT}
    logits = {name: predict(model, split, config.batch) for name, split in held_out.items()}
    write(folder, held_out, logits, config, facts)


@torch.inference_mode()
def predict(model: Classifier, split: SplitImages, batch_size: int) -> Tensor:
    """(n,K) float32 logits of the images of ``split``, on the model's device, in evaluation mode and full precision.

    The returned tensor is on the CPU, in the order of the split.
    """
    model.eval()
    device, normalise = next(model.parameters()).device, transforms.evaluation()
    log.info("predicting %d images", len(split))
    batches = loader(split, Batches(len(split), batch_size))
    bar = tqdm(batches, desc="predict", unit="batch", leave=False, disable=None)
    return torch.cat([model(normalise(pixels.to(device))).float().cpu() for pixels, _ in bar])


def write(folder: Path, splits: Splits, logits: Logits, config: TrainConfig, facts: dict[str, Any]) -> None:
    """Write ``predictions.csv``, the pictures, then ``metrics.json``, whose presence means that the run is done.

    Raises ``WriteError`` when the disk refuses; a run that was cut off here is evaluated again.
    """
    write_text(folder / "predictions.csv", predictions_csv(splits, logits))
    exclusive = config.exclusive(len(splits["test"].findings))
    val, test = (_predictions(splits[name], logits[name], exclusive) for name in HELD_OUT)
    metrics = assess(val, test, config.threshold_choice)
    if all(splits[name].studies for name in HELD_OUT):
        val_studies, test_studies = val.by_study(splits["val"].studies), test.by_study(splits["test"].studies)
        metrics["study"] = assess(val_studies, test_studies, config.threshold_choice)
    if config.plots:
        plots.draw(folder, test, metrics)
    data = {name: split.description for name, split in splits.items()}
    made = {name: getattr(config, name) for name in MADE_BY}
    write_json(folder / "metrics.json", undefined_as_none({"flags": made, **facts, **metrics, "data": data}))


def _predictions(split: SplitImages, logits: Tensor, exclusive: bool) -> Predictions:
    patients = [patient for _, patient, _ in split.ids]
    return Predictions(split.findings, logits.double(), split.labels, patients, exclusive)


def predictions_csv(splits: Splits, logits: Logits) -> str:
    """A row per image: split, image, patient, boxed, logit and label of each finding, the study where there is one.

    An unknown label is empty.
    """
    findings, studies = next(iter(splits.values())).findings, all(split.studies for split in splits.values())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ["split", "image", "patient", "boxed", *(f"logit_{f}" for f in findings), *(f"label_{f}" for f in findings)]
    writer.writerow([*names, *(["study"] if studies else [])])
    for name, split in splits.items():
        rows = zip(split.ids, logits[name].numpy(), split.labels.numpy(), strict=True)
        for number, ((image, patient, boxed), values, labels) in enumerate(rows):
            last = [split.studies[number]] if studies else []
            writer.writerow([name, image, patient, int(boxed), *map(_number, values), *map(_number, labels), *last])
    return text.getvalue()


def _number(value: np.floating[Any]) -> str:
    return "" if np.isnan(value) else f"{value:.9g}"


def undefined_as_none(value: Any) -> Any:
    """The same with None for nan, which JSON lacks.

    >>> undefined_as_none({"auroc": math.nan, "n": 3})
    {'auroc': None, 'n': 3}
    """
    if isinstance(value, dict):
        return {name: undefined_as_none(item) for name, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
