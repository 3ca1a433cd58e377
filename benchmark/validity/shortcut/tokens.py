"""Variants of the same phantom patients: tokens as drawn, no tokens, tokens on images without the finding.

A token is a small mark in a corner of the image, correlated with one finding: see ``datasets.phantom``.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.maps.trained import TrainingRun
from benchmark.training.data import decode
from benchmark.training.evaluate import predict, predictions_csv
from benchmark.training.listing import load_split
from config import TrainConfig
from core.errors import BadValueError, DataError
from core.files import json_hash, write_text
from core.registry import options
from core.types import FloatArray

DRAWN, NONE, FLIPPED = "drawn", "none", "flipped"
BATCH = 64


def token_rates(config: TrainConfig) -> tuple[str, float, float]:
    """Return the shortcut's finding and the shares of images with the token, among those with and without the finding.

    Raises ``BadValueError`` for data without one.
    """
    description = load_split(config, "test").describe
    if description.get("shortcut") is None:
        advice = "the check 'shortcut' requires one, such as phantom:shortcut=Pneumothorax"
        raise BadValueError(f"{config.dataset} has no shortcut: {advice}")
    return description["shortcut"], description["shortcut_present"], description["shortcut_absent"]


def configs_by_variant(config: TrainConfig) -> dict[str, TrainConfig]:
    """Return variant -> configuration: ``drawn`` (unchanged), ``none`` (no tokens), ``flipped`` (shares exchanged).

    Patients and findings are the same in all three, so that changes are paired.
    """
    _, present, absent = token_rates(config)
    shares = {NONE: (0.0, 0.0), FLIPPED: (absent, present)}
    return {DRAWN: config, **{name: _with_tokens(config, *pair) for name, pair in shares.items()}}


def load_or_predict_logits(run: TrainingRun, folder: Path) -> tuple[dict[str, FloatArray], FloatArray, list[str]]:
    """Return variant -> logits (N,K) of all test images, labels (N,K) and patients (N,); cached in ``folder``.

    Raises ``DataError`` if the variants differ in patients or labels.
    """
    configs, path = configs_by_variant(run.config), logits_path(run, folder)
    if not path.exists():
        write_text(path, _predicted(run, configs))
    table = pd.read_csv(path, dtype={"patient": str, "image": str})
    parts = {name: table[table["split"] == name] for name in configs}
    findings = run.data.findings
    labels = {name: _columns(part, "label", findings) for name, part in parts.items()}
    patients = {name: part["patient"].tolist() for name, part in parts.items()}
    if any(
        patients[name] != patients[DRAWN] or not np.array_equal(labels[name], labels[DRAWN], equal_nan=True)
        for name in parts
    ):
        raise DataError(f"{run.config.dataset}: patients or labels depend on the tokens, so AUROCs are not comparable")
    return {name: _columns(part, "logit", findings) for name, part in parts.items()}, labels[DRAWN], patients[DRAWN]


def logits_path(run: TrainingRun, folder: Path) -> Path:
    """Return the file of a training run's logits."""
    datasets = [config.dataset for config in configs_by_variant(run.config).values()]
    return folder / f"tokens-{json_hash([run.digest, datasets])}.csv"


def _predicted(run: TrainingRun, configs: dict[str, TrainConfig]) -> str:
    model = run.model("cpu")
    splits = {name: decode(config, load_split(config, "test")).complete() for name, config in configs.items()}
    return predictions_csv(splits, {name: predict(model, split, BATCH) for name, split in splits.items()})


def _with_tokens(config: TrainConfig, token_rate_positive: float, token_rate_negative: float) -> TrainConfig:
    given = {**options(config.dataset), "shortcut_present": token_rate_positive, "shortcut_absent": token_rate_negative}
    word = ",".join(f"{name}={value}" for name, value in given.items())
    return replace(config, dataset=f"{config.dataset.split(':')[0]}:{word}")


def _columns(table: pd.DataFrame, kind: str, findings: Sequence[str]) -> FloatArray:
    return table[[f"{kind}_{finding}" for finding in findings]].to_numpy(dtype=np.float64)
