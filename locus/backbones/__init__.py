"""Backbones: networks with feature maps, a linear head, and the grid of the maps in the image.

``catalog.build`` makes a ``Classifier`` from a name, ``wrapping.wrap`` from a user's module. torch and timm are
imported on demand. Here are the names of networks, the files of weights that come with the package, and the hash of the
code of a network.
"""

import difflib
import functools
import importlib
import importlib.util
import json
import re
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors

from locus.core.errors import BadValueError, DataError, UnknownNameError
from locus.core.names import ENCODER as ENCODER
from locus.core.registry import options
from locus.core.user_code import code_hash, file_of, local_files

if TYPE_CHECKING:
    from locus.backbones.catalog import build as build
    from locus.backbones.classifier import Classifier as Classifier
    from locus.backbones.wrapping import wrap as wrap

PUBLISHED = re.compile(r"(densenet121|resnet50)-res\d+-\w+")
"""Names of torchxrayvision's weights, which ``locus.backbones.weight_files`` checks."""
ARCHITECTURE = re.compile(r"^@register_model\n(?:@.*\n)*def (\w+)\(", re.MULTILINE)
"""Definition of a network in timm's files."""


BACKBONE_NAMES = (
    "custom", "densenet121", "resnet18", "resnet34", "resnet50", "small_vit", "squeezenet1_1", "vgg16",
    *(f"{padding}efficientnet_b{size}" for padding in ("", "tf_") for size in range(8)),
)  # fmt: skip
"""Canonical names of the listed backbones, in lower case; any other timm network with maps is accepted, too.

Custom: a small CNN for the demo. DenseNet-121: Huang et al., CVPR 2017; timm's features end with batch norm *and*
ReLU, so their output (1024 channels) is the map that is pooled. EfficientNet B0 to B7: Tan and Le, ICML 2019; 1280 to
2560 channels after a SiLU, so A has negative values. ResNet: He et al., CVPR 2016; 512 (18, 34) or 2048 (50) channels
after the last block's ReLU. small_vit: a vision transformer of six blocks with a convolutional stem;
``small_vit:class_token=True`` also has a class token, which the classifier reads (``TOKEN``). SqueezeNet 1.1:
Iandola et al., arXiv:1602.07360. VGG-16: Simonyan and Zisserman, ICLR 2015.
"""
ALIASES = {
    "efficientnet": "efficientnet_b0",
    **{f"efficientnet-b{size}": f"tf_efficientnet_b{size}" for size in range(8)},
}
"""Other names, in lower case. The efficientnet-pytorch package (``efficientnet-b0``) pads SAME, as the ``tf_`` variants
do."""
WITH_CLASS_TOKEN = ("small_vit",)
"""Backbones with the option ``class_token``."""
TOKEN = "TOKEN"
"""Pooling of a network whose classifier reads its class token: no map is pooled."""
SUFFIX = ".safetensors"
"""Suffix of files of weights that Locus publishes."""
SHIPPED = Path(__file__).parents[1] / "weights"
"""Folder of the networks that come with the package."""
METADATA = "locus"
"""Key of the metadata in such a file: JSON of the content of the checkpoint without its weights."""
MODULE_OF_NAME = {"Classifier": "classifier", "build": "catalog", "wrap": "wrapping"}
"""Public name -> the module from which it is imported on first use."""


def names() -> list[str]:
    """Return the registered backbones, sorted. Other timm models with feature maps are accepted, too."""
    return sorted(BACKBONE_NAMES)


def shipped() -> list[str]:
    """Return the names of the networks that come with the package.

    >>> shipped()
    ['demo-avg', 'demo-pcam']
    """
    return sorted(file.stem for file in SHIPPED.glob(f"*{SUFFIX}"))


def path_of(word: Path | str) -> Path:
    """Return the file of a network that comes with the package, for its name; else ``word`` as a path."""
    return (
        SHIPPED / f"{word}{SUFFIX}"
        if str(word) in shipped() and not Path(word).exists()
        else Path(word)
    )


def described(file: Path) -> dict[str, Any]:
    """Return the metadata of a published file of weights; empty for a file of another project.

    Raises ``DataError`` for a damaged file.
    """
    try:
        with safetensors.safe_open(file, "numpy") as opened:
            return dict(json.loads((opened.metadata() or {}).get(METADATA, "{}")))
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise DataError(
            f"{file} is damaged: restore it, or train with --published_weights never"
        ) from error


def network_code(options: Mapping[str, Any] | None) -> str:
    """Return the hash of a network with these ``Classifier.build_options``; empty for a network without them."""
    return code_hash(files_of(options)) if options is not None else ""


