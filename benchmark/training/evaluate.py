"""What a finished run says about itself: predictions and metrics of ``best.ckpt``, read back from disk."""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from backbones import Classifier
from benchmark.training.data import Batches, Side, loader
from benchmark.training.metrics import scores
from core.files import write_json, write_text
from datasets import transforms


@torch.inference_mode()
def predict(model: Classifier, side: Side, batch_size: int) -> Tensor:
    """(n,K) float32 logits of every image of ``side``, on the model's device, in evaluation mode and full precision."""
    model.eval()
    place, prepare = next(model.parameters()).device, transforms.evaluation()
    parts = [model(prepare(pixels.to(place))).float().cpu() for pixels, _ in loader(side, Batches(len(side), batch_size))]
    return torch.cat(parts)


def write(folder: Path, sides: Mapping[str, Side], logits: Mapping[str, Tensor], exclusive: bool, facts: dict[str, Any]) -> None:
    """Write ``predictions.csv``, then ``metrics.json``, whose presence means that the run is done; ``facts`` go into it."""
    write_text(folder / "predictions.csv", predictions(sides, logits))
    found = {split: scores(logits[split], side.labels, side.findings, exclusive) for split, side in sides.items()}
    data = {split: side.describe for split, side in sides.items()}
    write_json(folder / "metrics.json", undefined_as_none({**facts, **found, "data": data}))


def predictions(sides: Mapping[str, Side], logits: Mapping[str, Tensor]) -> str:
    """CSV: split, image, patient, boxed, then logit and label of each finding (empty where unknown)."""
    findings = next(iter(sides.values())).findings
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["split", "image", "patient", "boxed", *(f"logit_{f}" for f in findings), *(f"label_{f}" for f in findings)])
    for split, side in sides.items():
        for (image, patient, boxed), values, labels in zip(side.ids, logits[split].numpy(), side.labels.numpy(), strict=True):
            writer.writerow([split, image, patient, int(boxed), *map(_number, values), *map(_number, labels)])
    return text.getvalue()


def _number(value: np.floating[Any]) -> str:
    return "" if np.isnan(value) else f"{value:.7g}"


def undefined_as_none(value: Any) -> Any:
    """The same with None for nan, which JSON lacks."""
    if isinstance(value, dict):
        return {name: undefined_as_none(item) for name, item in value.items()}
    return None if isinstance(value, float) and math.isnan(value) else value
