"""What a finished run says about itself: predictions, metrics and pictures of ``best.ckpt``, read back from disk."""

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
from benchmark.training.data import Batches, Side, loader
from benchmark.training.metrics.answers import Answers
from benchmark.training.metrics.assess import assess
from benchmark.training.module import layout
from config import TrainConfig
from core.files import write_json, write_text
from datasets.io import transforms

log = logging.getLogger(__name__)
HELD_OUT = ("val", "test")
MADE_BY = ("dataset", "partition", "folds", "fold", "data_seed", "train_on", "seed")
"""Flags that metrics.json repeats: whose numbers these are."""


def evaluate(folder: Path, config: TrainConfig, sides: Mapping[str, Side], facts: dict[str, Any]) -> None:
    """Evaluate the run in ``folder`` on its held-out ``sides`` and write what it says about itself.

    ``facts`` go into metrics.json.
    """
    model, _ = checkpoints.load(folder / "best.ckpt", devices.device(config, devices.gpus()))
    model.to(memory_format=layout(config))
    held_out = {split: sides[split] for split in HELD_OUT}
    write(
        folder, held_out, {split: predict(model, side, config.batch) for split, side in held_out.items()}, config, facts
    )


@torch.inference_mode()
def predict(model: Classifier, side: Side, batch_size: int) -> Tensor:
    """(n,K) float32 logits of every image of ``side``, on the model's device, in evaluation mode and full precision."""
    model.eval()
    place, prepare = next(model.parameters()).device, transforms.evaluation()
    log.info("predicting %d images", len(side))
    batches = loader(side, Batches(len(side), batch_size))
    bar = tqdm(batches, desc="predict", unit="batch", leave=False, disable=None)
    parts = [model(prepare(pixels.to(place))).float().cpu() for pixels, _ in bar]
    return torch.cat(parts)


def write(
    folder: Path, sides: Mapping[str, Side], logits: Mapping[str, Tensor], config: TrainConfig, facts: dict[str, Any]
) -> None:
    """Write ``predictions.csv``, the pictures, then ``metrics.json``, whose presence means that the run is done."""
    write_text(folder / "predictions.csv", predictions(sides, logits))
    exclusive = config.exclusive(len(sides["test"].findings))
    val, test = (answers(sides[split], logits[split], exclusive) for split in HELD_OUT)
    found = assess(val, test, config.threshold_choice)
    if all(sides[split].studies for split in HELD_OUT):
        found["study"] = assess(
            val.by_study(sides["val"].studies), test.by_study(sides["test"].studies), config.threshold_choice
        )
    if config.plots:
        plots.draw(folder, test, found)
    data = {split: side.describe for split, side in sides.items()}
    made = {name: getattr(config, name) for name in MADE_BY}
    write_json(folder / "metrics.json", undefined_as_none({"flags": made, **facts, **found, "data": data}))


def answers(side: Side, logits: Tensor, exclusive: bool) -> Answers:
    """What was said about the images of ``side``."""
    return Answers(side.findings, logits.double(), side.labels, [patient for _, patient, _ in side.ids], exclusive)


def predictions(sides: Mapping[str, Side], logits: Mapping[str, Tensor]) -> str:
    """CSV: split, image, patient, boxed, then logit and label of each finding (empty where unknown), and the study where there is one."""
    findings, studies = next(iter(sides.values())).findings, all(side.studies for side in sides.values())
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = ["split", "image", "patient", "boxed", *(f"logit_{f}" for f in findings), *(f"label_{f}" for f in findings)]
    writer.writerow([*names, *(["study"] if studies else [])])
    for split, side in sides.items():
        rows = zip(side.ids, logits[split].numpy(), side.labels.numpy(), strict=True)
        for number, ((image, patient, boxed), values, labels) in enumerate(rows):
            last = [side.studies[number]] if studies else []
            writer.writerow([split, image, patient, int(boxed), *map(_number, values), *map(_number, labels), *last])
    return text.getvalue()


def _number(value: np.floating[Any]) -> str:
    return "" if np.isnan(value) else f"{value:.9g}"


def undefined_as_none(value: Any) -> Any:
    """The same with None for nan, which JSON lacks."""
    if isinstance(value, dict):
        return {name: undefined_as_none(item) for name, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
