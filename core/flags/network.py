"""Flags of somebody else's network."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from core.cli import AtLeast
from core.errors import BadValueError
from core.flags.data import DataSet
from core.user_code import runs_code

SOURCES = ("timm", "torchvision", "xrv", "hf")
"""Projects whose networks have names: ``timm:NAME``."""


@dataclass(frozen=True)
class WiringFlags:
    """Network of --model: how it is read."""

    weights: str | None = None
    """File of the network's weights (.pt, .pth, .ckpt, .safetensors); null leaves those that it is built with."""
    features: str | None = None
    """Submodule that gives the feature map (layer4), or a transformer's tokens; null: found, and said."""
    head: str | None = None
    """The linear layer behind the pooled features (fc); null: found, or all that follows the features."""
    mean: tuple[float, ...] = ()
    """Mean of the gray values in [0, 1] that its images want, one number or one per channel; none: its project's, else
    ImageNet's, and said."""
    std: tuple[float, ...] = ()
    """Standard deviation that goes with --mean."""
    channels: Literal[1, 3] | None = None
    """Channels of its images; null: those of its first convolution."""
    img_size: Annotated[int | None, AtLeast(32)] = None
    """Side in pixels of its images; null: its project's, else the suite's, else 224."""


@dataclass(frozen=True)
class NetworkFlags(WiringFlags):
    """Anyone's network."""

    model: str | None = None
    """path/to/file.py:build (a function or class that gives an nn.Module; this runs the file's code), timm:NAME,
    torchvision:NAME, xrv:NAME or hf:NAME (transformers' image classifiers; or hf:FOLDER)."""
    findings: tuple[str, ...] = ()
    """What its outputs stand for, in their order, in any usual spelling; none: what its project says, else the data
    set's findings where the number fits."""
    entry: str | None = None
    """Its name in the tables' column backbone; null: its word, or its run's name."""
    trained_on: str | None = None
    """What it was trained on, shown in the tables. A data set's word: its training images are searched in the test set.
    A .txt or .csv file of image names: those images are left out and counted."""


@dataclass(frozen=True)
class ModelCheckFlags(NetworkFlags):
    """Network to check: --model may be a run folder or best.ckpt too."""

    data: Annotated[str | None, DataSet("datasets", "dataset")] = None
    """Data set (NIH, phantom …) whose labelled test images tell whether outputs and images are as said; null asks
    nothing of that."""
    data_root_dir: str | None = None
    """Folder of its files; null is data/<data>, or $LOCUS_DATA/<data>."""
    images: Annotated[int, AtLeast(10)] = 200
    """At most so many of its images."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """CPU threads of torch; null is as many as the process may run on."""
    trust: bool = False
    """Run a Python file that the run of --model names (docs/security.md)."""


def is_network(word: str | None) -> bool:
    """Whether ``word`` names somebody else's network.

    >>> [is_network(word) for word in ("net.py:build", "hf:google/vit-base", "resnet18", "runs/x/best.ckpt")]
    [True, True, False, False]
    """
    source, colon, _ = (word or "").partition(":")
    return runs_code(word) or bool(colon and source in SOURCES)


def network_flags(config: Any) -> NetworkFlags | None:
    """The flags of somebody else's network among those of a command; None where ``--model`` names none.

    Raises ``BadValueError`` for flags that say how a network is read that nobody names.
    """
    if is_network(config.model):
        return NetworkFlags(
            **{field.name: getattr(config, field.name) for field in fields(NetworkFlags) if hasattr(config, field.name)}
        )
    if extra := [field.name for field in fields(WiringFlags) if getattr(config, field.name) != field.default]:
        sources = ", ".join(f"{source}:NAME" for source in SOURCES)
        advice = f"write --model path/to/file.py:build or {sources} too"
        raise BadValueError(f"--{extra[0]} is of somebody's network: {advice}")
    return None
