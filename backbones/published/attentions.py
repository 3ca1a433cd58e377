"""The attention of jfhealthcare/Chexpert and alinstein/X_RAY, whose files may hold all three kinds, used or not."""

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
"""Our word -> their names and ours. Their FPA halves its maps by strided convolutions and is another network."""
Attended = tuple[dict[str, Tensor], list[str], list[str]]
FOUND = re.compile(r"(.*\.)?attention_map\.(\w+_attention\..*)")


def find(left: Mapping[str, Tensor], model: Classifier, head: Sequence[str]) -> Attended:
    """Our attention from the names ``left``, its names there, and those of the kinds that stand there unused.

    jfhealthcare's files always hold every kind, so ``--attention_map none`` leaves them all; X_RAY's hold them only
    where one was used. Raises ``NotAvailableError`` for FPA, and where the attention is applied once more for each
    finding (the head has several layers): ours is applied once.
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
