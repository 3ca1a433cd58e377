"""External networks by name, built as classifiers and rebuilt from the configuration in a checkpoint.

``build``     the network of a word: ``net.py:build``, ``timm:…``, ``torchvision:…``, ``xrv:…`` or ``hf:…``
``assemble``  the classifier made from this network and the names of its layers
``rebuild``   the classifier of a checkpoint, without its weights; also for networks of Locus

Layers are found by ``locus.backbones.wrapping``, weights are loaded by ``locus.benchmark.training.load``.
"""

import difflib
import inspect
import logging
import pickle
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter

from locus import backbones
from locus.backbones import grids, weight_files
from locus.backbones.classifier import Classifier, normalised
from locus.backbones.find_head import ModelSpec
from locus.backbones.wrapping import connect
from locus.core import user_code
from locus.core.errors import BadValueError, DataError, LocusError, NotAvailableError, UnknownNameError, one_line
from locus.core.user_code import code_hash, local_files

log = logging.getLogger(__name__)
Numbers = tuple[float, ...]


@dataclass(frozen=True)
class ExternalNetwork:
    """Third-party network with the properties of its images and outputs; None or empty if unknown."""

    module: nn.Module
    weights: str
    """Description of its weights."""
    img_size: int | None = None
    channels: int | None = None
    mean: Numbers | None = None
    """Mean of the grey values in [0, 1], one for all channels or one per channel."""
    std: Numbers | None = None
    findings: tuple[str, ...] = ()
    """Names of its outputs."""
    architecture: dict[str, Any] | None = None
    """Configuration needed to rebuild the network, if its name is not enough (transformers)."""


