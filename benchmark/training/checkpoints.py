"""Checkpoints: weights with all that rebuilds the very same model, written whole or not at all, read as plain data only."""

import dataclasses
import logging
import pickle
import struct
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch

import backbones
from backbones import Classifier
from config import TrainConfig
from core.cli import build
from core.errors import DataError, examples
from core.files import writing

log = logging.getLogger(__name__)
PREFIX = "model."
"""What Lightning puts before the classifier's own names."""
_BROKEN = (
    *(pickle.UnpicklingError, struct.error, EOFError, LookupError, ValueError, TypeError, AttributeError, AssertionError),
    *(ArithmeticError, OSError, RuntimeError, MemoryError),
)
"""What reading bytes that are no checkpoint ends in."""


def save(trainer: lightning.Trainer, path: Path, weights_only: bool) -> None:
    """Write the run's state (``weights_only``: without the optimizer's) to ``path`` at once; all processes call this.

    Raises ``DataError`` when the disk refuses; an older file at ``path`` stays as it was.
    """
    temporary = path.with_name(f".{path.name}.part")
    with writing(path):
        try:
            trainer.save_checkpoint(temporary, weights_only=weights_only)
            if trainer.is_global_zero:
                temporary.replace(path)
        finally:
            if trainer.is_global_zero:
                temporary.unlink(missing_ok=True)


def stamp(config: TrainConfig, model: Classifier, findings: tuple[str, ...]) -> dict[str, Any]:
    """What a checkpoint says about itself, JSON-able: configuration, the arguments of ``backbones.build``, findings."""
    return {"config": plain(config), "model": model.config, "findings": list(findings)}


def plain(config: TrainConfig) -> dict[str, Any]:
    """The flags as values that JSON and YAML know."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(config).items()}


def read(path: Path | str) -> dict[str, Any]:
    """The content of a checkpoint, or of a run folder's ``best.ckpt``, on the CPU.

    Raises ``DataError`` when it is absent, broken or holds more than data.
    """
    path = Path(path)
    path = path / "best.ckpt" if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"no checkpoint {str(path)!r}: give a best.ckpt or last.ckpt of a run, or the run's folder")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except PermissionError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; change its permissions or choose another checkpoint") from error
    except _BROKEN as error:
        reason = "it holds more than data" if "Unsupported global" in str(error) else "truncated, or no checkpoint at all"
        raise DataError(f"{path} is no checkpoint that can be read ({reason}); choose another or train again") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, not a checkpoint")
    return content


def load(path: Path | str, device: str = "cpu") -> tuple[Classifier, TrainConfig]:
    """The classifier of a checkpoint, in evaluation mode on ``device``, and the configuration it was trained with.

    Raises ``DataError`` when the file is no checkpoint of a run or its weights do not fit its own description.
    """
    content = read(path)
    model = backbones.build(**_locus(content, path)["model"])
    fill(model, weights(content), path)
    return model.to(device).eval(), configuration(content, path)


def configuration(content: dict[str, Any], path: Path | str) -> TrainConfig:
    """The flags that a checkpoint was trained with; those that no longer exist are left out."""
    known = {field.name for field in dataclasses.fields(TrainConfig)}
    return build(TrainConfig, {name: value for name, value in _locus(content, path)["config"].items() if name in known})


def findings(path: Path | str) -> tuple[str, ...]:
    """What the classifier of a checkpoint looks for, in the order of its logits."""
    return tuple(_locus(read(path), path)["findings"])


def weights(content: dict[str, Any]) -> dict[str, torch.Tensor]:
    """The classifier's own weights, by its own names; a plain state dict of another tool is taken as it is."""
    state = content.get("state_dict", content)
    ours = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    return ours or {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def fill(model: Classifier, state: dict[str, torch.Tensor], path: Path | str) -> None:
    """Give ``model`` exactly these weights. Raises ``DataError`` when they belong to another architecture."""
    own = model.state_dict()
    wrong = [name for name in own if name not in state or own[name].shape != state[name].shape]
    wrong += [name for name in state if name not in own]
    if wrong:
        raise DataError(f"{path} belongs to another architecture than {described(model)}: {len(wrong)} weights differ ({examples(wrong)})")
    model.load_state_dict(state)


def start_from(model: Classifier, path: Path | str) -> None:
    """Start ``model`` from the weights of a checkpoint with the same or another head; logs what was taken over.

    Raises ``DataError`` when the features do not fit: a start that takes nothing would be silent.
    """
    state, own = weights(read(path)), model.state_dict()
    taken = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    left = [name for name in own if name not in taken]
    if foreign := [name for name in left if not name.startswith("head.")]:
        raise DataError(f"--init_from {path} belongs to another architecture than {described(model)}: it lacks {examples(foreign)}")
    model.load_state_dict(taken, strict=False)
    log.info("--init_from %s: %d of %d weights taken over%s", path, len(taken), len(own), f", new: {examples(left)}" if left else "")


def described(model: Classifier) -> str:
    """A model in a few words, for error sentences."""
    config = model.config or {}
    return f"{config.get('name')} with {config.get('global_pool')} and {config.get('num_classes')} findings"


def _locus(content: dict[str, Any], path: Path | str) -> dict[str, Any]:
    stamped = content.get("locus")
    if not isinstance(stamped, dict) or not {"config", "model", "findings"} <= stamped.keys():
        raise DataError(f"{path} was not written by main.py: it does not say which network it belongs to")
    return stamped