def files_of(build_options: Mapping[str, Any]) -> Set[Path]:
    """Return the Python files that define a network with these ``Classifier.build_options``, without importing them.

    For a network in a user's file these are that file and the local modules that it imports, for a network of another
    package the files of Locus that wrap it, for other networks those that build extractors, poolings and attention.
    """
    if user_file := file_of(build_options.get("network", "")):
        return local_files(user_file) if user_file.is_file() else set()
    modules = ["extractors", "layers", "grids", "pooling"]
    if is_encoder(build_options.get("name", "")):
        modules.append("encoders")
    if has_class_token(build_options.get("name", "")):
        modules.append("class_token")
    if "network" in build_options:
        modules = ["wrapping", "layers", "grids"]
    return {Path(__file__).with_name(f"{name}.py") for name in modules}


def __getattr__(name: str) -> Any:
    if name in MODULE_OF_NAME:
        return getattr(importlib.import_module(f"locus.backbones.{MODULE_OF_NAME[name]}"), name)
    raise AttributeError(f"module 'locus.backbones' has no attribute {name!r}")


def canonical(name: str) -> str:
    """Return the canonical name of a backbone, listed or not."""
    return ALIASES.get(name.lower(), name.lower())


def unknown(name: str, timm_names: Iterable[str]) -> UnknownNameError:
    """Return the error for an unknown backbone, with the listed names and the nearest of timm's names."""
    near = difflib.get_close_matches(name.lower(), timm_names, n=5)
    return UnknownNameError(
        "backbone", name, sorted(BACKBONE_NAMES), near, also="any timm network with feature maps"
    )


def is_encoder(name: str) -> bool:
    """Return whether ``name`` is that of an encoder of transformers.

    >>> is_encoder("hf:microsoft/rad-dino"), is_encoder("resnet18:stride=8")
    (True, False)
    """
    return name.startswith(ENCODER)


def has_class_token(name: str) -> bool:
    """Return whether the options of a backbone's name ask for a class token, which its classifier reads.

    Raises ``BadValueError`` for a backbone without this option, and for a value that is not True or False.

    >>> has_class_token("small_vit:class_token=True"), has_class_token("small_vit")
    (True, False)
    """
    if is_encoder(name) or "class_token" not in name:
        return False
    plain = canonical(name.partition(":")[0])
    value = options(name).get("class_token", False)
    if plain not in WITH_CLASS_TOKEN:
        raise BadValueError(
            f"the backbone {plain!r} has no option 'class_token': leave it out, or use {WITH_CLASS_TOKEN[0]}"
        )
    if not isinstance(value, bool):
        raise BadValueError(
            f"class_token of the backbone {plain!r} is {value!r}: use True or False"
        )
    return value


def require_pooling(name: str, pooling: str, attention_map: str | None = None) -> None:
    """Raise ``BadValueError`` if a backbone cannot have this pooling and attention.

    A class token replaces pooling: its network has the pooling ``TOKEN`` and no attention, and no other has ``TOKEN``.
    """
    if not has_class_token(name):
        if pooling.partition(":")[0] == TOKEN:
            raise BadValueError(
                f"the pooling {TOKEN} requires a class token, which {name!r} does not have: use another pooling, or "
                f"the backbone {WITH_CLASS_TOKEN[0]}:class_token=True"
            )
        return
    if pooling != TOKEN:
        raise BadValueError(
            f"the pooling {pooling!r} does not apply to {name!r}, whose classifier reads the class token: use "
            f"--global_pool {TOKEN}"
        )
    if (attention_map or "none").lower() != "none":
        raise BadValueError(
            f"the attention {attention_map!r} requires a pooled map, which {name!r} does not have: use --attention_map "
            "none"
        )


def require_known(name: str) -> None:
    """Raise ``UnknownNameError`` if neither Locus nor timm has the backbone ``name``; an encoder is not looked up."""
    if is_encoder(name):
        return
    word = canonical(name.partition(":")[0])
    if word in BACKBONE_NAMES or PUBLISHED.fullmatch(word):
        return
    text, names = _timm()
    architecture = word.partition(".")[0]  # a weight tag may follow
    if architecture not in names and not re.search(rf"['\"]{re.escape(architecture)}['\"]", text):
        raise unknown(name, names)


@functools.cache
def _timm() -> tuple[str, list[str]]:
    """Return the source text of timm's networks, and their names."""
    folders = [
        Path(folder)
        for folder in getattr(importlib.util.find_spec("timm"), "submodule_search_locations", ())
    ]
    text = "\n".join(
        path.read_text(encoding="utf-8")
        for folder in folders
        for path in folder.glob("models/*.py")
    )
    return text, ARCHITECTURE.findall(text)
