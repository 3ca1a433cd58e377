"""Weights that torchxrayvision learnt on radiographs, by its names for them, as a start in ImageNet's place."""

import pickle
import sys
import warnings
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor

from backbones import torch_files
from backbones.classifier import Classifier
from backbones.consistency import UNABLE
from backbones.pretrained import folder, reachable
from backbones.published import translate
from core.errors import BadValueError, DataError, NotAvailableError, UnknownNameError, examples

NAMES = {
    **{
        f"densenet121-res224-{word}": "densenet121"
        for word in ("all", "chex", "mimic_ch", "mimic_nb", "nih", "pc", "rsna")
    },
    "resnet50-res512-all": "resnet50",
}
"""Its name for the weights -> the backbone that they belong to."""
RANDOM = "or take random ones (--pretrained False; as --model: xrv:densenet121)"
GRAY = ":mean=127.5,std=0.12451171875"
"""Its networks see gray values of -1024 to 1024: (p - 127.5) / (127.5 / 1024) of p in [0, 255]."""


def resolve(name: str, pretrained: bool | str) -> tuple[str, bool | str]:
    """Backbone and weights that two flags mean together: either may name torchxrayvision's weights.

    ``densenet121-res224-nih`` as a backbone is the network that such weights want, with them unless ``pretrained`` is
    False. Raises ``UnknownNameError`` for no such name, ``BadValueError`` where it belongs to another backbone.
    """
    if name in NAMES:
        name, pretrained = NAMES[name], name if pretrained is True else pretrained
        if pretrained is False:
            return name + GRAY, False
    if isinstance(pretrained, bool):
        return name, pretrained
    if pretrained not in NAMES:
        raise UnknownNameError("value of --pretrained", pretrained, ("True", "False", *NAMES))
    if name.split(":")[0].lower() != NAMES[pretrained]:
        raise BadValueError(f"--pretrained {pretrained} belongs to --backbone {NAMES[pretrained]}, not {name}")
    return name if ":" in name else name + GRAY, pretrained


def load(model: Classifier, word: str) -> None:
    """Give the extractor of ``model`` the weights ``word``; its head stays as it is, for it has other findings.

    The file is fetched once. Raises ``NotAvailableError`` that names it and its place where it cannot be had.
    """
    weights, ours = translate(state(word), model).state, model.state_dict()
    missing = [name for name in ours if name.startswith("extractor.") and name not in weights]
    if missing:
        raise DataError(f"{word} lacks {len(missing)} weights of {NAMES[word]} ({examples(missing)}): delete the file")
    model.load_state_dict({name: weights[name] for name in weights if name.startswith("extractor.")}, strict=False)


def require(word: str) -> None:
    """Raise ``NotAvailableError`` where the weights ``word`` are neither here nor within reach; said in seconds."""
    xrv = library(word)
    source, paths = _places(xrv, word)
    if not any(map(Path.is_file, paths)) and not reachable(source):
        raise _not_available(word, source, paths[0])


def state(word: str) -> dict[str, Tensor]:
    """The weights ``word`` by torchxrayvision's names for them. No code that a file might bring is run."""
    xrv = library(word)
    path = _file(xrv, word)
    try:
        content = torch_files.load(path, _classes(xrv))
    except (*UNABLE, OSError, EOFError, pickle.UnpicklingError) as error:
        if code := torch_files.code_in(path, error):
            raise DataError(f"{path} would run {code}: delete it, {RANDOM}") from error
        raise _broken(path) from error
    weights = content.state_dict() if isinstance(content, torch.nn.Module) else content
    if not isinstance(weights, dict) or not all(isinstance(value, Tensor) for value in weights.values()):
        raise _broken(path)
    return weights


def _broken(path: Path) -> DataError:
    return DataError(f"{path} holds no weights of torchxrayvision (truncated?): delete it, {RANDOM}")


def library(word: str) -> ModuleType:
    """torchxrayvision, imported without the folders it leaves on ``sys.path``, where a ``config`` of its own lies."""
    path = [*sys.path]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import torchxrayvision
    except ImportError as error:
        sentence = f"{word} needs torchxrayvision: pip install '.[xrv]', or leave it out (--pretrained False)"
        raise NotAvailableError(sentence) from error
    finally:
        sys.path[:] = path
    package: ModuleType = torchxrayvision
    return package


def _file(xrv: ModuleType, word: str) -> Path:
    """Where the weights lie; they are fetched where they do not."""
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
    """The weights' address, and where they may lie: among torch's checkpoints or torchxrayvision's own."""
    source = str(xrv.models.model_urls[word]["weights_url"])
    return source, [base / Path(source).name for base in (folder(), Path(xrv.utils.get_cache_dir()).expanduser())]


def _not_available(word: str, source: str, path: Path) -> NotAvailableError:
    return NotAvailableError(f"no weights {word}: lay {source} at {path}, {RANDOM}")


def _classes(xrv: ModuleType) -> set[type]:
    """The kinds of layers that its networks are made of: a file of a whole network may name these and no others."""
    layers = {type(part) for part in xrv.models.DenseNet(weights=None).modules()}
    return {*layers, set}
