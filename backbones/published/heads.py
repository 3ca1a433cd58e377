"""Heads of published files, converted to one linear layer: a layer or 1x1 convolution, or one per finding."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from backbones.classifier import Classifier
from backbones.extractors import MapsOf
from core.errors import NotAvailableError

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


def find(left: Mapping[str, Tensor], prefix: str) -> tuple[list[str], list[str]]:
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


def linear(left: Mapping[str, Tensor], taken: Sequence[str], pooling: str) -> dict[str, Tensor]:
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
