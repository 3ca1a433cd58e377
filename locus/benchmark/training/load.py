"""Read a run, a checkpoint or a file of weights as data, without Lightning and without executing code.

``checkpoint``  the content of a file or run folder (``Checkpoint``); ``network`` builds its classifier
``load``        load the weights of a run into a classifier, ``load_initial`` those of ``--init_from``, and
                ``load_external`` those of an external network, which ``locus.benchmark.training.external`` builds

All names and shapes must match: there are no partial matches.
"""

import argparse
import dataclasses
import hashlib
import logging
import pickle
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import nn

from locus import datasets
from locus.backbones import Classifier, external, weight_files
from locus.benchmark.training import weights as weights_file
from locus.config import TrainConfig
from locus.core.cli import build
from locus.core.errors import DataError, examples, one_line
from locus.core.files import atomic, json_hash
from locus.datasets.leaks import TrainingImages

log = logging.getLogger(__name__)
PREFIX = "model."
"""Lightning's prefix for the classifier's names."""
OURS, HEAD = "extractor.", "head."
"""Prefixes of the names of extractors and heads in this project."""
COUNTER = "num_batches_tracked"
"""Weight of batch norm that files before 2018 lack and that does not affect logits."""
WEIGHT_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
"""Keys under which tools store the weights in a file."""
COPY_KEYS = ("module", "student", "teacher", "ema", "ema_state_dict", "state_dict_ema", "model_ema")
"""Keys of copies of the weights, used if a file has one of them and none of ``WEIGHT_KEYS``."""
OF_THE_LOSS = ("criterion.", "loss.", "loss_fn.", "loss_fun.", "loss_func.")
"""Prefixes of a Lightning module's loss buffers (``pos_weight``)."""
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


