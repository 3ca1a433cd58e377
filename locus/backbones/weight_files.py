"""Files of weights: read PyTorch files as data, and load torchxrayvision's weights trained on radiographs.

``load_file`` is the only function that reads PyTorch files; it never runs code in them. ``code_in`` finds the code that
an unsafe file contains, for the error message. ``extractor_weights`` finds the weights of an extractor in a file of
torchvision, timm or torchxrayvision. ``resolve`` and ``load_xray`` provide torchxrayvision's weights as an alternative
to ImageNet weights, which are loaded by ``locus.backbones.extractors``.
"""

import itertools
import pickle
import pickletools
import re
import sys
import warnings
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from locus.backbones.classifier import Classifier
from locus.backbones.extractors import folder, reachable
from locus.backbones.tokens import UNABLE
from locus.core.errors import BadValueError, DataError, NotAvailableError, UnknownNameError, examples

PICKLE_BYTES = 2**24
"""Number of bytes of a file that are searched for function names."""
DATA = ("torch.", "collections.", "_codecs.")
"""Prefixes of the types in a file of weights."""
NAMES = {
    **{
        f"densenet121-res224-{word}": "densenet121"
        for word in ("all", "chex", "mimic_ch", "mimic_nb", "nih", "pc", "rsna")
    },
    "resnet50-res512-all": "resnet50",
}
"""Name of torchxrayvision's weights -> their backbone."""
HEAD = re.compile(r"(classifier|fc|head|pre_logits|last_linear)\.")
"""Start of the names of a head in torchvision and timm."""
RANDOM = "or use random weights (--pretrained False; as --model: xrv:densenet121)"
GRAY = ":mean=127.5,std=0.12451171875"
"""torchxrayvision scales grey values to -1024 to 1024: (p - 127.5) / (127.5 / 1024) for p in [0, 255]."""


def load_file(path: Path | str, allowed: Iterable[Any] = ()) -> Any:
    """Return the content of a PyTorch file on the CPU. All code reads PyTorch files through this function.

    ``allowed``: classes that the file may contain in addition to tensors. Raises the errors of ``torch.load`` for a
    file that is broken or contains anything else, without running its code.
    """
    with torch.serialization.safe_globals([*allowed]):
        return torch.load(path, map_location="cpu", weights_only=True)


def code_in(path: Path | str, error: BaseException) -> str | None:
    """Return the function that loading the file would run, such as ``posix.system``, or None.

    ``error``: the exception of ``load``. If it does not name the function, the file is searched.
    """
    match_ = re.search(r"\bGLOBAL ([\w.]+)", str(error))
    if match_ and not match_[1].startswith(DATA):
        return match_[1]
    return next((name for name in _globals(Path(path)) if not name.startswith(DATA)), match_ and match_[1])


def _globals(path: Path) -> Iterator[str]:
    """Yield the functions and classes named in a file's pickle, as far as it can be parsed, without unpickling."""
    words: list[str] = []
    try:
        for code, value, _ in itertools.chain.from_iterable(map(pickletools.genops, _pickles(path))):
            if code.name == "GLOBAL":
                yield str(value).replace(" ", ".")
            elif code.name == "STACK_GLOBAL":
                yield ".".join(words[-2:])
            elif isinstance(value, str):
                words.append(value)
    except (ValueError, OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError):
        return


def _pickles(path: Path) -> Iterator[bytes]:
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            yield file.read(PICKLE_BYTES)
        return
    with zipfile.ZipFile(path) as archive:
        for name in archive.namelist():
            if name.endswith(".pkl"):
                with archive.open(name) as member:
                    yield member.read(PICKLE_BYTES)


def resolve(name: str, pretrained: bool | str) -> tuple[str, bool | str]:
    """Return backbone and weights; both arguments may be the name of torchxrayvision weights.

    The backbone ``densenet121-res224-nih`` is the network of these weights, with the weights unless ``pretrained`` is
    False. Raises ``UnknownNameError`` for an unknown name, ``BadValueError`` if it belongs to another backbone.
    """
    if name in NAMES:
        name, pretrained = NAMES[name], name if pretrained is True else pretrained
        if pretrained is False:
            return name + GRAY, False
    if isinstance(pretrained, bool):
        return name, pretrained
    if pretrained not in NAMES:
        raise UnknownNameError("--pretrained", pretrained, ("True", "False", *NAMES))
    if name.split(":")[0].lower() != NAMES[pretrained]:
        raise BadValueError(f"--pretrained {pretrained} requires --backbone {NAMES[pretrained]}, not {name}")
    return name if ":" in name else name + GRAY, pretrained


def load_xray(model: Classifier, word: str) -> None:
    """Load the weights ``word`` into the extractor of ``model``. Its head, which has other findings, is not changed.

    The file is downloaded once. Raises ``NotAvailableError`` with its URL and path if it is not available.
    """
    weights, _ = extractor_weights(state(word), model)
    missing = [name for name in model.state_dict() if name.startswith("extractor.") and name not in weights]
    if missing:
        lacking = f"{len(missing)} weights of {NAMES[word]} ({examples(missing)})"
        raise DataError(f"the file of {word} lacks {lacking}: delete it to download it again")
    model.load_state_dict(weights, strict=False)


def extractor_weights(state: Mapping[str, Tensor], model: Classifier) -> tuple[dict[str, Tensor], list[str]]:
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
    weights = {ours[name]: _coloured(state[full], target[ours[name]]) for full, name in short.items() if name in ours}
    return weights, [full for full, name in short.items() if name not in ours and not HEAD.match(name)]


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
    grey = value.ndim == 4 and value.shape[1] == 1 and target.shape == (len(value), 3, *value.shape[2:])
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
    except (*UNABLE, OSError, EOFError, pickle.UnpicklingError) as error:
        if code := code_in(path, error):
            raise DataError(f"{path} would run {code}: delete it, {RANDOM}") from error
        raise _broken(path) from error
    weights = content.state_dict() if isinstance(content, torch.nn.Module) else content
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise _broken(path)
    return weights


def _broken(path: Path) -> DataError:
    return DataError(f"{path} does not contain weights of torchxrayvision (truncated?): delete it, {RANDOM}")


def library(word: str) -> ModuleType:
    """Import torchxrayvision without the folders that it adds to ``sys.path``: one has a module named ``config``."""
    path = [*sys.path]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torchxrayvision
    except ImportError as error:
        advice = "pip install '.[xrv]', or use random weights (--pretrained False)"
        raise NotAvailableError(f"{word} requires torchxrayvision: {advice}") from error
    finally:
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
    return source, [base / Path(source).name for base in (folder(), Path(xrv.utils.get_cache_dir()).expanduser())]


def _not_available(word: str, source: str, path: Path) -> NotAvailableError:
    return NotAvailableError(f"weights {word} not found: download {source} to {path}, {RANDOM}")


def _classes(xrv: ModuleType) -> set[type]:
    """Return the layer types of its networks; the file of a whole network may contain no other types."""
    layers = {type(part) for part in xrv.models.DenseNet(weights=None).modules()}
    return {*layers, set}
