"""Checkpoints: weights with all that rebuilds the very same model, written whole or not at all, read as plain data only."""

import argparse
import dataclasses
import logging
import pickle
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import safetensors.torch
import torch

import backbones
from backbones import Classifier
from backbones.published import translate
from config import TrainConfig
from core.cli import build
from core.errors import DataError, examples
from core.files import writing

log = logging.getLogger(__name__)
PREFIX = "model."
"""What Lightning puts before the classifier's own names."""
OWN, HEAD = "extractor.", "head."
"""How names of our extractors and heads begin."""
_BROKEN = (
    *(pickle.UnpicklingError, struct.error, EOFError, LookupError, ValueError, TypeError, AttributeError, AssertionError),
    *(ArithmeticError, OSError, RuntimeError, MemoryError),
)
"""What reading bytes that are no checkpoint ends in."""
_SCALAR = np._core.multiarray.scalar  # type: ignore[attr-defined]
PLAIN: list[Any] = [
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(np.dtype, *(type(np.dtype(word)) for word in ("float64", "float32", "int64", "int32", "bool")), argparse.Namespace),
]
"""What other tools' files hold beside weights (a score as a number of numpy's, the flags of a command line): data, no code."""
BOXES = ("state_dict", "model_state_dict", "model")
"""What tools call the weights within a file that holds more than them."""


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
        content = _content(path)
    except PermissionError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; change its permissions or choose another checkpoint") from error
    except _BROKEN as error:
        raise DataError(f"{path} is no checkpoint that can be read ({_reason(path, error)}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, not a checkpoint")
    return content


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    with torch.serialization.safe_globals(PLAIN):
        return torch.load(path, map_location="cpu", weights_only=True)


def _reason(path: Path, error: Exception) -> str:
    """Why a file cannot be read, and what to do."""
    if found := re.search(r"Unsupported global: GLOBAL (\S+)", str(error)):
        return (
            f"it holds more than data), it would run {found[1]}: if it is a whole network of a project that you trust, write its "
            "weights there with torch.save(network.state_dict(), 'weights.pth') and give that file"
        )
    if path.read_bytes()[:4] == b"\x89HDF":
        return "it is a file of Keras, HDF5); choose one of PyTorch's"
    return "truncated, or no checkpoint at all); choose another or train again"


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
    state = next((content[box] for box in BOXES if isinstance(content.get(box), dict)), content)
    if any(name.startswith(PREFIX + OWN) for name in state):
        state = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    return {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}


def fill(model: Classifier, state: dict[str, torch.Tensor], path: Path | str) -> None:
    """Give ``model`` exactly these weights. Raises ``DataError`` when they belong to another architecture."""
    own = model.state_dict()
    if told := _differences(_unlike(own, state), [name for name in state if name not in own], len(own)):
        raise DataError(f"{path} belongs to another architecture than {described(model)}: {told}")
    model.load_state_dict(state)


def adopt(model: Classifier, path: Path | str) -> None:
    """Give ``model`` exactly the weights of another project's file; logs what of it takes no part in the logits.

    Raises ``DataError`` with the numbers of missing and unexpected weights when they are not those of this very network.
    """
    found, own = translate(weights(read(path)), model), model.state_dict()
    if told := _differences(_unlike(own, found.state), [*found.heads, *found.unexpected], len(own)):
        wide = "; its head is not one linear layer over pooled maps: only --init_from can use this file" if found.heads else ""
        raise DataError(f"{path} belongs to another architecture than {described(model)}: {told}{wide}")
    model.load_state_dict(found.state)
    log.info("%s: %d weights taken over%s", path, len(own), f", without use for the logits: {examples(found.idle)}" if found.idle else "")


def start_from(model: Classifier, path: Path | str) -> None:
    """Start ``model`` from the weights of a file, ours or another project's, with the same or another head; logs what was taken over.

    Raises ``DataError`` with the numbers of missing and unexpected weights when the features do not fit: a start that
    takes a part would be silent.
    """
    state, own = weights(read(path)), model.state_dict()
    unexpected = [name for name in state if name not in own and not name.startswith(HEAD)]
    if not any(name.startswith(OWN) for name in state):
        state, _, _, unexpected = translate(state, model)
    missing = [name for name in _unlike(own, state) if not name.startswith(HEAD)]
    if told := _differences(missing, unexpected, len(own)):
        raise DataError(f"--init_from {path} belongs to another architecture than {described(model)}: {told}")
    left = _unlike(own, state)
    model.load_state_dict({name: value for name, value in state.items() if name in own and name not in left}, strict=False)
    log.info(
        "--init_from %s: %d of %d weights taken over%s", path, len(own) - len(left), len(own), f", new: {examples(left)}" if left else ""
    )


def _unlike(own: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> list[str]:
    """The names that ``state`` lacks or has with another shape."""
    return [name for name, value in own.items() if name not in state or state[name].shape != value.shape]


def _differences(missing: Sequence[str], unexpected: Sequence[str], count: int) -> str:
    """What keeps weights from fitting, counted; empty where nothing does."""
    told = []
    if missing:
        told.append(f"{len(missing)} of {count} weights are missing or of another shape ({examples(missing)})")
    if unexpected:
        told.append(f"{len(unexpected)} are unexpected ({examples(unexpected)})")
    return " and ".join(told)


def described(model: Classifier) -> str:
    """A model in a few words, for error sentences."""
    config = model.config or {}
    return f"{config.get('name')} with {config.get('global_pool')} and {config.get('num_classes')} findings"


def _locus(content: dict[str, Any], path: Path | str) -> dict[str, Any]:
    stamped = content.get("locus")
    if not isinstance(stamped, dict) or not {"config", "model", "findings"} <= stamped.keys():
        raise DataError(f"{path} was not written by main.py: it does not say which network it belongs to")
    return stamped