def extract_weights(content: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights in the ``content`` of a file, without Lightning's prefix for files of this project.

    Raises ``DataError`` for a weight that declares more values than the file has.
    """
    keys = [key for key in WEIGHT_KEYS if isinstance(content.get(key), dict)][:1]
    copies = [key for key in COPY_KEYS if content.get(key) and isinstance(content[key], dict)]
    if not keys and len(copies) > 1:
        raise DataError(
            f"the file has several copies of the weights ({', '.join(copies)}): save one of them as state_dict"
        )
    state = content[(keys or copies)[0]] if keys or copies else content
    state = {name: value for name, value in state.items() if isinstance(name, str)}
    if any(name.startswith(PREFIX + OURS) for name in state):
        state = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        keys_found = examples([str(key) for key in content], 9)
        raise DataError(f"the file has no weights under its keys ({keys_found}): save them as state_dict")
    if hollow := [name for name, value in tensors.items() if not _is_complete(value)]:
        raise DataError(f"{len(hollow)} weights declare more values than their file contains: {examples(hollow)}")
    return {name: value for name, value in tensors.items() if not name.startswith(OF_THE_LOSS)}


def prefixed(model: Classifier) -> dict[str, torch.Tensor]:
    """Return the weights of ``model`` with the prefix that Lightning gives their names."""
    return {PREFIX + name: value for name, value in model.state_dict().items()}


def _is_complete(value: torch.Tensor) -> bool:
    """Whether all values of a tensor are in its file; an expanded tensor could need any amount of memory."""
    dense = value.layout == torch.strided and not value.is_meta
    return dense and value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def load(model: Classifier, state: dict[str, torch.Tensor], path: Path | str) -> None:
    """Load the weights ``state`` of a run of this project into ``model``; ``path`` is the file in messages.

    Raises ``DataError`` with the numbers of missing and unexpected weights if they belong to another architecture.
    """
    expected = model.state_dict()
    unexpected = [name for name in state if name not in expected]
    _require_match(_unlike(expected, state), unexpected, model, path)
    model.load_state_dict(state)


def load_initial(model: Classifier, state: dict[str, torch.Tensor], path: Path | str) -> None:
    """Load initial weights into ``model`` and log their number.

    ``state`` is from a run of this project, whose head is used if it has the same shape, or from torchvision, timm or
    torchxrayvision, whose head is not used. Raises ``DataError`` as ``load`` does.
    """
    expected = model.state_dict()
    if any(name.startswith(OURS) for name in state):
        unexpected = [name for name in state if name not in expected and not name.startswith(HEAD)]
    else:
        state, unexpected = weight_files.extractor_weights(state, model)
    new = _unlike(expected, state)
    missing = [name for name in new if not name.startswith(HEAD) and not name.endswith(COUNTER)]
    _require_match(missing, unexpected, model, f"--init_from {path}")
    taken = {name: value for name, value in state.items() if name in expected and name not in new}
    model.load_state_dict(taken, strict=False)
    added = f", new: {examples(new)}" if new else ""
    log.info("--init_from %s: %d of %d weights loaded%s", path, len(taken), len(expected), added)


def _require_match(missing: Sequence[str], unexpected: Sequence[str], model: Classifier, path: Path | str) -> None:
    """Raise ``DataError`` if there are missing or unexpected weights."""
    if reason := _differences(missing, unexpected, len(model.state_dict())):
        raise DataError(f"{path} does not fit {describe_model(model)}: {reason}")


def load_external(module: nn.Module, state: dict[str, torch.Tensor], path: Path | str, word: str) -> str:
    """Load weights into the external ``module``, the network ``word``; return a description of them.

    A prefix of all names (``module.``, ``model.``) is ignored. Raises ``DataError`` with the numbers of missing and
    unexpected weights.
    """
    expected = module.state_dict()
    start = weight_files.prefix_of(state, expected)
    named = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
    missing = [name for name in _unlike(expected, named) if not name.endswith(COUNTER)]
    unexpected = [name for name in state if name.removeprefix(start) not in expected]
    if reason := _differences(missing, unexpected, len(expected)):
        raise DataError(f"the weights in {path} are not those of {word}: {reason}")
    module.load_state_dict({name: named[name] for name in expected if name in named}, strict=False)
    return f"{len(named)} of {path}, none missing, none unexpected"


def _unlike(expected: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the ``expected`` names that ``state`` lacks or has with a different shape."""
    return [name for name, value in expected.items() if name not in state or state[name].shape != value.shape]


def _differences(missing: Sequence[str], unexpected: Sequence[str], count: int) -> str:
    """Explain why weights cannot be loaded, with counts; empty if they can."""
    parts = []
    if missing:
        parts.append(f"{len(missing)} of {count} weights are missing or have a different shape ({examples(missing)})")
    if unexpected:
        parts.append(f"{len(unexpected)} are unexpected ({examples(unexpected)})")
    return " and ".join(parts)


def describe_model(model: Classifier) -> str:
    """Return a short description of a model for error messages."""
    config = model.build_options or {}
    name = config.get("name") or config.get("network")
    return f"{name} with {config.get('global_pool')} and {config.get('num_classes')} findings"


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """The content of a checkpoint. All but ``weights`` raise ``DataError`` for a file that was not written by a run."""

    path: Path
    """The file, or the run folder that was given."""
    content: dict[str, Any]

    @cached_property
    def stamp(self) -> dict[str, Any]:
        """Metadata: see ``locus.benchmark.training.runs.stamp``."""
        stamped: Any = self.content.get("locus")
        match stamped:
            case {"config": dict(), "model": dict(model), "findings": [str(), *_] as names}:
                if all(isinstance(name, str) for name in names) and external.is_whole(model, len(names)):
                    return stamped
                raise DataError(f"{self.path} has an incomplete description of its network: run the training again")
        raise DataError(f"{self.path} was not written by main.py: use --model net.py:build --weights {self.path}")

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

        External networks have no history, and the data set in their flags is only a default.
        """
        declared = str(self.stamp.get("trained_on") or "")
        return declared or (self.config.dataset if self.content.get("history") else "")

    @cached_property
    def training_images(self) -> TrainingImages | None:
        """The training images, also of the initial weights; None if they are unknown.

        Generated images are no user's images: a run of older code on a data set without files has none.
        """
        stamped = self.content.get("locus")
        if not isinstance(stamped, dict):
            return None  # a file of another project
        if "training_images" in stamped:
            try:
                return TrainingImages.unpacked(stamped["training_images"])
            except (LookupError, TypeError, ValueError) as error:
                raise DataError(f"{self.path} has a damaged list of training images: use another file") from error
        generated = bool(self.content.get("history")) and not datasets.needs_folder(self.config.dataset)
        return TrainingImages() if generated else None

    @cached_property
    def weights(self) -> dict[str, torch.Tensor]:
        """The weights, of this project or another tool, without Lightning's prefix."""
        return extract_weights(self.content)

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
            model = external.rebuild(self.stamp["model"], str(self.path), trust)
        except _BROKEN as error:
            raise DataError(f"the network of {self.path} cannot be built: {one_line(error)}") from error
        load(model, self.weights, self.path)
        model.train_config, model.training_images = self.config, self.training_images
        return model.set_outputs(self.findings, self.config.img_size).eval()

    def __str__(self) -> str:
        names, data = examples(self.findings, 20), self.trained_on or "unknown data"
        size = self.config.img_size
        return f"{self.path}: {self.config.backbone}, trained on {data}, {size}x{size} px; findings: {names}"


def checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint, a run folder's ``best.ckpt``, or a network of the package such as ``demo-pcam``, on the CPU.

    Raises ``DataError`` if it is missing, broken or has more than data.
    """
    path = weights_file.path_of(path)
    file = path / "best.ckpt" if path.is_dir() else path
    if not file.is_file():
        names = " or ".join(weights_file.shipped())
        raise DataError(f"checkpoint {str(file)!r} not found: use the path of a .ckpt file or a run folder, or {names}")
    try:
        content = _content(file)
    except PermissionError as error:
        raise DataError(f"cannot read {file} ({error.strerror}): change its permissions or use another file") from error
    except _BROKEN as error:
        raise DataError(f"{file} cannot be read as a checkpoint ({_reason(file, error)}") from error
    if not isinstance(content, dict):
        raise DataError(f"{file} contains a {type(content).__name__}, not a checkpoint: use another file")
    return Checkpoint(path, content)


def network(path: Path | str, device: str = "cpu", trust: bool = False) -> Classifier:
    """Load the classifier of a checkpoint, in evaluation mode on ``device``: see ``Checkpoint.network``."""
    return checkpoint(path).network(trust).to(device)


def weights(path: Path | str) -> dict[str, torch.Tensor]:
    """Read the weights in a file, of this project or another tool. Raises ``DataError`` as ``checkpoint``."""
    return checkpoint(path).weights


def _content(path: Path) -> Any:
    if path.suffix == weights_file.SUFFIX:
        state, about = safetensors.torch.load_file(path), weights_file.described(path)
        return _published(state, about) if about else state
    return weight_files.load_file(path, SAFE_GLOBALS)


def _published(state: dict[str, torch.Tensor], about: dict[str, Any]) -> dict[str, Any]:
    """Return the content of a published file as that of a checkpoint. Raises ``ValueError`` for a damaged file."""
    single = cast(state, torch.float32)
    stated = about.pop("digest", None)
    if stated != json_hash([about, digest(single)]):
        raise ValueError("the file differs from its checksum")
    return {**about, "state_dict": {PREFIX + name: value for name, value in single.items()}}


def _reason(path: Path, error: Exception) -> str:
    """Explain why a file cannot be read, with advice."""
    if code := weight_files.code_in(path, error):
        return (
            f"it contains code and would run {code}): if you trust it, save only its weights in its own project, with "
            "torch.save(network.state_dict(), 'weights.pth'), and use that file"
        )
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"\x89HDF":
        return "it is an HDF5 file of Keras): use a PyTorch file"
    return "it is truncated or not a checkpoint): use another file or train again"


def round_weights(path: Path) -> None:
    """Round the weights of a checkpoint of a run to float16; they stay in its file as float32."""
    content = _content(path)
    content["state_dict"] = cast(cast(content["state_dict"], torch.float16), torch.float32)
    with atomic(path) as temporary:
        torch.save(content, temporary)


def cast(state: Mapping[str, torch.Tensor], dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Return weights as ``dtype``; counters and other integers stay as they are."""
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in state.items()}


def digest(state: dict[str, torch.Tensor]) -> str:
    """Return the first 16 hex digits of the SHA-256 of weights and their names, whatever the file format.

    >>> digest({"w": torch.ones(2)}) == digest({"w": torch.ones(2)}) != digest({"v": torch.ones(2)})
    True
    """
    sha = hashlib.sha256()
    for name, value in sorted(state.items()):
        sha.update(name.encode() + value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return sha.hexdigest()[:16]
