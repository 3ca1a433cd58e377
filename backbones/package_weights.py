"""Convert weights of the efficientnet-pytorch package to the names of the SAME-padded ``tf_efficientnet_*``.

The package pads for its native image size, timm for the actual image. Logits are equal at the native size and at all
sizes whose layers have the same parity.
"""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from core.errors import DataError

EXPANDED = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}  # fmt: skip
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
GATE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def convert(state: Mapping[str, Tensor], target: Iterable[str]) -> dict[str, Tensor]:
    """Rename the keys of the package's ``state`` to those of the ``target`` state.

    Raises ``DataError`` if the state is not the package's or has another number of blocks.
    """
    blocks = sorted({(int(s), int(i)) for s, i in re.findall(r"net\.blocks\.(\d+)\.(\d+)\.", "\n".join(target))})
    count = len({key.split(".")[1] for key in state if key.startswith("_blocks.")})
    if not count or count != len(blocks):
        raise DataError(f"the efficientnet-pytorch checkpoint has {count} blocks, but the model has {len(blocks)}")
    return {_key(key, state, blocks): value for key, value in state.items()}


def _key(key: str, state: Mapping[str, Tensor], blocks: list[tuple[int, int]]) -> str:
    if key.startswith("_fc."):
        return key.replace("_fc.", "head.linear.")
    if not key.startswith("_blocks."):
        part, _, rest = key.partition(".")
        return f"extractor.net.{OUTSIDE.get(part, part)}.{rest}"
    _, number, part, rest = key.split(".", 3)
    names = (EXPANDED if f"_blocks.{number}._expand_conv.weight" in state else PLAIN) | GATE
    stage, index = blocks[int(number)]
    return f"extractor.net.blocks.{stage}.{index}.{names.get(part, part)}.{rest}"
