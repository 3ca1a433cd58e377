"""Networks of other projects (``--model``).

``build``      an external network: load weights, find the layers, name the outputs
``write_run``  the run folder of an external network, so that a suite can use it like a training run

The networks are built by ``locus.backbones.external``, weights are read by ``locus.benchmark.training.load``.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from locus.backbones import Classifier, external, probe_grid
from locus.backbones.external import ExternalNetwork
from locus.backbones.find_head import ModelSpec, find_model_spec, observe
from locus.backbones.wrapping import channels_of, select_outputs, use_columns
from locus.benchmark.training import load, runs
from locus.config import NetworkFlags, TrainConfig
from locus.core.errors import BadValueError
from locus.core.files import json_hash, safe_filename
from locus.core.names import duplicates
from locus.core.types import GRAY_MEAN, GRAY_STD, IMAGENET_MEAN, IMAGENET_STD

log = logging.getLogger(__name__)
SIDE = 224
FOLDER = "models"
"""Folder in ``runs`` for the runs of external networks."""


@dataclass(frozen=True, eq=False)
class LoadedNetwork:
    """A network that is ready to be explained."""

    model: Classifier
    """The network with the names of its outputs."""
    network: ExternalNetwork | None
    """The network as its project builds it; None for a run of this project."""
    img_size: int
    spec: ModelSpec | None
    """Its layers; None for a network of this project."""
    weights: str
    """Number and source of the weights."""
    normalisation: str
    """Mean and standard deviation of the input, and their source."""
    preprocess: str
    """Preprocessing before images are resized (``locus.datasets.io.preprocess``)."""
    columns: tuple[int, ...] | None = None
    """Outputs of the network that are used; None for all of them."""


def build(
    flags: NetworkFlags, default_findings: Sequence[str] = (), default_img_size: int | None = None
) -> LoadedNetwork:
    """Build the network of ``flags.model``; the defaults are the findings and the image size of the data set.

    Values that the flags do not set come from the project of the network or are detected, and are logged. Raises
    ``LocusError`` for values that do not fit, with the flag to write.
    """
    word = str(flags.model)
    named = name_map(flags.findings) or flags.findings
    count = None if isinstance(named, dict) else len(named) or len(default_findings) or None
    network = external.build(word, count, flags.channels)
    weights = network.weights
    if flags.weights:
        weights = load.load_external(network.module, load.weights(flags.weights), flags.weights, word)
    channels = flags.channels or network.channels or channels_of(network.module)
    size = flags.img_size or network.img_size or default_img_size or SIDE
    trace = observe(network.module, channels, size)
    names, columns = _select(named, network.findings, default_findings, trace.logits)
    spec = use_columns(find_model_spec(network.module, trace, flags.features, flags.head), columns)
    spec = replace(spec, grid=probe_grid.parse(flags.grid) if flags.grid else None)
    mean, std, normalisation = _normalisation(flags, network, channels)
    model = external.assemble(word, network, spec, trace.logits.shape[1], channels, mean, std).eval()
    model.set_outputs(names, size).grid((size, size))
    log.info("%s: %s; weights: %s; images of %d px, %s", word, spec, weights, size, normalisation)
    return LoadedNetwork(model, network, size, spec, weights, normalisation, flags.preprocess, columns)


def name_map(findings: Sequence[str]) -> dict[str, int]:
    """Return the columns of outputs that are named like ``Effusion=3``; empty if no name has a ``=``.

    >>> name_map(["Effusion=3", "Mass=5"]), name_map(["Effusion"])
    ({'Effusion': 3, 'Mass': 5}, {})
    """
    parts = [word.rpartition("=") for word in findings]
    if not any(equals for _, equals, _ in parts):
        return {}
    if wrong := [
        word for word, (name, _, column) in zip(findings, parts, strict=True) if not (name and column.isdecimal())
    ]:
        raise BadValueError(f"--findings has {wrong[0]!r} in a name map: write NAME=NUMBER, such as Effusion=3")
    if twice := duplicates([name for name, _, _ in parts]):
        raise BadValueError(f"--findings has {twice[0]} more than once: give each finding one output")
    return {name: int(column) for name, _, column in parts}


def _select(
    named: Sequence[str] | dict[str, int], project: Sequence[str], usual: Sequence[str], logits: Tensor
) -> tuple[tuple[str, ...], tuple[int, ...] | None]:
    """Return names and columns of the outputs: from the flags, else the network's project, else the data set."""
    for names, where in ((named, "--findings"), (project, "the network's project"), (usual, "the data set")):
        if names:
            return select_outputs(names, logits, where)
    raise BadValueError(f"the names of the {logits.shape[1]} outputs are unknown: list them with --findings, in order")


def _normalisation(
    flags: NetworkFlags, network: ExternalNetwork, channels: int
) -> tuple[tuple[float, ...], tuple[float, ...], str]:
    """Return mean and standard deviation, from the flags, the network's project or ImageNet, and a description."""
    if bool(flags.mean) != bool(flags.std):
        raise BadValueError("--mean and --std require each other: use both, or leave both out")
    if flags.mean:
        mean, std, source = flags.mean, flags.std, "from the flags"
    elif network.mean and network.std:
        mean, std, source = network.mean, network.std, "from its project"
    else:
        mean, std = (IMAGENET_MEAN, IMAGENET_STD) if channels == 3 else (GRAY_MEAN, GRAY_STD)
        source = "ImageNet; change with --mean and --std"
    numbers = (" ".join(f"{value:.4g}" for value in values) for values in (mean, std))
    return mean, std, "mean {}, std {} ({})".format(*numbers, source)


def of_run(path: Path, trust: bool) -> LoadedNetwork:
    """Load a finished run of ``main.py`` or a run of another network: see ``load.network``."""
    checkpoint = load.checkpoint(path)
    model, size = checkpoint.network(trust), checkpoint.config.img_size
    weights = f"all {len(model.state_dict())} of {path}, none missing, none unexpected"
    stored = (model.build_options or {}).get("wiring")
    source = "from its run" if stored else "ImageNet"
    spec = ModelSpec(**stored) if stored else None
    return LoadedNetwork(model, None, size, spec, weights, source, checkpoint.config.preprocess)


def write_run(
    flags: NetworkFlags, runs_dir: Path, default_findings: Sequence[str] = (), default_img_size: int | None = None
) -> Path:
    """Build the network of ``flags`` and write its run folder in ``runs_dir``; return the folder.

    The name of the folder includes a hash of the weights and layers, so the same network is written once.
    """
    loaded = build(flags, default_findings, default_img_size)
    model, size = loaded.model, loaded.img_size
    config = TrainConfig(backbone=str(flags.model), pretrained=False, img_size=size, preprocess=flags.preprocess)
    declared = {"entry": flags.entry or flags.model, "trained_on": flags.trained_on or ""}
    stamp = {**runs.stamp(config, model, model.findings), **declared}
    hashed = json_hash([stamp, load.digest(load.prefixed(model))])[:8]
    folder = runs_dir / FOLDER / f"{safe_filename(Path(str(declared['entry'])).name)}-{hashed}"
    if not (folder / "best.ckpt").is_file():
        runs.write_network(folder, config, model, stamp)
    return folder
