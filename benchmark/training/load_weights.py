"""Load weights into a network of this or another project. No partial matches."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from backbones import Classifier
from backbones.published import Translated, translate
from backbones.published.bodies import prefix_of
from core.errors import DataError, examples

log = logging.getLogger(__name__)
PREFIX = "model."
"""Lightning's prefix for the classifier's names."""
OURS, HEAD = "extractor.", "head."
"""Prefixes of the names of extractors and heads in this project."""
WEIGHT_KEYS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights")
"""Keys under which tools store the weights in a file."""
OF_THE_LOSS = ("criterion.", "loss.", "loss_fn.", "loss_fun.", "loss_func.")
"""Prefixes of a Lightning module's loss buffers (``pos_weight``)."""


def extract_weights(content: dict[str, Any]) -> dict[str, torch.Tensor]:
    """Return the weights in the ``content`` of a file, without Lightning's prefix for files of this project.

    Raises ``DataError`` for a weight that declares more values than the file has.
    """
    state = next((content[key] for key in WEIGHT_KEYS if isinstance(content.get(key), dict)), content)
    state = {name: value for name, value in state.items() if isinstance(name, str)}
    if any(name.startswith(PREFIX + OURS) for name in state):
        state = {name.removeprefix(PREFIX): value for name, value in state.items() if name.startswith(PREFIX)}
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if hollow := [name for name, value in tensors.items() if not _is_complete(value)]:
        raise DataError(f"{len(hollow)} weights declare more values than their file contains: {examples(hollow)}")
    return {name: value for name, value in tensors.items() if not name.startswith(OF_THE_LOSS)}


def prefixed(model: Classifier) -> dict[str, torch.Tensor]:
    """Return the weights of ``model`` with the prefix that Lightning gives their names."""
    return {PREFIX + name: value for name, value in model.state_dict().items()}


def _is_complete(value: torch.Tensor) -> bool:
    """Whether all values of a tensor are in its file; an expanded tensor could need any amount of memory."""
    dense = value.layout == torch.strided and not value.is_meta
    return dense and value.numel() * value.element_size() <= value.untyped_storage().nbytes()


def load(model: Classifier, state: dict[str, torch.Tensor], path: Path | str, initial: bool = False) -> None:
    """Load the weights ``state`` of this or another project into ``model``; ``path`` is the file in messages.

    All names and shapes must match, without extra weights; for ``initial`` weights, the head may be another one. Logs
    what was loaded, unless it is a whole network of this project. Raises ``DataError`` with the numbers of missing and
    unexpected weights if they belong to another architecture.
    """
    expected = model.state_dict()
    is_own_run = any(name.startswith(OURS) for name in state)
    unknown = [name for name in state if name not in expected]
    translated = Translated(state, [], [], unknown) if is_own_run else translate(state, model)
    new = _unlike(expected, translated.state)
    missing, unexpected = new, [*translated.heads, *translated.unexpected]
    advice = "; its head is not a linear layer over pooled maps: use this file with --init_from only"
    if initial:
        path = f"--init_from {path}"
        missing, unexpected = ([n for n in names if not n.startswith(HEAD)] for names in (new, translated.unexpected))
    if reason := _differences(missing, unexpected, len(expected)):
        hint = advice if translated.heads and not initial else ""
        raise DataError(f"{path} does not fit {describe_model(model)}: {reason}{hint}")
    taken = {name: value for name, value in translated.state.items() if name in expected and name not in new}
    model.load_state_dict(taken, strict=False)
    if initial or not is_own_run:
        idle = f"; not used for the logits: {examples(translated.idle)}" if translated.idle else ""
        added = f", new: {examples(new)}" if new else ""
        log.info("%s: %d of %d weights loaded%s%s", path, len(taken), len(expected), added, idle)


def load_foreign(module: nn.Module, state: dict[str, torch.Tensor], path: Path | str, word: str) -> str:
    """Load weights into the external ``module``, the network ``word``; return a description of them.

    A prefix of all names (``module.``, ``model.``) is ignored. Raises ``DataError`` with the numbers of missing and
    unexpected weights.
    """
    expected = module.state_dict()
    start = prefix_of(state, expected)
    named = {name.removeprefix(start): value for name, value in state.items() if name.startswith(start)}
    missing = [name for name in _unlike(expected, named) if not name.endswith("num_batches_tracked")]
    unexpected = [name for name in state if name.removeprefix(start) not in expected]
    if reason := _differences(missing, unexpected, len(expected)):
        raise DataError(f"the weights in {path} are not those of {word}: {reason}")
    module.load_state_dict({name: named[name] for name in expected if name in named}, strict=False)
    return f"{len(named)} of {path}, none missing, none unexpected"


def _unlike(expected: Mapping[str, torch.Tensor], state: Mapping[str, torch.Tensor]) -> list[str]:
    """Return the ``expected`` names that ``state`` lacks or has with a different shape."""
    return [name for name, value in expected.items() if name not in state or state[name].shape != value.shape]


def _differences(missing: Sequence[str], unexpected: Sequence[str], count: int) -> str:
    """Explain why weights cannot be loaded, with counts; empty if they can."""
    parts = []
    if missing:
        parts.append(f"{len(missing)} of {count} weights are missing or have a different shape ({examples(missing)})")
    if unexpected:
        parts.append(f"{len(unexpected)} are unexpected ({examples(unexpected)})")
    return " and ".join(parts)


def describe_model(model: Classifier) -> str:
    """Return a short description of a model for error messages."""
    config = model.build_options or {}
    name = config.get("name") or config.get("network")
    return f"{name} with {config.get('global_pool')} and {config.get('num_classes')} findings"
