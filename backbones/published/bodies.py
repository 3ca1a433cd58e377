"""Feature extractors of published files, whose names are converted to those of timm and torchvision."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from torch import Tensor

from backbones.classifier import Classifier
from core.errors import DataError, NotAvailableError

STAGES = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
"""Parts of a ResNet by their index in a sequence (alinstein/X_RAY's PCAM model)."""
WIDE = {"0": ("conv_pw", "bn1"), "1": ("conv_dw", "bn2"), "2": "se", "3": ("conv_pwl", "bn3")}
NARROW = {"0": ("conv_dw", "bn1"), "1": "se", "2": ("conv_pw", "bn2")}
"""Parts of torchvision's EfficientNet block, with and without expansion, as timm calls them."""
GATE = {"fc1": "conv_reduce", "fc2": "conv_expand"}
EXPANDED = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}  # fmt: skip
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""Parts of efficientnet-pytorch's block, with and without expansion, as timm calls them."""
SQUEEZE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def split(state: Mapping[str, Tensor], model: Classifier) -> tuple[str, dict[str, Tensor], dict[str, Tensor]]:
    """Return the prefix of the extractor in ``state`` (``module.backbone.``), its weights by our names, and the rest.

    The prefix is the one with most recognised names. First-layer weights of one grey channel are repeated to three.
    """
    state = _modern(_dialect(state, model))
    our_names = names(model)
    prefix = prefix_of(state, our_names)
    inner = {name: name.removeprefix(prefix) for name in state if name.startswith(prefix)}
    inside = {name: our_names[short] for name, short in inner.items() if short in our_names}
    target = model.state_dict()
    body = {ours: _coloured(state[name], target[ours]) for name, ours in inside.items()}
    return prefix, body, {name: value for name, value in state.items() if name not in inside}


def names(model: Classifier) -> dict[str, str]:
    """Return timm's and torchvision's names -> ours, for the extractor."""
    root = "extractor.net." if hasattr(model.extractor, "net") else "extractor."
    lead = "" if hasattr(model.extractor, "net") else "features."
    return {lead + name.removeprefix(root): name for name in model.state_dict() if name.startswith(root)}


def prefix_of(state: Mapping[str, Tensor], known: Collection[str]) -> str:
    """Return the prefix in ``state`` without which most names are ``known``; the shortest if tied."""
    counts: Counter[str] = Counter()
    for name in state:
        parts = name.split(".")
        for cut in range(len(parts)):
            if ".".join(parts[cut:]) in known:
                counts["".join(f"{part}." for part in parts[:cut])] += 1
    return min(counts, key=lambda prefix: (-counts[prefix], len(prefix)), default="")


def _dialect(state: Mapping[str, Tensor], model: Classifier) -> dict[str, Tensor]:
    """Rename the weights of other tools to timm's names; all other names are unchanged."""
    if wrapped := _found(r"(.*?)_blocks\.0\.", state):
        return _of_package(state, wrapped[1], model)
    if wrapped := _found(r"(.*?)features\.1\.0\.block\.0\.0\.", state):
        _require_padding(model, same=False)
        return {_of_torchvision(name, wrapped[1]): _as_ours(name, value, model) for name, value in state.items()}
    if wrapped := _found(r"(.*?)7\.1\.conv2\.weight", state):
        pattern = re.compile(rf"{re.escape(wrapped[1])}([014567])\.(.*)")
        names = {name: pattern.sub(lambda match: f"{wrapped[1]}{STAGES[match[1]]}.{match[2]}", name) for name in state}
        return {names[name]: value for name, value in state.items()}
    return dict(state)


def _found(pattern: str, state: Mapping[str, Tensor]) -> re.Match[str] | None:
    return next((match for match in (re.match(pattern, name) for name in state) if match), None)


