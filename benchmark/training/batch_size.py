"""``--batch_size auto``: the largest power of two whose training step fits into memory."""

import copy
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from backbones import Classifier
from benchmark.training import load, machine, memory, optimizers
from benchmark.training.lightning import garbage_collection_cuda
from benchmark.training.losses.base import Loss
from config import TrainConfig
from core.cli import read_yaml
from core.errors import NotAvailableError

log = logging.getLogger(__name__)
MAX_BATCH_SIZE = {"cuda": 256, "cpu": 32}
"""Upper bound: larger batches are not faster on these devices and require a larger learning rate."""
MIN_STEPS_PER_EPOCH = 8
"""Minimum number of steps per epoch."""
MEMORY_FRACTION = {"cuda": 0.9, "cpu": 0.5}
"""Share of the memory that may be used; the rest is for the loader, fragmentation and other programs."""
AUTOCAST = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


@dataclass(frozen=True, eq=False)
class TrialStep:
    """A training step for trying batch sizes."""

    config: TrainConfig
    precision: str
    model: Classifier
    loss: Loss
    labels: Tensor
    """(1,K) of a training image."""

    def on(self, device: torch.device) -> "TrialStep":
        """Return a copy on ``device``."""
        model, loss = copy.deepcopy(self.model).to(device), copy.deepcopy(self.loss).to(device)
        return replace(self, model=model, loss=loss, labels=self.labels.to(device))

    def forward(self, size: int) -> Tensor:
        """Return the loss of ``size`` black images: a scalar with its graph, in the precision of the step."""
        dtype, device = torch.float64 if self.precision == "64" else torch.float32, self.labels.device
        self.model.train().to(dtype)
        images = torch.zeros((size, 3, self.config.img_size, self.config.img_size), dtype=dtype, device=device)
        with torch.autocast(device.type, AUTOCAST.get(self.precision), enabled=self.precision in AUTOCAST):
            logits = self.model(images.contiguous(memory_format=torch.channels_last))
            return self.loss(logits, self.labels.expand(size, -1).nan_to_num().to(dtype))


def resolve_batch_size(folder: Path, step: TrialStep, images: int) -> TrainConfig:
    """Return the flags of ``step`` with a number for ``--batch_size auto``, for a training set of ``images`` images.

    Uses the batch size of the run in ``folder`` if there is one, else tries the ``step`` and logs the result. Raises
    ``NotAvailableError`` if not even one image fits.
    """
    if step.config.batch_size != "auto":
        return step.config
    size = of_run(folder)
    if size is None:
        device = machine.first_device(step.config)
        most = max(min(MAX_BATCH_SIZE[device.type], images // MIN_STEPS_PER_EPOCH), 1)
        size = largest(most, _fits_on(device, step))
        text = "batch size %d: the largest power of two up to %d that fits into memory; same as --batch_size %d"
        log.info(text, size, most, size)
    return replace(step.config, batch_size=size)


def of_run(folder: Path) -> int | None:
    """Return the batch size of the run in ``folder``, so that a resumed run keeps it; None if there is no run."""
    if (folder / "last.ckpt").is_file():
        return load.checkpoint(folder / "last.ckpt").config.batch
    return int(read_yaml(folder / "config.yaml")["batch_size"]) if (folder / "config.yaml").is_file() else None


def largest(most: int, does_fit: Callable[[int], bool]) -> int:
    """Return the largest of 1, 2, 4, … up to ``most`` before the first one that does not fit.

    Raises ``NotAvailableError`` if 1 does not fit.
    """
    sizes_that_fit = list(itertools.takewhile(does_fit, (2**k for k in range(most.bit_length()))))
    if not sizes_that_fit:
        raise NotAvailableError("out of memory with one image per step: lower --img_size or use a smaller --backbone")
    return sizes_that_fit[-1]


def _fits_on(device: torch.device, step: TrialStep) -> Callable[[int], bool]:
    """Return a function that returns whether a number of images fits.

    On a GPU it runs a step. On a CPU it estimates the bytes, because a step that is too large may end other programs.
    """
    if device.type == "cpu":
        needed = memory_estimator(step)
        return lambda size: needed(size) <= MEMORY_FRACTION["cpu"] * memory.available()
    return lambda size: fits(size, step, device)


def fits(size: int, step: TrialStep, device: torch.device) -> bool:
    """Whether two training steps of ``size`` images fit on ``device``; the second includes the optimizer's state.

    The steps run on a copy of the model. On a GPU they may use the same share of memory as training.
    """
    try:
        if device.type == "cuda":
            torch.cuda.set_per_process_memory_fraction(MEMORY_FRACTION["cuda"], device)
        with torch.random.fork_rng():
            twin = step.on(device)
            optimizer = optimizers.build(step.config, twin.model.parameters())
            for _ in range(2):
                twin.forward(size).backward()
                optimizer.step()
                optimizer.zero_grad()
    except (RuntimeError, MemoryError) as error:
        if not memory.is_oom(error):
            raise
        return False
    finally:
        if device.type == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0, device)
        garbage_collection_cuda()
    return True


def memory_estimator(step: TrialStep) -> Callable[[int], float]:
    """Estimate the bytes of a CPU step: twice the tensors saved for the backward pass, and four times the weights."""
    saved_bytes: dict[int, int] = {}
    storages = [value.untyped_storage() for value in step.model.parameters()]
    weights = {storage.data_ptr(): storage.nbytes() for storage in storages}

    def note(value: Tensor) -> Tensor:
        saved_bytes[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.random.fork_rng(), torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        result = step.on(torch.device("cpu")).forward(2)
    del result
    of_two = sum(size for pointer, size in saved_bytes.items() if pointer not in weights)
    return lambda size: size * of_two + 4 * sum(weights.values())
