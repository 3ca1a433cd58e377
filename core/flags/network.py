"""Flags of external networks."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from core.cli import AtLeast
from core.errors import BadValueError
from core.flags.data import DataSet
from core.user_code import runs_code

SOURCES = ("timm", "torchvision", "xrv", "hf")
"""Libraries whose networks can be given by name: ``timm:NAME``."""


@dataclass(frozen=True)
class WiringFlags:
    """External network of --model: how to load it."""

    weights: str | None = None
    """Weights of the network (.pt, .pth, .ckpt, .safetensors); null keeps the weights that it is built with."""
    features: str | None = None
    """Submodule that returns the feature map (layer4) or the tokens of a transformer; null detects and reports it."""
    head: str | None = None
    """Linear layer after the pooled features (fc); null detects it, or uses everything after the features."""
    mean: tuple[float, ...] = ()
    """Mean of the input's gray values in [0, 1], one number or one per channel. Default: the value of its library, else
    ImageNet's; it is reported."""
    std: tuple[float, ...] = ()
    """Standard deviation; requires --mean."""
    channels: Literal[1, 3] | None = None
    """Number of input channels; null is that of the first convolution."""
    img_size: Annotated[int | None, AtLeast(32)] = None
    """Side in pixels of the input; null is the value of its library, else the suite's, else 224."""


@dataclass(frozen=True)
class NetworkFlags(WiringFlags):
    """External network."""

    model: str | None = None
    """Network: path/to/file.py:build (a function or class that returns an nn.Module; runs the code in the file),
    timm:NAME, torchvision:NAME, xrv:NAME, hf:NAME (an image classifier of transformers) or hf:FOLDER."""
    findings: tuple[str, ...] = ()
    """Findings that the outputs predict, in order, in any common spelling. Default: the names given by its library,
    else the findings of the data set if the number matches."""
    entry: str | None = None
    """Name in the backbone column of the tables; null is the value of --model or the name of the run."""
    trained_on: str | None = None
    """Training data of the network, shown in the tables. With the name of a data set, the test set is searched for its
    training images. With a .txt or .csv file of image names, those images are excluded and counted."""


@dataclass(frozen=True)
class ModelCheckFlags(NetworkFlags):
    """Network to check: --model also accepts a run folder or best.ckpt."""

    data: Annotated[str | None, DataSet("datasets", "dataset")] = None
    """Data set (NIH, phantom …) whose labelled test images are used to check outputs and preprocessing; null skips
    these checks."""
    data_root_dir: str | None = None
    """Folder with the files of the data set; null is data/<data>, or $LOCUS_DATA/<data>."""
    images: Annotated[int, AtLeast(10)] = 200
    """Maximum number of images to use."""
    threads: Annotated[int | None, AtLeast(1)] = None
    """Number of CPU threads for torch; null is all CPUs available to the process."""
    trust: bool = False
    """Allow a Python file named in the run of --model to run (docs/security.md)."""


def is_network(word: str | None) -> bool:
    """Return whether ``word`` names an external network.

    >>> [is_network(word) for word in ("net.py:build", "hf:google/vit-base", "resnet18", "runs/x/best.ckpt")]
    [True, True, False, False]
    """
    source, colon, _ = (word or "").partition(":")
    return runs_code(word) or bool(colon and source in SOURCES)


def network_flags(config: Any) -> NetworkFlags | None:
    """Return the external network's flags of a command; None if ``--model`` names no such network.

    Raises ``BadValueError`` for flags that require an external network.
    """
    if is_network(config.model):
        return NetworkFlags(
            **{field.name: getattr(config, field.name) for field in fields(NetworkFlags) if hasattr(config, field.name)}
        )
    if extra := [field.name for field in fields(WiringFlags) if getattr(config, field.name) != field.default]:
        sources = ", ".join(f"{source}:NAME" for source in SOURCES)
        advice = f"write --model path/to/file.py:build or {sources} too"
        raise BadValueError(f"--{extra[0]} requires an external network: {advice}")
    return None