def _of_package(state: Mapping[str, Tensor], prefix: str, model: Classifier) -> dict[str, Tensor]:
    """Rename efficientnet-pytorch's weights; the name of the last layer, ``_fc``, is unchanged.

    The package pads for its native image size, timm for the actual image. Logits are equal at the native size and at
    all sizes whose layers have the same parity. Raises ``DataError`` for another number of blocks.
    """
    _require_padding(model, same=True)
    ours = [tuple(map(int, match)) for match in re.findall(r"\bblocks\.(\d+)\.(\d+)\.", "\n".join(names(model)))]
    blocks = sorted({*ours})
    inner = {name.removeprefix(prefix): name for name in state if name.startswith(f"{prefix}_")}
    count = len({name.split(".")[1] for name in inner if name.startswith("_blocks.")})
    if count != len(blocks):
        raise DataError(f"the efficientnet-pytorch checkpoint has {count} blocks, but the model has {len(blocks)}")
    renamed = {name: prefix + _of_package_part(short, inner.keys(), blocks) for short, name in inner.items()}
    return {renamed.get(name, name): value for name, value in state.items()}


def _of_package_part(name: str, package: Collection[str], blocks: Sequence[tuple[int, ...]]) -> str:
    part, _, rest = name.partition(".")
    if part != "_blocks":
        return f"{OUTSIDE.get(part, part)}.{rest}"
    number, part, rest = rest.split(".", 2)
    layers = (EXPANDED if f"_blocks.{number}._expand_conv.weight" in package else PLAIN) | SQUEEZE
    stage, index = blocks[int(number)]
    return f"blocks.{stage}.{index}.{layers.get(part, part)}.{rest}"


def _of_torchvision(name: str, prefix: str) -> str:
    """Rename a weight of torchvision's EfficientNet: ``features.2.0.block.1.0.weight`` -> ``blocks.1.0.conv_dw…``."""
    inner = name.removeprefix(prefix)
    if match := re.fullmatch(r"features\.(\d+)\.([01])\.(\w+)", inner):
        outside = {"0": ("conv_stem", "bn1")}.get(match[1], ("conv_head", "bn2"))
        return f"{prefix}{outside[int(match[2])]}.{match[3]}"
    if not (match := re.fullmatch(r"features\.(\d+)\.(\d+)\.block\.(\d)\.(\w+)\.(\w+)", inner)):
        return name
    part = (NARROW if match[1] == "1" else WIDE)[match[3]]
    word = f"se.{GATE[match[4]]}" if part == "se" else part[int(match[4])]
    return f"{prefix}blocks.{int(match[1]) - 1}.{match[2]}.{word}.{match[5]}"


def _as_ours(name: str, value: Tensor, model: Classifier) -> Tensor:
    """Adjust the variance to timm's epsilon 1e-5 in batch norm; torchvision's is 1e-3 from B5 on."""
    large = str((model.build_options or {}).get("name")).split(":")[0].endswith(("b5", "b6", "b7"))
    return value + (1e-3 - 1e-5) if large and name.endswith("running_var") else value


def _require_padding(model: Classifier, same: bool) -> None:
    name = str((model.build_options or {}).get("name"))
    if "efficientnet" in name and name.startswith("tf_") != same:
        right = "tf_" + name if same else name.removeprefix("tf_")
        tool = "efficientnet-pytorch" if same else "torchvision"
        raise NotAvailableError(f"weights of {tool} need a different padding from {name}: use --backbone {right}")


def _modern(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert DenseNet's names from before 2018, ``denselayer1.norm.1.weight``, to the current ones."""
    return {re.sub(r"(denselayer\d+\.(?:norm|conv))\.([12])\.", r"\1\2.", name): value for name, value in state.items()}


def _coloured(value: Tensor, target: Tensor) -> Tensor:
    """Convert a first convolution on one grey channel to three equal channels with the same sum."""
    grey = value.ndim == 4 and value.shape[1] == 1 and target.ndim == 4 and target.shape[1] == 3
    return (value / 3).expand(-1, 3, -1, -1).contiguous() if grey and value.shape[2:] == target.shape[2:] else value
