"""Convert weights of other projects to the names of a Locus classifier: ``translate`` does all of it.

Supported are files of torchvision, timm, efficientnet-pytorch and torchxrayvision, of jfhealthcare/Chexpert,
alinstein/X_RAY, priyavrat-misra/xrays-and-gradcam and ihamdi/Covid-xRay-Classification, with any prefix (``module.``,
``model.``, ``img_model.`` …) and with DenseNet's old names (``norm.1``). The parts are the body (``split_body``), the
head, converted to one linear layer (``linear_head``), and attention (``find_attention``). Networks that compute
something else than the classifier raise an error.

``JFHealthcare`` is the network of jfhealthcare's ``pre_train.pth``; its parameters have the names in that file.
"""

import re
from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from locus.backbones.classifier import Classifier
from locus.backbones.extractors import MapsOf
from locus.core.errors import DataError, NotAvailableError

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
WORDS = (
    "fc_\\d+", "FF\\.0", "fc\\.1", "fc\\.0", "fc", "classifier\\.1", "classifier\\.0", "classifier", "head\\.fc",
    "head", "_fc",
)  # fmt: skip
"""Names of the layer that returns the logits; if a file has several, the first in this list is used."""
FIRST_OF_SEVERAL = ("fc\\.0", "classifier\\.0")
"""Layers that return the logits only if no other layer follows (as in CheXNet; VGG has three)."""
INNER = ("classifier", "fc", "_fc")
"""Unused ImageNet layers of networks whose maps are pooled by other code."""
EPS = 1e-5
"""Epsilon of torch's batch norm."""

Names = Mapping[str, str]
NAMES: dict[str, Names] = {
    "CAM": {"channel_attention.fc1": "gate.0", "channel_attention.fc2": "gate.2"},
    "SAM": {
        "spatial_attention.conv1": "query",
        "spatial_attention.conv2": "key",
        "spatial_attention.conv3": "value",
        "spatial_attention.gamma": "factor",
    },
}
"""Attention -> their names and ours. Their FPA downsamples by strided convolutions, so it is a different network."""
Attended = tuple[dict[str, Tensor], list[str], list[str]]
FOUND = re.compile(r"(.*\.)?attention_map\.(\w+_attention\..*)")


def split_body(state: Mapping[str, Tensor], model: Classifier) -> tuple[str, dict[str, Tensor], dict[str, Tensor]]:
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


def find_head(left: Mapping[str, Tensor], prefix: str) -> tuple[list[str], list[str]]:
    """Return the names of the weights that give the logits, sorted by finding, and of an unused layer."""
    for word in WORDS:
        pattern = re.compile(rf"(?:.*\.)?{word}\.(?:weight|bias)")
        layers = sorted((name for name in left if pattern.fullmatch(name) and _is_linear(left, name)), key=_number)
        more = re.compile(rf"{word[:-1]}[1-9]\d*\.weight$") if word in FIRST_OF_SEVERAL else None
        if layers and not (more and any(map(more.search, left))):
            inner = {prefix + name for name in INNER}
            return layers, [name for name in left if name.rpartition(".")[0] in inner and name not in layers]
    return [], []


@torch.no_grad()
def is_plain(model: Classifier) -> bool:
    """Return True if the input of a timm network's last layer is the mean of our maps, without a layer in between."""
    net: Any = getattr(model.extractor, "net", None)
    if not isinstance(model.extractor, MapsOf) or not hasattr(net, "forward_head"):
        return net is None
    A = torch.arange(18.0).reshape(1, 1, 3, 6).expand(1, net.num_features, 3, 6)
    pooled = net.forward_head(A.contiguous(), pre_logits=True)
    return pooled.shape == A.shape[:2] and torch.allclose(pooled, A.mean((2, 3)))


def is_head(name: str, prefix: str) -> bool:
    """Return True if a name belongs to a head that is not one linear layer (VGG's ``classifier.0``)."""
    return re.match(r"(classifier|fc|head|pre_logits|last_linear)\.", name.removeprefix(prefix)) is not None


def goes_with(name: str, taken: Sequence[str]) -> bool:
    """Return True if a name is part of a head per finding (``bn_0``, a batch norm) or the table ``op_threshs``."""
    per_finding = any(re.search(r"fc_\d+\.", head) for head in taken)
    return name.endswith("op_threshs") or (per_finding and re.search(r"(^|\.)bn_\d+\.\w+$", name) is not None)


