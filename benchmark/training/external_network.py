"""External networks: build from flags, load weights, find the layers, name the outputs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from backbones import Classifier, build_from_config, networks
from backbones.forward_trace import observe
from backbones.model_spec import ModelSpec
from backbones.networks import ExternalNetwork
from backbones.traced import find_model_spec
from backbones.wrapped import channels_of
from benchmark.training import load, load_weights, runs
from config import TrainConfig
from core.errors import BadValueError
from core.files import json_hash, safe_filename
from core.flags.network import NetworkFlags
from core.types import IMAGENET_MEAN, IMAGENET_STD

log = logging.getLogger(__name__)
GRAY_MEAN, GRAY_STD = (sum(IMAGENET_MEAN) / 3,), (sum(IMAGENET_STD) / 3,)
"""Mean and standard deviation of ImageNet for one channel, as in timm."""
SIDE = 224
FOLDER = "models"
"""Folder of these runs in ``runs``."""


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
    """Preprocessing before images are resized (``datasets.io.preprocess``)."""


def build(
    flags: NetworkFlags, default_findings: Sequence[str] = (), default_img_size: int | None = None
) -> LoadedNetwork:
    """Build the network of ``flags.model``; the defaults are the findings and the image size of the data set.

    Values that the flags do not set come from the project of the network or are detected, and are logged. Raises
    ``LocusError`` for values that do not fit, with the flag to write.
    """
    word = str(flags.model)
    network = networks.build(word, len(flags.findings) or len(default_findings) or None, flags.channels)
    weights = network.weights
    if flags.weights:
        weights = load_weights.load_foreign(network.module, load.weights(flags.weights), flags.weights, word)
    channels = flags.channels or network.channels or channels_of(network.module)
    size = flags.img_size or network.img_size or default_img_size or SIDE
    trace = observe(network.module, channels, size)
    spec, outputs = find_model_spec(network.module, trace, flags.features, flags.head), trace.logits.shape[1]
    mean, std, normalisation = _normalisation(flags, network, channels)
    findings = _findings(flags, network.findings or tuple(default_findings), outputs)
    model = build_from_config.assemble(word, network, spec, outputs, channels, mean, std).eval()
    model.set_outputs(findings, size)
    log.info("%s: %s; weights: %s; images of %d px, %s", word, spec, weights, size, normalisation)
    return LoadedNetwork(model, network, size, spec, weights, normalisation, flags.preprocess)


def _findings(flags: NetworkFlags, default_findings: tuple[str, ...], outputs: int) -> tuple[str, ...]:
    """Return the names of the outputs: from the flags, else from the network's project, else from the data set."""
    findings = flags.findings or default_findings
    if len(findings) != outputs:
        named = f"{'--findings' if flags.findings else 'the data set'} has {len(findings)} findings"
        advice = "use --findings with a name for each output, in their order"
        raise BadValueError(f"{flags.model} has {outputs} outputs, but {named}: {advice}")
    return findings


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
    """Load a finished run of ``main.py``, a converted run, or a run of another network: see ``load.network``."""
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
    hashed = json_hash([stamp, load.digest(load_weights.prefixed(model))])[:8]
    folder = runs_dir / FOLDER / f"{safe_filename(Path(str(declared['entry'])).name)}-{hashed}"
    if not (folder / "best.ckpt").is_file():
        runs.write_network(folder, config, model, stamp)
    return folder