def build(word: str, outputs: int | None, channels: int | None = None) -> ExternalNetwork:
    """Build the network that ``word`` names, with ``outputs`` logits (None: the default of the library or file).

    Random weights are the same in every call. Raises ``LocusError`` for an unknown network, a missing library and
    errors in a user's file.
    """
    source, _, name = word.partition(":")
    if not user_code.runs_code(word) and source not in SOURCES:
        forms = f"path/to/file.py:build, {', '.join(f'{s}:NAME' for s in SOURCES)}"
        raise BadValueError(f"unknown network {word!r}: use one of {forms}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        if user_code.runs_code(word):
            return ExternalNetwork(*_in_float32(_from_file(word, outputs)))
        return SOURCES[source](name, outputs, channels)


def _from_file(word: str, outputs: int | None) -> nn.Module:
    """Call ``build`` of a user's file, with ``num_classes`` if it has this parameter."""
    make = user_code.from_file(word, "network", "function or class")
    asks = False
    try:
        asks = "num_classes" in inspect.signature(make).parameters and outputs is not None
        module = make(num_classes=outputs) if asks else make()
    except user_code.ANYTHING as error:
        called = f"called with num_classes={outputs}" if asks else "called without arguments"
        raise LocusError(f"{word}, {called}, raised {type(error).__name__}: {error}") from error
    if not isinstance(module, nn.Module):
        raise BadValueError(f"{word} returns a {type(module).__name__}: it must return an nn.Module")
    return module


def _in_float32(module: nn.Module) -> tuple[nn.Module, str]:
    """Return the network in float32, and a description of its weights."""
    types = {str(weight.dtype) for weight in module.parameters() if weight.is_floating_point()} - {"torch.float32"}
    if not types or any(isinstance(weight, UninitializedParameter) for weight in module.parameters()):
        return module, "set by its build function"
    return module.float(), f"set by its build function, converted from {', '.join(sorted(types))} to float32"


def _timm(name: str, outputs: int | None, channels: int | None) -> ExternalNetwork:
    import timm

    if not timm.is_model(name):
        raise UnknownNameError("timm network", name, difflib.get_close_matches(name, timm.list_models(), n=5))
    options = {"in_chans": channels or 3, **grids.options(name)}
    module: Any = timm.create_model(name, num_classes=_require_outputs(name, outputs), **options)
    config = module.pretrained_cfg
    mean, std = (tuple(config[word]) if channels != 1 else None for word in ("mean", "std"))
    return ExternalNetwork(module, "random", config["input_size"][-1], channels or 3, mean, std)


def _torchvision(name: str, outputs: int | None, channels: int | None) -> ExternalNetwork:
    import torchvision

    names = torchvision.models.list_models(module=torchvision.models)
    if name not in names:
        raise UnknownNameError("torchvision network", name, difflib.get_close_matches(name, names, n=5))
    module = torchvision.models.get_model(name, weights=None, num_classes=_require_outputs(name, outputs))
    return ExternalNetwork(module, "random")


def _xrv(name: str, outputs: int | None, channels: int | None) -> ExternalNetwork:
    """Build torchxrayvision's DenseNet-121 with random weights, or the network of named weights."""
    library = weight_files.library(name)
    size = 512 if "512" in name else 224
    grey: dict[str, Any] = {"img_size": size, "channels": 1, "mean": (0.5,), "std": (1 / 2048,)}
    if name in weight_files.NAMES and "densenet" in name:
        findings = tuple(f or f"output {n}" for n, f in enumerate(library.models.model_urls[name]["labels"]))
        module = library.models.DenseNet(weights=None, num_classes=len(findings))
        module.load_state_dict(weight_files.state(name), strict=False)  # operating points do not affect logits
        return ExternalNetwork(module, name, findings=findings, **grey)
    if name != "densenet121":
        raise UnknownNameError("network of torchxrayvision", name, ("densenet121", *weight_files.NAMES))
    module = library.models.DenseNet(weights=None, num_classes=_require_outputs(name, outputs))
    return ExternalNetwork(module, "random", **grey)


def _hf(name: str, outputs: int | None, channels: int | None) -> ExternalNetwork:
    """Load an image classifier from Hugging Face's transformers from the hub or a local folder."""
    auto = _transformers(name)
    try:
        module = auto.AutoModelForImageClassification.from_pretrained(name, trust_remote_code=False)
    except pickle.UnpicklingError as error:
        code = re.search(r"\bGLOBAL ([\w.]+)", str(error))
        reason = f"its weights would run {code[1]}" if code else "its weights are truncated or are not pure data"
        advice = "choose another network, or ask its authors for model.safetensors"
        raise DataError(f"hf:{name} was not loaded because {reason}: {advice}") from error
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n")[0]
        advice = "give a local folder or the name of an image classifier on the hub"
        raise NotAvailableError(f"hf:{name} cannot be loaded ({reason}): {advice}") from error
    config, labels = module.config, module.config.id2label
    named = tuple(labels[k] for k in sorted(labels)) if not str(labels.get(0, "LABEL_0")).startswith("LABEL_") else ()
    size = getattr(config, "image_size", None)
    processor = _processor(auto, name)
    return ExternalNetwork(
        module.eval(),
        f"{name}'s",
        _processed_size(processor) or (int(size[0] if isinstance(size, list | tuple) else size) if size else None),
        getattr(config, "num_channels", None),
        *_statistics(processor),
        findings=named,
        architecture=config.to_dict(),
    )


def _processor(auto: Any, name: str) -> Any:
    """Return the image processor of a transformers network; None if it has none."""
    try:
        return auto.AutoImageProcessor.from_pretrained(name, trust_remote_code=False)
    except (OSError, ValueError, ImportError, AttributeError, TypeError):
        return None


def _statistics(processor: Any) -> tuple[Numbers | None, Numbers | None]:
    """Return mean and standard deviation of grey values in [0, 1] that give the images of a processor."""
    if processor is None:
        return None, None
    factor = getattr(processor, "rescale_factor", 1 / 255) if getattr(processor, "do_rescale", True) else 1.0
    mean, std = processor.image_mean, processor.image_std
    if not getattr(processor, "do_normalize", True):
        mean, std = [0.0], [1.0]
    if not mean or not std:
        return None, None
    return tuple(value / factor / 255 for value in mean), tuple(value / factor / 255 for value in std)


def _processed_size(processor: Any) -> int | None:
    """Return the side of the square images of a processor; None if it does not resize. Raises ``BadValueError``."""
    crops = getattr(processor, "do_center_crop", False)
    size = getattr(processor, "crop_size" if crops else "size", None)
    if size is None or not (crops or getattr(processor, "do_resize", False)):
        return None
    sides = {side for word in ("height", "width", "shortest_edge") if (side := size.get(word))}
    if len(sides) > 1:
        raise BadValueError(f"the images of its processor are not square ({size}): not supported")
    return int(sides.pop()) if sides else None


def rebuild_module(word: str, outputs: int, channels: int, architecture: dict[str, Any] | None) -> nn.Module:
    """Build a network of the same architecture, without its weights."""
    if architecture is None:
        plain = "xrv:densenet121" if word.startswith("xrv:") else word
        return build(plain, outputs, channels).module
    auto = _transformers(word)
    try:
        config = auto.AutoConfig.for_model(**architecture)
        module: nn.Module = auto.AutoModelForImageClassification.from_config(config, trust_remote_code=False)
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise NotAvailableError(f"transformers cannot rebuild the network {word}: {one_line(error)}") from error
    return module


def _transformers(name: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        raise NotAvailableError(f"hf:{name} requires transformers: pip install '.[hf]'") from error
    transformers.logging.set_verbosity_error()
    return transformers


def _require_outputs(name: str, outputs: int | None) -> int:
    if outputs is None:
        raise BadValueError(f"the number of outputs of {name} is unknown: list them with --findings, in order")
    return outputs


SOURCES: dict[str, Callable[[str, int | None, int | None], ExternalNetwork]] = {
    "timm": _timm,
    "torchvision": _torchvision,
    "xrv": _xrv,
    "hf": _hf,
}
"""Library before the colon -> function that builds its networks."""


def assemble(
    word: str,
    network: ExternalNetwork,
    spec: ModelSpec,
    outputs: int,
    channels: int,
    mean: Sequence[float],
    std: Sequence[float],
) -> Classifier:
    """Build the ``network`` of ``word`` as a classifier with a config; ``mean`` and ``std`` normalise its images."""
    config = {
        "network": word,
        "outputs": outputs,
        "channels": channels,
        "mean": list(mean),
        "std": list(std),
        "wiring": asdict(spec),
        "architecture": network.architecture,
        "code": _code(word),
    }
    return _connected(network.module, config)


def is_whole(config: Mapping[str, Any], outputs: int) -> bool:
    """Return True if ``Classifier.build_options`` read from a file are complete and match the number of ``outputs``."""
    if "network" not in config:
        return bool(config.get("num_classes") == outputs)
    match config:
        case {"network": str(), "outputs": count, "wiring": dict(spec), **rest}:
            complete = {"channels", "mean", "std", "architecture", "code"} <= rest.keys()
            used = spec.get("outputs") or range(count if isinstance(count, int) else 0)
            return bool(
                complete and len(used) == outputs and spec.keys() == {field.name for field in fields(ModelSpec)}
            )
    return False


def rebuild(config: Mapping[str, Any], where: str, trust: bool = False) -> Classifier:
    """Rebuild a classifier from its ``Classifier.build_options``, without its weights.

    ``where``: source of the config, for error messages. ``trust``: allow a network of a Python file, which is run.
    Raises ``BadValueError`` for such a network without ``trust``, and ``DataError`` if the file has changed.
    """
    if "network" not in config:
        return backbones.build(**config)
    word = config["network"]
    if not trust:
        user_code.refuse_code([word], where)
    if config["code"] != _code(word):
        changed = "or a module that it imports has changed or was removed since this run was created"
        raise DataError(f"{user_code.file_of(word)} {changed}: restore it or create the run again")
    module = rebuild_module(word, config["outputs"], config["channels"], config["architecture"])
    return _connected(module, config)


def _connected(module: nn.Module, config: Mapping[str, Any]) -> Classifier:
    rescale = normalised(config["mean"], config["std"], config["channels"])
    model = connect(module, ModelSpec(**config["wiring"]), config["channels"], rescale)
    model.build_options = dict(config)
    return model


def _code(word: str) -> str | None:
    """Return the hash of the user's file in ``word`` with its local modules; None if there is no such file."""
    file = user_code.file_of(word)
    return code_hash(local_files(file)) if file is not None and file.is_file() else None
