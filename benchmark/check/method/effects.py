"""Check that a method does not change the model or the process."""

import random
import zlib
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks

from benchmark.check.method.question import MethodOnModel, Observation, judged, question

HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")


@question("the method changes the model, so later maps are wrong: restore weights, modes and hooks")
def model(subject: MethodOnModel) -> Observation:
    """Compare weights, buffers, gradients, hooks, modes and ``requires_grad`` before and after.

    The network is partly in evaluation mode.
    """
    subject.model.train()
    subject.model.extractor.eval()  # like a partly frozen network
    before = state(subject.model)
    subject.maps()
    return _changes(before, state(subject.model))


@question("the method changes global state, which affects other code: use core.seeds.generator and context managers")
def process(subject: MethodOnModel) -> Observation:
    """Compare random states, gradient mode, default types and the images before and after.

    Explaining must not change the next random numbers of torch, numpy and random.
    """
    torch.rand(1), np.random.random(), random.random()  # so that a method that sets the seed is detected
    before = _process(subject.images)
    subject.maps()
    return _changes(before, _process(subject.images))


def _changes(before: dict[str, Any], after: dict[str, Any]) -> Observation:
    changed = [what for what, value in before.items() if after[what] != value]
    return judged(not changed, f"changed: {', '.join(changed)}" if changed else f"unchanged: {', '.join(before)}")


def state(network: nn.Module) -> dict[str, Any]:
    """Return everything that a method could change in a network, as comparable values."""
    parameters, parts = dict(network.named_parameters()), [*network.modules()]
    everywhere = [len(getattr(hooks, f"_global{kind}")) for kind in HOOKS]  # global hooks of all modules
    return {
        "weights and buffers": {name: _fingerprint(value) for name, value in network.state_dict().items()},
        "gradients": {name: None if p.grad is None else _fingerprint(p.grad) for name, p in parameters.items()},
        "requires_grad": {name: p.requires_grad for name, p in parameters.items()},
        "modes": [part.training for part in parts],
        "hooks": [*([len(getattr(part, kind)) for kind in HOOKS] for part in parts), everywhere],
    }


def _process(images: Tensor) -> dict[str, Any]:
    numpy: Any = np.random.get_state(legacy=False)
    drawn = [numpy["state"]["pos"], numpy["state"]["key"].tobytes()]
    return {
        "random states": [_fingerprint(torch.get_rng_state()), drawn, random.getstate()],
        "gradient mode": [torch.is_grad_enabled(), torch.is_inference_mode_enabled()],
        "default type": [torch.get_default_dtype(), torch.get_default_device()],
        "threads": torch.get_num_threads(),
        "images": _fingerprint(images),
    }


def _fingerprint(values: Tensor) -> int:
    """Return a fingerprint of a tensor's bytes."""
    return zlib.crc32(values.detach().cpu().contiguous().numpy().tobytes())
