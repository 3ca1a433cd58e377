"""The same phantom patients with the shortcut's token as drawn, without it, and where it should not be."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from benchmark.maps.trained import Trained
from benchmark.training.data import decode, load
from benchmark.training.evaluate import predict, predictions_csv
from config import TrainConfig
from core.errors import BadValueError, DataError
from core.files import key, write_text
from core.registry import options
from core.types import FloatArray

DRAWN, NONE, FLIPPED = "drawn", "none", "flipped"
BATCH = 64


@dataclass(frozen=True)
class Shortcut:
    """How the token of a phantom goes with a finding."""

    finding: str
    present: float
    """Share of the images with the finding that have the token."""
    absent: float
    """Share of the others."""


def shortcut(config: TrainConfig) -> Shortcut:
    """The shortcut of a training's data. Raises ``BadValueError`` for data without one."""
    stated = load(config, "test").describe
    if stated.get("shortcut") is None:
        raise BadValueError(
            f"{config.dataset} has no shortcut: write "
            "phantom:shortcut=Pneumothorax, which the check 'shortcut' is about"
        )
    return Shortcut(stated["shortcut"], stated["shortcut_present"], stated["shortcut_absent"])


def settings(config: TrainConfig) -> dict[str, TrainConfig]:
    """``drawn``: the data as they are; ``none``: no token anywhere; ``flipped``: the two shares of tokens exchanged."""
    stated = shortcut(config)
    shares = {NONE: (0.0, 0.0), FLIPPED: (stated.absent, stated.present)}
    return {DRAWN: config, **{name: _with_tokens(config, *pair) for name, pair in shares.items()}}


def logits(run: Trained, folder: Path) -> tuple[dict[str, FloatArray], FloatArray, list[str]]:
    """(N,K) logits of every test image per setting, (N,K) labels, (N,) patients; kept in ``folder``.

    Raises ``DataError`` where the settings do not show the same patients with the same findings.
    """
    wanted, path = settings(run.config), file(run, folder)
    if not path.exists():
        write_text(path, _predicted(run, wanted))
    table = pd.read_csv(path, dtype={"patient": str, "image": str})
    parts = {name: table[table["split"] == name] for name in wanted}
    findings = run.data.findings
    labels = {name: _columns(part, "label", findings) for name, part in parts.items()}
    patients = {name: part["patient"].tolist() for name, part in parts.items()}
    if any(
        patients[name] != patients[DRAWN] or not np.array_equal(labels[name], labels[DRAWN], equal_nan=True)
        for name in parts
    ):
        raise DataError(
            f"{run.config.dataset}: with other tokens the patients are others too, so nothing can be compared"
        )
    return {name: _columns(part, "logit", findings) for name, part in parts.items()}, labels[DRAWN], patients[DRAWN]


def file(run: Trained, folder: Path) -> Path:
    """Where the logits of a training lie or will lie."""
    return folder / f"tokens-{key([run.digest, [config.dataset for config in settings(run.config).values()]])}.csv"


def _predicted(run: Trained, wanted: dict[str, TrainConfig]) -> str:
    model = run.model("cpu")
    splits = {name: decode(config, load(config, "test")) for name, config in wanted.items()}
    return predictions_csv(splits, {name: predict(model, split, BATCH) for name, split in splits.items()})


def _with_tokens(config: TrainConfig, present: float, absent: float) -> TrainConfig:
    given = {**options(config.dataset), "shortcut_present": present, "shortcut_absent": absent}
    word = ",".join(f"{name}={value}" for name, value in given.items())
    return replace(config, dataset=f"{config.dataset.split(':')[0]}:{word}")


def _columns(table: pd.DataFrame, kind: str, findings: Sequence[str]) -> FloatArray:
    return table[[f"{kind}_{finding}" for finding in findings]].to_numpy(dtype=np.float64)