def linear_head(left: Mapping[str, Tensor], taken: Sequence[str], pooling: str) -> dict[str, Tensor]:
    """Return our ``head.linear`` from the layers ``taken``; empty if there are none.

    A batch norm between pooling and layer (jfhealthcare's ``fc_bn``) is folded into the layer. Raises
    ``NotAvailableError`` for PCAM, whose position weights do not include it.
    """
    weights = [name for name in taken if name.endswith("weight")]
    if not weights:
        return {}
    pairs = [_folded(left, name, pooling) for name in weights]
    head = {"head.linear.weight": torch.cat([weight for weight, _ in pairs])}
    biases = [bias for _, bias in pairs if bias is not None]
    return {**head, "head.linear.bias": torch.cat(biases)} if len(biases) == len(pairs) else head


def _folded(left: Mapping[str, Tensor], name: str, pooling: str) -> tuple[Tensor, Tensor | None]:
    weight, bias = left[name].flatten(1), left.get(name.replace("weight", "bias"))
    norm = re.sub(r"fc_(\d+)\.weight$", r"bn_\1.", name)
    if norm == name or not _was_used(left, norm) or bias is None:
        return weight, bias
    if pooling == "PCAM":
        raise NotAvailableError("weights with a batch norm before the PCAM head (fc_bn) are not supported")
    scale = left[f"{norm}weight"] / (left[f"{norm}running_var"] + EPS).sqrt()
    shift = left[f"{norm}bias"] - left[f"{norm}running_mean"] * scale
    return weight * scale, bias + weight @ shift


def _was_used(left: Mapping[str, Tensor], norm: str) -> bool:
    """Return True if a batch norm was used in training: an unused one still has its initial statistics."""
    mean, variance = left.get(f"{norm}running_mean"), left.get(f"{norm}running_var")
    return mean is not None and variance is not None and not (bool((mean == 0).all()) and bool((variance == 1).all()))


def _is_linear(left: Mapping[str, Tensor], name: str) -> bool:
    """Return True for a layer (K,C) or convolution (K,C,1,1), except in SqueezeNet, where a ReLU follows."""
    layer = name.rpartition(".")[0]
    weight = left.get(f"{layer}.weight")
    if weight is None or weight.ndim == 2:
        return weight is not None
    return weight.ndim == 4 and tuple(weight.shape[2:]) == (1, 1) and not layer.endswith("classifier.1")


def _number(name: str) -> tuple[int, str]:
    match = re.search(r"fc_(\d+)\.", name)
    return (int(match[1]) if match else 0, name)


def find_attention(left: Mapping[str, Tensor], model: Classifier, head: Sequence[str]) -> Attended:
    """Convert the attention weights among ``left``; return them, and the names of used and unused attention weights.

    jfhealthcare's files contain all kinds of attention, so ``--attention_map none`` ignores them; X_RAY's contain only
    the one in use. Raises ``NotAvailableError`` for FPA, and for attention applied once per finding (the head then has
    several layers).
    """
    names = {name: match[2] for name in left if (match := FOUND.fullmatch(name))}
    word = str((model.build_options or {}).get("attention_map") or "").split(":")[0]
    if not word or not names:
        unused = any(re.search(r"(^|\.)backbone\.|(^|\.)bn_0\.", name) for name in left)
        return {}, [], list(names) if unused else []
    if word not in NAMES:
        supported = ", ".join(NAMES)
        raise NotAvailableError(
            f"these weights have another kind of {word} than --attention_map {word} and cannot be loaded; supported "
            f"attention layers: {supported}"
        )
    if len([name for name in head if name.endswith("weight")]) > 1:
        raise NotAvailableError(f"these weights apply {word} once per finding, which is not supported")
    return _renamed(left, names, NAMES[word])


def _renamed(left: Mapping[str, Tensor], names: Names, ours: Names) -> Attended:
    state, used = {}, list[str]()
    for name, inner in names.items():
        for theirs, word in ours.items():
            if inner == theirs or inner.startswith(f"{theirs}."):
                value = left[name].squeeze() if word == "factor" else left[name]
                state[f"attention.{word}{inner.removeprefix(theirs)}"] = value
                used.append(name)
    return state, used, [name for name in names if name not in used]


class Translated(NamedTuple):
    """Third-party weights under the names of Locus."""

    state: dict[str, Tensor]
    """Converted weights. Some may be missing, and those of the head may have other shapes."""
    idle: list[str]
    """Names of recognised weights that do not affect the logits (of an unused ImageNet layer)."""
    heads: list[str]
    """Names of the weights of a head that is not one linear layer over pooled maps."""
    unexpected: list[str]
    """Names of unrecognised weights."""


def translate(state: Mapping[str, Tensor], model: Classifier) -> Translated:
    """Convert the published ``state`` for ``model``, without loading it.

    Raises ``NotAvailableError`` for weights of an unsupported network (attention applied once per finding, batch norm
    before a PCAM head, another padding).
    """
    prefix, body, left = split_body(state, model)
    taken, idle = find_head(left, prefix)
    if any(is_head(name, prefix) for name in taken) and not is_plain(model):
        taken = []  # a different head, although its last layer looks the same
    attention, used, unused = find_attention(left, model, taken)
    idle += [*unused, *(name for name in left if goes_with(name, taken))]
    rest = [name for name in left if name not in {*taken, *idle, *used}]
    wide = [name for name in rest if is_head(name, prefix)]
    translated = {**_counters(model), **body, **attention, **linear_head(left, taken, model.pooling)}
    return Translated(translated, idle, wide, [name for name in rest if name not in wide])


