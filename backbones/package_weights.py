"""Load checkpoints of the efficientnet-pytorch package into the SAME-padded ``tf_efficientnet_*``.

The package pads for its native image size, timm for the actual image: logits are equal at the native size and at every
size whose layers have the same parity.
"""

import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from backbones import torch_files
from backbones.classifier import Classifier
from core.errors import DataError, one_line

EXPANDED = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2", "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}  # fmt: skip
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
GATE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}


def load(model: Classifier, path: Path | str) -> Classifier:
    """Load the package's checkpoint at ``path`` into ``model``, a ``tf_efficientnet_*``, and return the model.

    The last layer is loaded too if its shape fits; else the model's stays. Raises ``DataError`` if the file is not such
    a checkpoint, or of another size.
    """
    try:
        state = torch_files.load(path)
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
        code = torch_files.code_in(path, error)
        reason = f"it would run {code}" if code else one_line(error)
        raise DataError(f"cannot read the checkpoint {path}: {reason}") from error
    state = state.get("state_dict", state) if isinstance(state, dict) else {}
    converted = {**model.state_dict(), **_fitting_head(model, convert(state, model.state_dict()))}
    try:
        model.load_state_dict(converted)
    except RuntimeError as error:
        raise DataError(f"{path} holds another network than {(model.config or {}).get('name')!r}") from error
    return model


def convert(state: Mapping[str, Tensor], target: Iterable[str]) -> dict[str, Tensor]:
    """Rename the keys of the package's ``state`` to those of the ``target`` state.

    Raises ``DataError`` if the state is not the package's or has another number of blocks.
    """
    state = {key.removeprefix("module."): value for key, value in state.items()}
    blocks = sorted({(int(s), int(i)) for s, i in re.findall(r"net\.blocks\.(\d+)\.(\d+)\.", "\n".join(target))})
    count = len({key.split(".")[1] for key in state if key.startswith("_blocks.")})
    if not count or count != len(blocks):
        raise DataError(f"no efficientnet-pytorch checkpoint of this model: it has {count} blocks, not {len(blocks)}")
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


def _fitting_head(model: Classifier, state: dict[str, Tensor]) -> dict[str, Tensor]:
    if state.get("head.linear.weight", torch.empty(0)).shape == model.weight.shape:
        return state
    return {key: value for key, value in state.items() if not key.startswith("head.")}
