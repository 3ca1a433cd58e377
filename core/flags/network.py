"""Flags of external networks."""

from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

from core.cli import AtLeast
from core.errors import BadValueError
from core.flags.data import DATA_SET
from core.flags.machine import ThreadFlags
from core.user_code import runs_code

SOURCES = ("timm", "torchvision", "xrv", "hf")
"""Libraries whose networks can be given by name: ``timm:NAME``."""


@dataclass(frozen=True)
class LoadingFlags:
    """Loading an external network (--model)."""

    weights: str | None = None
    """Weights file (.pt, .pth, .ckpt, .safetensors). Default: the weights that the network is built with."""
    features: str | None = None
    """Submodule that returns the feature map (layer4) or the tokens of a transformer. Default: detected,
    and printed."""
    head: str | None = None
    """Linear layer after the pooled features (fc). Default: detected, else everything after the features."""
    mean: tuple[float, ...] = ()
    """Mean of the input's grey values in [0, 1], one number or one per channel; requires --std. Default: the value in
    the network's library (such as timm), else ImageNet's. The value used is printed."""
    std: tuple[float, ...] = ()
    """Standard deviation of the grey values; requires --mean. Default: the value in the network's library, else
    ImageNet's."""
    channels: Literal[1, 3] | None = None
    """Number of input channels, 1 or 3. Default: that of the first convolution."""
    img_size: Annotated[int | None, AtLeast(32)] = None
    """Side length of the input in pixels. Default: the value in the network's library, else that of the suite (if
    there is one), else 224."""
    preprocess: Literal["none", "jf"] = "none"
    """Preprocessing before images are resized. jf equalises the histogram, blurs, and pads to a square with grey, as in
    jfhealthcare/Chexpert."""


@dataclass(frozen=True)
class NetworkFlags(LoadingFlags):
    """External network."""

    model: str | None = None
    """Network to score: timm:NAME, torchvision:NAME, xrv:NAME, hf:NAME or hf:FOLDER (an image classifier from the
    transformers library), or path/to/file.py:build (a function or class that returns an nn.Module; its code is
    run)."""
    findings: tuple[str, ...] = ()
    """Findings that the outputs predict, in order, in any common spelling. Default: the names given by the network's
    library, else the findings of the data set if their number matches."""
    entry: str | None = None
    """Name in the backbone column of the tables. Default: the value of --model, or the name of the run."""
    trained_on: str | None = None
    """Training data of the network, shown in the tables: the name of a data set, or a .txt or .csv file of image names.
    Test images that are in the training split of that data set, or listed in the file, are excluded. Their number is
    reported."""


@dataclass(frozen=True)
class ModelCheckConfig(ThreadFlags, NetworkFlags):
    """Check weights, structure, preprocessing and findings of a network: ``python -m benchmark.check model NAME``.

    --model may also be a run folder or a best.ckpt.
    """

    data: Annotated[str | None, DATA_SET] = None
    """Data set (NIH, phantom …) whose labelled test images are used to check outputs and preprocessing. Default: these
    checks are skipped."""
    data_root_dir: str | None = None
    """Folder with the files of the data set. Default: $LOCUS_DATA/<data> if LOCUS_DATA is set, else data/<data>
    (implanted: NIH's folder). The phantom needs no files."""
    images: Annotated[int, AtLeast(10)] = 200
    """Maximum number of images to use."""
    trust: bool = False
    """Run a Python file that is named in the run of --model (docs/security.md)."""


def is_network(word: str | None) -> bool:
    """Return whether ``word`` names an external network.

    >>> [is_network(word) for word in ("net.py:build", "hf:google/vit-base", "resnet18", "runs/x/best.ckpt")]
    [True, True, False, False]
    """
    source, colon, _ = (word or "").partition(":")
    return runs_code(word) or bool(colon and source in SOURCES)


def network_flags(config: Any) -> NetworkFlags | None:
    """Return the flags of a command's external network; None if ``--model`` does not name one.

    Raises ``BadValueError`` for flags that require an external network.
    """
    if is_network(config.model):
        return NetworkFlags(
            **{field.name: getattr(config, field.name) for field in fields(NetworkFlags) if hasattr(config, field.name)}
        )
    if extra := [field.name for field in fields(LoadingFlags) if getattr(config, field.name) != field.default]:
        sources = ", ".join(f"{source}:NAME" for source in SOURCES)
        advice = f"add --model path/to/file.py:build, or one of {sources}"
        raise BadValueError(f"--{extra[0]} requires an external network: {advice}")
    return None
