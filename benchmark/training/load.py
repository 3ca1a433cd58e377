"""Read a run, a checkpoint or a file of weights as data, without Lightning and without executing code."""

import argparse
import dataclasses
import hashlib
import pickle
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch

from backbones import Classifier, build_from_config, torch_files
from benchmark.training import load_weights
from config import TrainConfig
from core.cli import build
from core.errors import DataError, examples, one_line
from core.files import json_hash

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


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The content of a checkpoint. All but ``weights`` raise ``DataError`` for a file that was not written by a run."""

    path: Path
    """The file, or the run folder that was given."""
    content: dict[str, Any]

    @cached_property
    def stamp(self) -> dict[str, Any]:
        """Metadata: see ``benchmark.training.runs.stamp``."""
        stamped: Any = self.content.get("locus")
        match stamped:
            case {"config": dict(), "model": dict(model), "findings": [str(), *_] as names}:
                if all(isinstance(name, str) for name in names) and build_from_config.is_whole(model, len(names)):
                    return stamped
                raise DataError(f"{self.path} has an incomplete description of its network: run the training again")
        raise DataError(f"{self.path} was not written by main.py: convert it with python -m benchmark.convert")

    @cached_property
    def config(self) -> TrainConfig:
        """The training flags; flags that no longer exist are ignored."""
        names = {field.name for field in dataclasses.fields(TrainConfig)}
        return build(TrainConfig, {name: value for name, value in self.stamp["config"].items() if name in names})

    @property
    def findings(self) -> tuple[str, ...]:
        """Names of the outputs, in the order of the logits."""
        return tuple(self.stamp["findings"])

    @property
    def trained_on(self) -> str:
        """The training data: as declared, else the data set of the run; empty if unknown.

        Converted runs and external networks have no history, and the data set in their flags is only a default.
        """
        declared = str(self.stamp.get("trained_on") or "")
        return declared or (self.config.dataset if self.content.get("history") else "")

    @cached_property
    def weights(self) -> dict[str, torch.Tensor]:
        """The weights, of this project or another tool, without Lightning's prefix."""
        return load_weights.extract_weights(self.content)

    @cached_property
    def digest(self) -> str:
        """Digest of the weights; for an external network also of its layers and its preprocessing."""
        model = self.content.get("locus", {}).get("model") or {}
        if "network" not in model:
            return digest(self.weights)
        steps = self.config.preprocess
        return json_hash([digest(self.weights), model, *([] if steps == "none" else [steps])])

    def network(self, trust: bool = False) -> Classifier:
        """Build the classifier with its weights, in evaluation mode on the CPU.

        ``trust``: whether a Python file that it names may be executed. Raises ``BadValueError`` if this is required but
        not allowed, and ``DataError`` if the weights contradict the metadata.
        """
        try:
            model = build_from_config.rebuild(self.stamp["model"], str(self.path), trust)
        except _BROKEN as error:
            raise DataError(f"the network of {self.path} cannot be built: {one_line(error)}") from error
        load_weights.load(model, self.weights, self.path)
        model.train_config = self.config
        return model.set_outputs(self.findings, self.config.img_size).eval()

    def __str__(self) -> str:
        names, data = examples(self.findings, 20), self.trained_on or "unknown data"
        size = self.config.img_size
        return f"{self.path}: {self.config.backbone}, trained on {data}, {size}x{size} px; findings: {names}"


def checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint, or a run folder's ``best.ckpt``, on the CPU.

    Raises ``DataError`` if it is missing, broken or has more than data.
    """
    file = Path(path) / "best.ckpt" if Path(path).is_dir() else Path(path)
    if not file.is_file():
        raise DataError(f"checkpoint {str(file)!r} not found: use the path of a .ckpt file or a run folder")
    try:
        content = _content(file)
    except PermissionError as error:
        raise DataError(f"cannot read {file} ({error.strerror}): change its permissions or use another file") from error
    except _BROKEN as error:
        raise DataError(f"{file} cannot be read as a checkpoint ({_reason(file, error)}") from error
    if not isinstance(content, dict):
        raise DataError(f"{file} contains a {type(content).__name__}, not a checkpoint: use another file")
    return Checkpoint(Path(path), content)


def network(path: Path | str, device: str = "cpu", trust: bool = False) -> Classifier:
    """Load the classifier of a checkpoint, in evaluation mode on ``device``: see ``Checkpoint.network``."""
    return checkpoint(path).network(trust).to(device)


def weights(path: Path | str) -> dict[str, torch.Tensor]:
    """Read the weights in a file, of this project or another tool. Raises ``DataError`` as ``checkpoint``."""
    return checkpoint(path).weights


def _content(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return safetensors.torch.load_file(path)
    return torch_files.load(path, SAFE_GLOBALS)


def _reason(path: Path, error: Exception) -> str:
    """Explain why a file cannot be read, with advice."""
    if code := torch_files.code_in(path, error):
        return (
            f"it contains code and would run {code}): if you trust it, save only its weights in its own project, with "
            "torch.save(network.state_dict(), 'weights.pth'), and use that file"
        )
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"\x89HDF":
        return "it is an HDF5 file of Keras): use a PyTorch file"
    return "it is truncated or not a checkpoint): use another file or train again"


def digest(state: dict[str, torch.Tensor]) -> str:
    """Return the first 16 hex digits of the SHA-256 of weights and their names, whatever the file format.

    >>> digest({"w": torch.ones(2)}) == digest({"w": torch.ones(2)}) != digest({"v": torch.ones(2)})
    True
    """
    sha = hashlib.sha256()
    for name, value in sorted(state.items()):
        sha.update(name.encode() + value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()[:16]
