"""Attention weights of jfhealthcare/Chexpert and alinstein/X_RAY, whose files may contain unused kinds."""

import re
from collections.abc import Mapping, Sequence

from torch import Tensor

from backbones.classifier import Classifier
from core.errors import NotAvailableError

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
"""Our word -> their names and ours. Their FPA downsamples by strided convolutions, so it is a different network."""
Attended = tuple[dict[str, Tensor], list[str], list[str]]
FOUND = re.compile(r"(.*\.)?attention_map\.(\w+_attention\..*)")


def find(left: Mapping[str, Tensor], model: Classifier, head: Sequence[str]) -> Attended:
    """Find the model's attention among the remaining names ``left``, and list used and unused attention names.

    jfhealthcare's files always contain every kind, so ``--attention_map none`` ignores them all; X_RAY's contain only
    the used one. Raises ``NotAvailableError`` for FPA, and for attention applied once per finding (the head has several
    layers), which is not supported.
    """
    names = {name: match[2] for name in left if (match := FOUND.fullmatch(name))}
    word = str((model.config or {}).get("attention_map") or "").split(":")[0]
    if not word or not names:
        unused = any(re.search(r"(^|\.)backbone\.|(^|\.)bn_0\.", name) for name in left)
        return {}, [], list(names) if unused else []
    if word not in NAMES:
        raise NotAvailableError(f"these weights' {word} is not --attention_map {word}: CAM and SAM can be taken over")
    if len([name for name in head if name.endswith("weight")]) > 1:
        raise NotAvailableError(f"these weights apply {word} anew for each finding, ours once: no way to their logits")
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
