"""Check a network and report the table; most checks need no labelled images."""

from pathlib import Path

import torch
from tabulate import tabulate
from torch import Tensor, nn

import datasets
import methods
from backbones.consistency import logits_of
from benchmark.check import AnswerRow, conclude
from benchmark.check.model import labelled
from benchmark.explain import explain
from benchmark.training import external_network, machine
from benchmark.training.external_network import SIDE, LoadedNetwork
from config import ModelCheckConfig
from core.errors import LocusError, NotAvailableError
from core.flags.network import network_flags
from core.seeds import generator
from core.types import Echo
from datasets.io import transforms

TOLERANCE = 1e-5
"""Relative to the largest logit."""


def run(config: ModelCheckConfig, echo: Echo) -> list[str]:
    """Check the network of ``config`` and ``echo`` the table; return the questions that it fails.

    Raises ``LocusError`` for a network that cannot be built, loaded or wrapped.
    """
    machine.configure_torch(config.threads)
    side = config.img_size or SIDE
    data = None if config.data is None else datasets.load(config.data, config.data_root_dir, img_size=side)
    network = network_flags(config)
    usual = () if data is None else data.findings
    loaded = (
        external_network.of_run(Path(str(config.model)), config.trust)
        if network is None
        else external_network.build(network, usual)
    )
    rows = answers(loaded) + ([] if data is None else labelled.answers(loaded, data, config.images))
    echo(tabulate([row[:3] for row in rows], headers=("question", "verdict", "seen"), maxcolwidths=[None, None, 100]))
    return conclude(str(config.model), rows, echo)


def answers(loaded: LoadedNetwork) -> list[AnswerRow]:
    """Return rows on weights, layers and images, which are not judged, and on logits, grid and methods.

    Logits are compared with those of the original network.
    """
    steps = "" if loaded.preprocess == "none" else f", preprocessed by {loaded.preprocess}"
    informative = [
        AnswerRow("weights", "info", loaded.weights),
        AnswerRow("layers", "info", str(loaded.spec or "a network of Locus")),
        AnswerRow("images", "info", f"{loaded.img_size} px, {loaded.normalisation}{steps}"),
    ]
    compared = [] if loaded.network is None else [_logits(loaded, loaded.network.module.eval())]
    return [*informative, *compared, _grid(loaded), *_methods(loaded)]


def pixels(loaded: LoadedNetwork, count: int = 2) -> Tensor:
    """Return uint8 noise (count,S,S), where S is the side of the network's images."""
    values = generator(0, "check a model").integers(0, 256, (count, loaded.img_size, loaded.img_size), dtype="uint8")
    return torch.from_numpy(values)


@torch.no_grad()
def _logits(loaded: LoadedNetwork, module: nn.Module) -> AnswerRow:
    """Compare the logits of grey images with those of the original network on manually normalised images."""
    config = loaded.model.build_options or {}
    grey = pixels(loaded)
    mean, std = (torch.tensor(config[word], dtype=torch.float64).reshape(-1, 1, 1) for word in ("mean", "std"))
    images = (grey[:, None].double() / 255 - mean) / std
    reference = logits_of(module(images.expand(-1, config["channels"], -1, -1).float()))
    ours = loaded.model(transforms.evaluation()(grey))
    gap = float((ours - reference).abs().max() / reference.abs().max().clamp(min=1e-12))
    if gap <= TOLERANCE:
        return AnswerRow("logits", "pass", f"equal to the original network's (relative difference {gap:.1g})")
    for word, after in (("sigmoid", ours.sigmoid()), ("softmax", ours.softmax(1))):
        if torch.allclose(after, reference, atol=1e-5):
            return AnswerRow("logits", "pass", f"equal to the original network's before its {word}")
    return AnswerRow("logits", "fail", f"differ from the original network's by {gap:.2g}: check what follows the head")


def _grid(loaded: LoadedNetwork) -> AnswerRow:
    side = loaded.img_size
    try:
        grid = loaded.model.grid((side, side))
    except LocusError as error:
        return AnswerRow("grid", "fail", str(error))
    if loaded.spec is None:
        how = "computed from its modules"
    else:
        patch = loaded.spec.patch
        how = f"from patches of {patch} pixels" if patch else "found by probing with gradients"
    return AnswerRow("grid", "pass", f"stride {grid.stride}, offset {grid.offset}, {how}")


def _methods(loaded: LoadedNetwork) -> list[AnswerRow]:
    """Check which methods work: all fast methods, and the slow methods that do not support all networks."""
    images, slow = transforms.evaluation()(pixels(loaded, 1)), methods.expand(["slow"])
    tried = [word for word in slow if methods.get(word).networks]
    try:
        maps = explain(loaded.model, images, methods="fast")
        reasons = {**maps.absent, **{word: _reason(loaded, images, word) for word in tried}}
    except LocusError as error:
        return [AnswerRow("methods", "fail", str(error))]
    serve = ", ".join([*maps, *(word for word in tried if not reasons[word])])
    rest = ", ".join(word for word in slow if word not in tried)
    none = [AnswerRow(f"method {word}", "info", f"n/a: {reason}") for word, reason in reasons.items() if reason]
    return [AnswerRow("methods", "pass", f"{serve}; not tried, since they support all networks: {rest}"), *none]


def _reason(loaded: LoadedNetwork, images: Tensor, word: str) -> str:
    """Return why the method ``word`` gives no map; empty if it gives one."""
    try:
        explain(loaded.model, images, methods=[word])
    except NotAvailableError as error:
        return str(error)
    return ""
