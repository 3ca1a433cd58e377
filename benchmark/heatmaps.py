"""Heat maps of single images: which images, which findings, and the pictures, boxes and raw maps that come out."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from backbones import Classifier
from benchmark import training
from benchmark.explain import gather, named, one
from benchmark.localize import boxes, peak_first, to_frame
from benchmark.report.figures import Picture, save
from benchmark.training import checkpoints
from config import HeatmapConfig, TrainConfig
from core.boxes import iou
from core.errors import DataError, UnknownNameError, examples
from core.files import atomic, write_json
from core.frames import Alignment, Grid, resize_image
from core.types import FloatArray, Sample
from datasets import images as decoding
from datasets import transforms
from methods.base import Evidence, Method

log = logging.getLogger(__name__)

IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")


@dataclass(frozen=True)
class Explained:
    """Where the results lie and how many images were left out as unreadable."""

    folder: Path
    pictures: tuple[Path, ...]
    checkpoint: Path


def run(config: HeatmapConfig) -> Explained:
    """Explain the images that ``config`` asks for; everything is written below ``config.output_dir``.

    Raises ``LocusError``: no finished run, an unknown finding or method, more unreadable images than allowed.
    """
    parts = dict(named(word) for word in config.method)
    checkpoint = Path(config.checkpoint) if config.checkpoint else newest(Path(config.runs))
    model, recipe = checkpoints.load(checkpoint)
    findings = training.findings(recipe)
    wanted = _check_findings(config.findings, findings)
    folder = Path(config.output_dir)
    pictures, rows = [], []
    for sample in _samples(config, recipe):
        evidence = _evidence(model, sample, recipe)
        for k in _which(sample, wanted, evidence, findings, known=config.image is None):
            for method in parts.values():
                picture, row = _explain(config, sample, evidence, findings[k], k, method)
                pictures.append(folder / f"{Path(sample.image_id).stem}_{findings[k]}_{method.name}.png")
                save(picture, pictures[-1])
                rows.append(row)
                if config.save_raw:
                    _save_raw(pictures[-1].with_suffix(".npy"), evidence, method, k)
    write_json(folder / "boxes.json", {"checkpoint": str(checkpoint), "recipe": checkpoints.stated(recipe), "cases": rows})
    return Explained(folder, tuple(pictures), checkpoint)
