"""Files of weights: read them as data, and load their weights into a network.

``read``     the content of a PyTorch or safetensors file or of a run folder; ``weights`` are the weights in it
``load``     load the weights of a run into a classifier, ``load_initial`` those of ``--init_from``, and
             ``load_external`` those of a network of another project: all names and shapes must match
``resolve``, ``load_xray``  torchxrayvision's weights trained on radiographs, instead of ImageNet weights

``load_file`` is the only function that reads PyTorch files; it never runs code in them. ``code_in`` names the code that
it refused, for the error message. ImageNet weights are loaded by ``locus.backbones.extractors``.
"""

import argparse
import hashlib
import logging
import pickle
import re
import struct
import sys
import warnings
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from locus.backbones import SUFFIX, described, path_of, shipped
from locus.backbones.classifier import Classifier
from locus.backbones.extractors import folder, reachable
from locus.backbones.layers import INPUT_ERRORS
from locus.core.errors import (
    BadValueError,
    DataError,
    NotAvailableError,
    UnknownNameError,
    examples,
    require_extra,
)
from locus.core.files import json_hash

log = logging.getLogger(__name__)
DATA_TYPE_PREFIXES = ("torch.", "collections.", "_codecs.")
"""Prefixes of the types in a file of weights."""
XRV_DATA = ("all", "chex", "mimic_ch", "mimic_nb", "nih", "pc", "rsna")
BACKBONE_OF_WEIGHTS = {f"densenet121-res224-{word}": "densenet121" for word in XRV_DATA}
BACKBONE_OF_WEIGHTS |= {"resnet50-res512-all": "resnet50"}
"""Name of torchxrayvision's weights -> their backbone."""
HEAD = re.compile(r"(classifier|fc|head|pre_logits|last_linear)\.")
"""Start of the names of a head in torchvision and timm."""
PREFIX = "model."
"""Lightning's prefix for the classifier's names."""
OURS, OUR_HEAD = "extractor.", "head."
"""Prefixes of the names of extractors and heads in this project."""
COUNTER = "num_batches_tracked"
"""Weight of batch norm that files before 2018 lack and that does not affect logits."""
WEIGHT_KEYS = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "weights",
)
"""Keys under which tools store the weights in a file."""
COPY_KEYS = ("module", "student", "teacher", "ema", "ema_state_dict", "state_dict_ema", "model_ema")
"""Keys of copies of the weights, such as their moving average. A file with two sets of weights is an error."""
COMPILED, AVERAGES = "_orig_mod.", "n_averaged"
"""Part of the names that torch.compile adds, and the counter of torch's ``AveragedModel``."""
OF_THE_LOSS = ("criterion.", "loss.", "loss_fn.", "loss_fun.", "loss_func.")
"""Prefixes of a Lightning module's loss buffers (``pos_weight``)."""
BROKEN_FILE_ERRORS = (
    *(
        pickle.UnpicklingError,
        struct.error,
        EOFError,
        LookupError,
        ValueError,
        TypeError,
        AttributeError,
    ),
    *(
        AssertionError,
        ArithmeticError,
        OSError,
        RuntimeError,
        MemoryError,
        safetensors.SafetensorError,
    ),
)
"""Exceptions that libraries raise for broken files."""
_SCALAR = np.float64().__reduce__()[0]
_SCALAR_NAMES = [(_SCALAR, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
_NUMBERS = [type(np.dtype(word)) for word in ("float64", "float32", "int64", "int32", "bool")]
SAFE_GLOBALS: list[Any] = [*_SCALAR_NAMES, *_NUMBERS, np.dtype, argparse.Namespace]
"""Allowed types in files of other tools, in addition to weights: numpy numbers, command line flags; no code."""
RANDOM = "or use random weights (--pretrained False; as --model: xrv:densenet121)"
XRV_GRAY_SCALE = ":mean=127.5,std=0.12451171875"
"""torchxrayvision scales grey values to -1024 to 1024: (p - 127.5) / (127.5 / 1024) for p in [0, 255]."""


def read(path: Path | str) -> dict[str, Any]:
    """Return the content of a file, of a run folder's ``best.ckpt``, or of a network of the package (``demo-pcam``).

    Raises ``DataError`` if it is missing, broken or has more than data.
    """
    path = path_of(path)
    file = path / "best.ckpt" if path.is_dir() else path
    if not file.is_file():
        names = " or ".join(shipped())
        raise DataError(
            f"checkpoint {str(file)!r} not found: use the path of a .ckpt file or a run folder, or {names}"
        )
    try:
        content = _published(file) if file.suffix == SUFFIX else load_file(file, SAFE_GLOBALS)
    except PermissionError as error:
        raise DataError(
            f"cannot read {file} ({error.strerror}): change its permissions or use another file"
        ) from error
    except BROKEN_FILE_ERRORS as error:
        raise DataError(f"{file} cannot be read as a checkpoint ({_reason(file, error)}") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{file} contains a {type(content).__name__}, not a checkpoint: use another file"
        )
    return content


def _published(file: Path) -> dict[str, Any]:
    """Return the content of a safetensors file, as that of a checkpoint if Locus published it.

    Raises ``ValueError`` for a damaged file.
    """
    state, about = safetensors.torch.load_file(file), described(file)
    if not about:
        return dict(state)
    single = cast(state, torch.float32)
    checksum = about.pop("digest", None)
    if checksum != json_hash([about, digest(single)]):
        raise ValueError("the file differs from its checksum")
    return {**about, "state_dict": {PREFIX + name: value for name, value in single.items()}}


def _reason(path: Path, error: Exception) -> str:
    """Explain why a file cannot be read, with advice."""
    if code := code_in(error):
        return (
            f"it contains code and would run {code}): if you trust it, save only its weights in its own project, with "
            "torch.save(network.state_dict(), 'weights.pth'), and use that file"
        )
    with path.open("rb") as file:
        start = file.read(4)
    if start == b"\x89HDF":
        return "it is an HDF5 file of Keras): use a PyTorch file"
    return "it is truncated or not a checkpoint): save the weights with torch.save, use another file or train again"


def weights(path: Path | str) -> dict[str, Tensor]:
    """Read the weights in a file, of this project or another tool. Raises ``DataError`` as ``read``."""
    return extract_weights(read(path))


def extract_weights(content: dict[str, Any]) -> dict[str, Tensor]:
    """Return the weights in the ``content`` of a file, without Lightning's prefix for files of this project.

    Raises ``DataError`` for several sets of weights, and for a weight that declares more values than the file has.
    """
    keys = [key for key in (*WEIGHT_KEYS, *COPY_KEYS) if _has_tensors(content.get(key))]
    if len(keys) > 1:
        raise DataError(
            f"the file has several sets of weights ({', '.join(keys)}): save one of them as state_dict"
        )
    state = content[keys[0]] if keys else content
    state = {
        name.replace(COMPILED, ""): value for name, value in state.items() if isinstance(name, str)
    }
    state.pop(AVERAGES, None)
    if any(name.startswith(PREFIX + OURS) for name in state):
        state = {
            name.removeprefix(PREFIX): value
            for name, value in state.items()
            if name.startswith(PREFIX)
        }
    tensors = {name: value for name, value in state.items() if isinstance(value, Tensor)}
    if not tensors:
        keys_found = examples([str(key) for key in content], 9)
        raise DataError(
            f"the file has no weights under its keys ({keys_found}): save them as state_dict"
        )
    if hollow := [name for name, value in tensors.items() if not _is_complete(value)]:
        raise DataError(
            f"{len(hollow)} weights declare more values than their file contains: {examples(hollow)}"
        )
    return {name: value for name, value in tensors.items() if not name.startswith(OF_THE_LOSS)}


def prefixed(model: Classifier) -> dict[str, Tensor]:
    """Return the weights of ``model`` with the prefix that Lightning gives their names."""
    return {PREFIX + name: value for name, value in model.state_dict().items()}


def _has_tensors(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(part, Tensor) for part in value.values())


def _is_complete(value: Tensor) -> bool:
    """Whether all values of a tensor are in its file; an expanded tensor could need any amount of memory."""
    dense = value.layout == torch.strided and not value.is_meta
    return dense and value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def load(model: Classifier, state: dict[str, Tensor], path: Path | str) -> None:
    """Load the weights ``state`` of a run of this project into ``model``; ``path`` is the file in messages.

    Raises ``DataError`` with the numbers of missing and unexpected weights if they belong to another architecture.
    """
    expected = model.state_dict()
    unexpected = [name for name in state if name not in expected]
    _load(
        model, state, _unlike(expected, state), unexpected, f"{path} does not fit {_words(model)}"
    )


def load_initial(model: Classifier, state: dict[str, Tensor], path: Path | str) -> None:
    """Load initial weights into ``model`` and log their number.

    ``state`` is from a run of this project, whose head is used if it has the same shape, or from torchvision, timm or
    torchxrayvision, whose head is not used. Raises ``DataError`` as ``load`` does.
    """
    expected = model.state_dict()
    if any(name.startswith(OURS) for name in state):
        unexpected = [
            name for name in state if name not in expected and not name.startswith(OUR_HEAD)
        ]
    else:
        state, unexpected = extractor_weights(state, model)
    new = _unlike(expected, state)
    missing = [name for name in new if not name.startswith(OUR_HEAD) and not name.endswith(COUNTER)]
    taken = {name: value for name, value in state.items() if name in expected and name not in new}
    _load(model, taken, missing, unexpected, f"--init_from {path} does not fit {_words(model)}")
    added = f", new: {examples(new)}" if new else ""
    log.info("--init_from %s: %d of %d weights loaded%s", path, len(taken), len(expected), added)


def load_external(module: nn.Module, state: dict[str, Tensor], path: Path | str, word: str) -> str:
    """Load weights into a user's network.

    A prefix (``module.``, ``model.``) is ignored. Beside weights with a prefix, a file may hold tensors of other parts
    of a Lightning module, such as the states of its metrics: they are not used, unless they are a copy of the weights.

    Args:
        module: the network, which is changed in place.
        state: name -> weight, as in the file.
        path: the file, for messages.
        word: the name of the network, for messages.

    Returns:
        A description of the weights: how many, of which file, and what of it is not used.

    Raises:
        DataError: weights are missing or unexpected; the message has their numbers.
    """
    expected = module.state_dict()
    start = prefix_of(state, expected)
    named = {
        name.removeprefix(start): value for name, value in state.items() if name.startswith(start)
    }
    missing = [name for name in _unlike(expected, named) if not name.endswith(COUNTER)]
    unexpected = [name for name in state if name.removeprefix(start) not in expected]
    unused = [name for name in unexpected if _is_of_another_part(name, start, expected)]
    unexpected = [name for name in unexpected if name not in unused]
    taken = {name: named[name] for name in expected if name in named}
    _load(module, taken, missing, unexpected, f"the weights in {path} are not those of {word}")
    remark = f", not used: {examples(unused)}" if unused else ""
    return f"{len(named)} of {path}, none missing, none unexpected{remark}"


def _is_of_another_part(name: str, prefix: str, known: Collection[str]) -> bool:
    """Return whether a tensor is neither below the ``prefix`` of the network nor a copy of a ``known`` weight.

    >>> [_is_of_another_part(name, "net.", ["fc.bias"]) for name in ("auroc.preds", "ema.fc.bias", "net.fc.scale")]
    [True, False, False]
    """
    parts = name.split(".")
    is_copy = any(".".join(parts[cut:]) in known for cut in range(len(parts)))
    return bool(prefix) and not name.startswith(prefix) and not is_copy


def _unlike(expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> list[str]:
    """Return the ``expected`` names that ``state`` lacks or has with a different shape."""
    return [
        name
        for name, value in expected.items()
        if name not in state or state[name].shape != value.shape
    ]


def _load(
    module: nn.Module,
    state: dict[str, Tensor],
    missing: Sequence[str],
    unexpected: Sequence[str],
    refusal: str,
) -> None:
    """Load weights. Raises ``DataError``, a ``refusal`` and the numbers, if some are missing or unexpected."""
    expected = module.state_dict()
    for name, value in state.items():
        if (
            name in expected
            and not name.endswith(COUNTER)
            and _kind(value) != _kind(expected[name])
        ):
            raise DataError(
                f"{refusal}: the weight {name!r} is {value.dtype}, not {expected[name].dtype}: save the weights before "
                "they are quantised or cast"
            )
    count, parts = len(expected), []
    if missing:
        parts.append(
            f"{len(missing)} of {count} weights are missing or have a different shape ({examples(missing)})"
        )
    if unexpected:
        parts.append(f"{len(unexpected)} are unexpected ({examples(unexpected)})")
    if parts:
        raise DataError(f"{refusal}: {' and '.join(parts)}")
    module.load_state_dict(state, strict=False)


def _kind(value: Tensor) -> tuple[bool, bool]:
    return value.is_floating_point(), value.is_complex()


def _words(model: Classifier) -> str:
    """Return a short description of a model for error messages."""
    config = model.build_options or {}
    name = config.get("name") or config.get("network")
    return f"{name} with {config.get('global_pool')} and {config.get('num_classes')} findings"


def load_file(path: Path | str, allowed: Iterable[Any] = ()) -> Any:
    """Return the content of a PyTorch file on the CPU. All code reads PyTorch files through this function.

    ``allowed``: classes that the file may contain in addition to tensors. Raises the errors of ``torch.load`` for a
    file that is broken or contains anything else, without running its code.
    """
    with torch.serialization.safe_globals([*allowed]):
        return torch.load(path, map_location="cpu", weights_only=True)


def code_in(error: BaseException) -> str | None:
    """Return the function that a file would run when it is loaded, such as ``posix.system``, or None.

    ``error``: the exception of ``load_file``, which refuses such a file.
    """
    match = re.search(r"\bGLOBAL ([\w.]+)", str(error))
    return match[1] if match and not match[1].startswith(DATA_TYPE_PREFIXES) else None


def resolve(name: str, pretrained: bool | str) -> tuple[str, bool | str]:
    """Return backbone and weights; both arguments may be the name of torchxrayvision weights.

    The backbone ``densenet121-res224-nih`` is the network of these weights, with the weights unless ``pretrained`` is
    False. Raises ``UnknownNameError`` for an unknown name, ``BadValueError`` if it belongs to another backbone.
    """
    if name in BACKBONE_OF_WEIGHTS:
        name, pretrained = BACKBONE_OF_WEIGHTS[name], name if pretrained is True else pretrained
        if pretrained is False:
            return name + XRV_GRAY_SCALE, False
    if isinstance(pretrained, bool):
        return name, pretrained
    if pretrained not in BACKBONE_OF_WEIGHTS:
        raise UnknownNameError("--pretrained", pretrained, ("True", "False", *BACKBONE_OF_WEIGHTS))
    if name.split(":")[0].lower() != (needed := BACKBONE_OF_WEIGHTS[pretrained]):
        raise BadValueError(f"--pretrained {pretrained} requires --backbone {needed}, not {name}")
    return name if ":" in name else name + XRV_GRAY_SCALE, pretrained


def load_xray(model: Classifier, word: str) -> None:
    """Load the weights ``word`` into the extractor of ``model``. Its head, which has other findings, is not changed.

    The file is downloaded once. Raises ``NotAvailableError`` with its URL and path if it is not available.
    """
    weights, _ = extractor_weights(state(word), model)
    missing = [
        name for name in model.state_dict() if name.startswith("extractor.") and name not in weights
    ]
    if missing:
        lacking = f"{len(missing)} weights of {BACKBONE_OF_WEIGHTS[word]} ({examples(missing)})"
        raise DataError(f"the file of {word} lacks {lacking}: delete it to download it again")
    model.load_state_dict(weights, strict=False)


def extractor_weights(
    state: Mapping[str, Tensor], model: Classifier
) -> tuple[dict[str, Tensor], list[str]]:
    """Return the weights of the extractor of ``model`` in ``state``, and the names of weights of neither it nor a head.

    The file may have the names of torchvision, timm or torchxrayvision, with any prefix (``module.``). A first layer
    for one grey channel is repeated to three channels with the same sum.
    """
    target = model.state_dict()
    has_net = hasattr(model.extractor, "net")
    root, lead = ("extractor.net.", "") if has_net else ("extractor.", "features.")
    ours = {lead + name.removeprefix(root): name for name in target if name.startswith(root)}
    prefix = prefix_of(state, ours)
    short = {name: name.removeprefix(prefix) for name in state}
    weights = {
        ours[name]: _coloured(state[full], target[ours[name]])
        for full, name in short.items()
        if name in ours
    }
    return weights, [
        full for full, name in short.items() if name not in ours and not HEAD.match(name)
    ]


def prefix_of(state: Mapping[str, Tensor], known: Collection[str]) -> str:
    """Return the prefix in ``state`` without which most names are ``known``; the shortest if tied."""
    counts: Counter[str] = Counter()
    for name in state:
        parts = name.split(".")
        for cut in range(len(parts)):
            if ".".join(parts[cut:]) in known:
                counts["".join(f"{part}." for part in parts[:cut])] += 1
    return min(counts, key=lambda prefix: (-counts[prefix], len(prefix)), default="")


def _coloured(value: Tensor, target: Tensor) -> Tensor:
    """Convert a first convolution on one grey channel to three equal channels with the same sum."""
    grey = (
        value.ndim == 4
        and value.shape[1] == 1
        and target.shape == (len(value), 3, *value.shape[2:])
    )
    return (value / 3).expand(-1, 3, -1, -1).contiguous() if grey else value


def require(word: str) -> None:
    """Raise ``NotAvailableError`` within seconds if the weights ``word`` are neither on disk nor downloadable."""
    xrv = library(word)
    source, paths = _places(xrv, word)
    if not any(map(Path.is_file, paths)) and not reachable(source):
        raise _not_available(word, source, paths[0])


def state(word: str) -> dict[str, Tensor]:
    """Return the weights ``word`` under torchxrayvision's names, without running code from the file."""
    xrv = library(word)
    path = _file(xrv, word)
    try:
        content = load_file(path, _classes(xrv))
    except (*INPUT_ERRORS, OSError, EOFError, pickle.UnpicklingError) as error:
        if code := code_in(error):
            raise DataError(f"{path} would run {code}: delete it, {RANDOM}") from error
        raise _broken(path) from error
    weights = content.state_dict() if isinstance(content, nn.Module) else content
    if not isinstance(weights, dict) or not all(
        isinstance(value, Tensor) for value in weights.values()
    ):
        raise _broken(path)
    return weights


def _broken(path: Path) -> DataError:
    return DataError(
        f"{path} does not contain weights of torchxrayvision (truncated?): delete it, {RANDOM}"
    )


def library(word: str) -> ModuleType:
    """Import torchxrayvision without the folders that it adds to ``sys.path``: one has a module named ``config``."""
    require_extra("xrv", "torchxrayvision", word, ", or use random weights (--pretrained False)")
    path = [*sys.path]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import torchxrayvision
    sys.path[:] = path
    package: ModuleType = torchxrayvision
    return package


def _file(xrv: ModuleType, word: str) -> Path:
    """Return the path of the weights, after downloading them if necessary."""
    source, paths = _places(xrv, word)
    for path in filter(Path.is_file, paths):
        return path
    try:
        paths[0].parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(source, str(paths[0]), progress=False)
    except (OSError, RuntimeError) as error:
        raise _not_available(word, source, paths[0]) from error
    return paths[0]


def _places(xrv: ModuleType, word: str) -> tuple[str, list[Path]]:
    """Return the URL of the weights and their possible paths, in torch's or torchxrayvision's folder."""
    source = str(xrv.models.model_urls[word]["weights_url"])
    return source, [
        base / Path(source).name
        for base in (folder(), Path(xrv.utils.get_cache_dir()).expanduser())
    ]


def _not_available(word: str, source: str, path: Path) -> NotAvailableError:
    return NotAvailableError(f"weights {word} not found: download {source} to {path}, {RANDOM}")


def _classes(xrv: ModuleType) -> set[type]:
    """Return the layer types of its networks; the file of a whole network may contain no other types."""
    layers = {type(part) for part in xrv.models.DenseNet(weights=None).modules()}
    return {*layers, set}


def cast(state: Mapping[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """Return weights as ``dtype``; counters and other integers stay as they are."""
    return {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in state.items()
    }


def digest(state: dict[str, Tensor]) -> str:
    """Return the first 16 hex digits of the SHA-256 of weights and their names, whatever the file format.

    >>> digest({"w": torch.ones(2)}) == digest({"w": torch.ones(2)}) != digest({"v": torch.ones(2)})
    True
    """
    sha = hashlib.sha256()
    for name, value in sorted(state.items()):
        sha.update(
            name.encode() + value.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()
        )
    return sha.hexdigest()[:16]
