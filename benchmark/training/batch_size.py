"""``--batch_size auto``: the largest power of two of images whose training step fits into the memory."""

import contextlib
import copy
import dataclasses
import itertools
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from lightning.pytorch.utilities.memory import garbage_collection_cuda
from torch import Tensor

from backbones import Classifier
from benchmark.training import checkpoints, devices, memory, optimizers
from benchmark.training.losses.base import Loss
from config import TrainConfig
from core.cli import read_yaml
from core.errors import NotAvailableError

log = logging.getLogger(__name__)
MAX_BATCH_SIZE = {"cuda": 256, "cpu": 32}
"""The most that is chosen: larger batches are no faster there, and would need a larger learning rate."""
MIN_STEPS_PER_EPOCH = 8
"""An epoch keeps at least so many steps."""
MEMORY_FRACTION = {"cuda": 0.9, "cpu": 0.5}
"""Share of the memory that may be used: the loader, fragments and other programs need some."""
AUTOCAST = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}


def resolve_batch_size(
    config: TrainConfig, precision: str, folder: Path, model: Classifier, loss: Loss, labels: Tensor
) -> TrainConfig:
    """``config`` with a number for ``--batch_size auto``.

    It is that of the run in ``folder`` where there is one, else found by trying and logged. ``labels``: (n,K) of the
    training images. Raises ``NotAvailableError`` where not even one image fits.
    """
    if config.batch_size != "auto":
        return config
    size = of_run(folder)
    if size is None:
        device = devices.first(config, devices.gpus())
        most = max(min(MAX_BATCH_SIZE[device.type], len(labels) // MIN_STEPS_PER_EPOCH), 1)
        size = largest(most, _fits_on(device, config, precision, model, loss, labels[:1]))
        text = "batch size %d: the largest power of two up to %d that the memory holds; --batch_size %d is the same run"
        log.info(text, size, most, size)
    return dataclasses.replace(config, batch_size=size)


def of_run(folder: Path) -> int | None:
    """The batch size that a run in ``folder`` was started with; None where there is no such run."""
    if (folder / "last.ckpt").is_file():
        return checkpoints.configuration(checkpoints.read(folder / "last.ckpt"), folder).batch
    return int(read_yaml(folder / "config.yaml")["batch_size"]) if (folder / "config.yaml").is_file() else None


def largest(most: int, does_fit: Callable[[int], bool]) -> int:
    """The last of 1, 2, 4, … up to ``most`` that does fit, all before it fitting.

    Raises ``NotAvailableError`` where 1 does not.
    """
    powers = itertools.takewhile(lambda size: size <= most, (2**k for k in itertools.count()))
    fitting = list(itertools.takewhile(does_fit, powers))
    if not fitting:
        raise NotAvailableError(
            "out of memory with a single image per step: lower --img_size, or choose a smaller --backbone"
        )
    return fitting[-1]


def _fits_on(
    device: torch.device, config: TrainConfig, precision: str, model: Classifier, loss: Loss, labels: Tensor
) -> Callable[[int], bool]:
    """The question whether so many images fit.

    A GPU answers by a real step, a CPU (where a step too large may end other programs) by counting bytes.
    """
    if device.type == "cpu":
        needed = memory_estimator(config, precision, model, loss, labels)
        return lambda size: needed(size) <= MEMORY_FRACTION["cpu"] * memory.available()
    return lambda size: fits(size, config, precision, model, loss, labels, device)


def fits(
    size: int, config: TrainConfig, precision: str, model: Classifier, loss: Loss, labels: Tensor, device: torch.device
) -> bool:
    """Whether ``device`` holds two whole training steps of ``size`` images; the second has the optimizer's state."""
    try:
        with torch.random.fork_rng(), _limited(device):
            twin = copy.deepcopy(model).to(device)
            optimizer = optimizers.build(config, twin.parameters())
            for _ in range(2):
                value = _forward(size, config, precision, twin, copy.deepcopy(loss).to(device), labels.to(device))
                value.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
                optimizer.zero_grad()
    except (RuntimeError, MemoryError) as error:
        if not memory.is_short(error):
            raise
        return False
    finally:
        garbage_collection_cuda()
    return True


def memory_estimator(
    config: TrainConfig, precision: str, model: Classifier, loss: Loss, labels: Tensor
) -> Callable[[int], float]:
    """Bytes of a step of so many images on the CPU: twice what the backward pass keeps, and four times the weights."""
    kept: dict[int, int] = {}
    weights = {value.untyped_storage().data_ptr(): value.untyped_storage().nbytes() for value in model.parameters()}

    def note(value: Tensor) -> Tensor:
        kept[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    with torch.random.fork_rng(), torch.autograd.graph.saved_tensors_hooks(note, lambda value: value):
        result = _forward(2, config, precision, copy.deepcopy(model), copy.deepcopy(loss), labels)
    del result
    of_two = sum(size for pointer, size in kept.items() if pointer not in weights)
    return lambda size: size * of_two + 4 * sum(weights.values())


def _forward(size: int, config: TrainConfig, precision: str, model: Classifier, loss: Loss, labels: Tensor) -> Tensor:
    """The loss of ``size`` black images."""
    dtype = torch.float64 if precision == "64" else torch.float32
    model.train().to(dtype)
    shape = (size, 3, config.img_size, config.img_size)
    images = torch.zeros(shape, dtype=dtype, device=labels.device).contiguous(memory_format=torch.channels_last)
    with torch.autocast(labels.device.type, AUTOCAST.get(precision), enabled=precision in AUTOCAST):
        return loss(model(images), labels.expand(size, -1).nan_to_num().to(dtype))


@contextlib.contextmanager
def _limited(device: torch.device) -> Iterator[None]:
    """Inside the block a GPU gives no more than the share that training may use."""
    if device.type == "cuda":
        torch.cuda.set_per_process_memory_fraction(MEMORY_FRACTION["cuda"], device)
    try:
        yield
    finally:
        if device.type == "cuda":
            torch.cuda.set_per_process_memory_fraction(1.0, device)
