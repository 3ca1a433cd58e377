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
"""Attention -> their names and ours. Their FPA downsamples by strided convolutions, so it is a different network."""
Attended = tuple[dict[str, Tensor], list[str], list[str]]
FOUND = re.compile(r"(.*\.)?attention_map\.(\w+_attention\..*)")


def find(left: Mapping[str, Tensor], model: Classifier, head: Sequence[str]) -> Attended:
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