def _counters(model: Classifier) -> dict[str, Tensor]:
    """Return batch norm's counters, which files before 2018 lack and which do not affect logits."""
    state = model.state_dict()
    return {name: torch.zeros_like(state[name]) for name in state if name.endswith("num_batches_tracked")}


class JFHealthcare(nn.Module):
    """DenseNet-121 with one head per finding: (N,3,H,W) -> (N,findings) logits.

    For finding k, the same attention layer is applied k + 1 times to the maps. Then follow the mean and the maximum of
    each channel (concatenated), batch norm and a linear layer. Source: jfhealthcare/Chexpert,
    ``model/classifier.py`` with the configuration ``config/example.json`` at 47e1bf7 (``AVG_MAX``, ``FPA``, ``fc_bn``).
    """

    def __init__(self, findings: int = 5) -> None:
        from torchvision.models import densenet121  # takes a second, and only this network needs it

        super().__init__()
        self.backbone, self.features = densenet121(), nn.ReLU()
        channels = self.backbone.classifier.in_features
        for index in range(findings):
            setattr(self, f"fc_{index}", nn.Conv2d(2 * channels, 1, 1))
            setattr(self, f"bn_{index}", nn.BatchNorm2d(2 * channels))
        self.findings, self.attention_map = findings, _attentions(channels)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits (N,findings) of images (N,3,H,W)."""
        A, logits = self.features(self.backbone.features(images)), []
        for index in range(self.findings):
            A = self.attention_map["pyramid_attention"](A)
            pooled = torch.cat([A.mean((2, 3), keepdim=True), A.amax((2, 3), keepdim=True)], 1)
            logits.append(getattr(self, f"fc_{index}")(getattr(self, f"bn_{index}")(pooled)).flatten(1))
        return torch.cat(logits, 1)


class StridedFPA(nn.Module):
    """middle(A) * pyramid(A) + global(A): (N,C,h,w) -> (N,C,h,w).

    Unlike :class:`locus.backbones.pooling.FPA`, it downsamples by strided convolutions. Equal to the original layer
    if h and w are multiples of 4 (image sides that are multiples of 128); the original supports no other sizes.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gap_branch = nn.Sequential(nn.AdaptiveAvgPool2d(1), _block(channels, channels, 1))
        self.mid_branch = _block(channels, channels, 1)
        for level, kernel in enumerate((7, 5, 3), 1):
            setattr(self, f"downsample{level}", _block(channels if level == 1 else 1, 1, kernel, stride=2))
            setattr(self, f"scale{level}", _block(1, 1, kernel))

    def forward(self, A: Tensor) -> Tensor:
        """Weight the positions: (N,C,h,w) -> (N,C,h,w)."""
        return self.mid_branch(A) * self._pyramid(A, 1) + self.gap_branch(A)

    def _pyramid(self, x: Tensor, level: int) -> Tensor:
        """Return the weights (N,1,h,w) of maps (N,c,h,w) from this and all coarser levels."""
        coarse = getattr(self, f"downsample{level}")(x)
        weights = getattr(self, f"scale{level}")(coarse)
        if level < 3:
            weights = weights + self._pyramid(coarse, level + 1)
        return interpolate(weights, x.shape[2:], mode="bilinear", align_corners=False)


def _attentions(channels: int) -> nn.ModuleDict:
    """Return the attention layers of the file: FPA, and two kinds that this network does not use."""
    convolutions = {"conv1": channels // 8, "conv2": channels // 8, "conv3": channels}
    spatial = nn.ModuleDict({name: nn.Conv2d(channels, wide, 1) for name, wide in convolutions.items()})
    spatial.register_parameter("gamma", nn.Parameter(torch.zeros(1)))
    channel = {"fc1": nn.Linear(channels, channels // 2), "fc2": nn.Linear(channels // 2, channels)}
    kinds = {"channel_attention": nn.ModuleDict(channel), "spatial_attention": spatial}
    return nn.ModuleDict({**kinds, "pyramid_attention": StridedFPA(channels)})


def _block(channels: int, out: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """Return a convolution, batch norm and ReLU, whose weights are called ``conv.0`` and ``conv.1``."""
    layers = nn.Sequential(nn.Conv2d(channels, out, kernel, stride, kernel // 2), nn.BatchNorm2d(out), nn.ReLU())
    return nn.Sequential(OrderedDict(conv=layers))
