"""Convert weights of other projects to the names of a Locus classifier.

Supported are files of torchvision, timm, efficientnet-pytorch and torchxrayvision, of jfhealthcare/Chexpert,
alinstein/X_RAY, priyavrat-misra/xrays-and-gradcam and ihamdi/Covid-xRay-Classification, with any prefix (``module.``,
``model.``, ``img_model.`` …) and with DenseNet's old names (``norm.1``). Networks that compute something else than the
classifier raise an error.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from backbones.classifier import Classifier
from backbones.published import attentions, bodies, heads


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
    prefix, body, left = bodies.split(state, model)
    taken, idle = heads.find(left, prefix)
    if any(heads.is_head(name, prefix) for name in taken) and not heads.is_plain(model):
        taken = []  # a different head, although its last layer looks the same
    attention, used, unused = attentions.find(left, model, taken)
    idle += [*unused, *(name for name in left if heads.goes_with(name, taken))]
    rest = [name for name in left if name not in {*taken, *idle, *used}]
    wide = [name for name in rest if heads.is_head(name, prefix)]
    translated = {**_counters(model), **body, **attention, **heads.linear(left, taken, model.pooling)}
    return Translated(translated, idle, wide, [name for name in rest if name not in wide])


def _counters(model: Classifier) -> dict[str, Tensor]:
    """Return batch norm's counters, which files before 2018 lack and which do not affect logits."""
    state = model.state_dict()
    return {name: torch.zeros_like(state[name]) for name in state if name.endswith("num_batches_tracked")}
