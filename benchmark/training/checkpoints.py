"""Checkpoints: weights and everything needed to rebuild the model, written atomically, read as data only."""

import argparse
import dataclasses
import hashlib
import pickle
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from backbones import Classifier, build_from_config, torch_files
from benchmark.training import load_weights, runs
from config import TrainConfig
from core.cli import build
from core.errors import DataError, one_line
from core.files import key, writing

if TYPE_CHECKING:
    import lightning.pytorch as lightning

_BROKEN = (
    *(pickle.UnpicklingError, struct.error, EOFError, LookupError, ValueError, TypeError, AttributeError),
    *(AssertionError, ArithmeticError, OSError, RuntimeError, MemoryError, safetensors.SafetensorError),
)
"""Exceptions that libraries raise for broken files."""
_SCALAR = np._core.multiarray.scalar  # type: ignore[attr-defined]
SAFE_GLOBALS: list[Any] = [
    *((_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(type(np.dtype(word)) for word in ("float64", "float32", "int64", "int32", "bool")),
    *(np.dtype, argparse.Namespace),
]
"""Allowed types in files of other tools, in addition to weights: numpy numbers, command line flags; no code."""


def save(trainer: "lightning.Trainer", path: Path, weights_only: bool) -> None:
    """Write the run's state (``weights_only``: without the optimizer's) to ``path`` atomically, in all processes.

    Raises ``DataError`` if the file cannot be written; an older file at ``path`` stays unchanged.
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
    """Metadata of a checkpoint, JSON-able: configuration, the arguments of ``backbones.build``, findings.

    ``load`` needs nothing else to rebuild the network.
    """
    return {"config": runs.flags_dict(config), "model": model.config, "findings": list(findings)}


def read(path: Path | str) -> dict[str, Any]:
    """Read a checkpoint, or a run folder's ``best.ckpt``, on the CPU.

    Raises ``DataError`` if it is missing, broken or has more than data.
    """
    path = Path(path)
    path = path / "best.ckpt" if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"no checkpoint {str(path)!r}: give a best.ckpt or last.ckpt of a run, or the run's folder")
    try:
        content = _content(path)
    except PermissionError as error:
        raise DataError(f"cannot read {path}: {error.strerror}; change its permissions or take another") from error
    except _BROKEN as error:
        raise DataError(f"{path} is no checkpoint that can be read ({_reason(path, error)}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} holds a {type(content).__name__}, not a checkpoint")
    return content


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    return torch_files.load(path, SAFE_GLOBALS)


def _reason(path: Path, error: Exception) -> str:
    """Why a file cannot be read, with advice."""
    if code := torch_files.code_in(path, error):
        return (
            f"it holds more than data), it would run {code}: if it is a whole network of a project that you "
            "trust, write its weights there with torch.save(network.state_dict(), 'weights.pth') and give that file"
        )
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"\x89HDF":
        return "it is a file of Keras, HDF5); choose one of PyTorch's"
    return "truncated, or no checkpoint at all); choose another or train again"


def load(path: Path | str, device: str = "cpu", trust: bool = False) -> tuple[Classifier, TrainConfig]:
    """Load the classifier of a checkpoint, in evaluation mode on ``device``, and its training configuration.

    ``trust``: whether a Python file that it names may be executed. Raises ``BadValueError`` if that is needed and not
    allowed, ``DataError`` if the file is not a checkpoint of a run or its weights contradict its metadata.
    """
    model, config, _ = read_network(path, trust)
    return model.to(device), config


def read_network(path: Path | str, trust: bool = False) -> tuple[Classifier, TrainConfig, tuple[str, ...]]:
    """The classifier of a checkpoint on the CPU, its configuration and its findings. Raises as ``load``.

    The file is read once; findings are in the order of the logits.
    """
    content = read(path)
    return rebuilt(content, path, trust), configuration(content, path), findings(content, path)


def rebuilt(content: dict[str, Any], path: Path | str, trust: bool = False) -> Classifier:
    """Rebuild the classifier of a checkpoint's ``content``, in evaluation mode on the CPU. Raises as ``load``.

    ``path`` names the file in errors; ``trust``: see ``load``.
    """
    arguments = _locus(content, path)["model"]
    try:
        model = build_from_config.rebuild(arguments, str(path), trust)
    except _BROKEN as error:
        raise DataError(f"{path} states no network that can be built: {one_line(error)}") from error
    load_weights.load_exact(model, load_weights.extract_weights(content), path)
    model.recipe = configuration(content, path)
    return model.describe(findings(content, path), model.recipe.img_size).eval()


def network_arguments(path: Path | str) -> dict[str, Any]:
    """The arguments that build the classifier of a checkpoint: see ``backbones.build_from_config.rebuild``."""
    return dict(_locus(read(path), path)["model"])


def configuration(content: dict[str, Any], path: Path | str) -> TrainConfig:
    """The training flags of a checkpoint; flags that no longer exist are ignored."""
    names = {field.name for field in dataclasses.fields(TrainConfig)}
    return build(TrainConfig, {name: value for name, value in _locus(content, path)["config"].items() if name in names})


def findings(content: dict[str, Any], path: Path | str) -> tuple[str, ...]:
    """The findings of a checkpoint's classifier, in the order of its logits."""
    return tuple(_locus(content, path)["findings"])


def trained_on(content: dict[str, Any], path: Path | str) -> str:
    """The training data of a checkpoint: as declared, else the data set of our own run; empty if unknown.

    Converted runs and networks of others have no history, and the data set in their configuration is only a default.
    """
    declared = str(content["locus"].get("trained_on") or "")
    return declared or (configuration(content, path).dataset if content.get("history") else "")


def read_weights(path: Path | str) -> dict[str, torch.Tensor]:
    """Read the weights in a file, ours or another tool's, without Lightning's prefix.

    Raises ``DataError`` as ``read``.
    """
    return load_weights.extract_weights(read(path))


def digest(state: dict[str, torch.Tensor]) -> str:
    """First 16 hex digits of the SHA-256 of weights by name, independent of the file format.

    >>> digest({"w": torch.ones(2)}) == digest({"w": torch.ones(2)}) != digest({"v": torch.ones(2)})
    True
    """
    sha = hashlib.sha256()
    for name, value in sorted(state.items()):
        sha.update(name.encode() + value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()[:16]


def content_digest(content: dict[str, Any]) -> str:
    """The digest of a checkpoint's ``content``: its weights, and for an external network also its wiring."""
    weights = digest(load_weights.extract_weights(content))
    model = content.get("locus", {}).get("model") or {}
    return key([weights, model]) if "network" in model else weights


def _locus(content: dict[str, Any], path: Path | str) -> dict[str, Any]:
    stamped: Any = content.get("locus")
    match stamped:
        case {"config": dict(), "model": dict(model), "findings": [str(), *_] as names}:
            if all(isinstance(name, str) for name in names) and build_from_config.is_whole(model, len(names)):
                return stamped
            raise DataError(f"{path} does not say whole which network it belongs to: make the run anew")
    raise DataError(f"{path} was not written by main.py: it does not say which network it belongs to")
