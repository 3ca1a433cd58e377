"""Build external networks as classifiers, and rebuild them from the configuration in a checkpoint."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from torch import nn

import backbones
from backbones import networks
from backbones.classifier import Classifier
from backbones.model_spec import ModelSpec, connect
from backbones.networks import ExternalNetwork
from backbones.rescaled import normalised
from core import user_code
from core.code import code_hash, local_files
from core.errors import DataError


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
            return bool(complete and count == outputs and spec.keys() == {field.name for field in fields(ModelSpec)})
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
    module = networks.rebuild(word, config["outputs"], config["channels"], config["architecture"])
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
