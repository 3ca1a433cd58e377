"""Which devices a run uses, told from the flags and from the GPUs that are there."""

import torch
from lightning.pytorch.strategies import StrategyRegistry

from config import TrainConfig
from core.errors import BadValueError, NotAvailableError, UnknownNameError


def gpus() -> int:
    """How many GPUs torch can use here."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device(config: TrainConfig, there: int) -> str:
    """``cuda`` where ``there`` are GPUs and ``--num_GPU 0`` does not forbid them, else ``cpu``."""
    return "cuda" if there and config.num_GPU != 0 else "cpu"


def check(config: TrainConfig, there: int) -> None:
    """Raise what :func:`devices` raises, and ``UnknownNameError`` for a strategy that Lightning has not."""
    devices(config, there)
    known = ["auto", *StrategyRegistry.available_strategies()]
    if config.strategy not in known:
        raise UnknownNameError("value of --strategy", config.strategy, known)


def devices(config: TrainConfig, there: int) -> int | list[int]:
    """How many devices, or which of the GPUs that are ``there``; on the CPU it is one process, or ``--devices``.

    Raises ``BadValueError`` for words that are no numbers and ``NotAvailableError`` for more GPUs than there are.
    """
    if config.num_GPU == 0:
        return 1
    asked = config.device_ids or config.num_GPU  # the flags that mean GPUs and nothing else
    if asked and not there:
        flag = "device_ids" if config.device_ids else "num_GPU"
        raise NotAvailableError(f"--{flag} {asked} needs a GPU, and torch finds none here: leave it out or write --num_GPU 0")
    if not asked and config.devices == "auto":
        return 1
    which = _numbers(str(asked or config.devices))
    wanted = max(which) + 1 if config.device_ids else which[0]
    if there and wanted > there:
        raise NotAvailableError(f"{str(asked or config.devices)!r} needs {wanted} GPUs, there are {there}: lower --devices or --device_ids")
    return which if config.device_ids else max(which[0], 1)


def _numbers(chosen: str) -> list[int]:
    numbers = chosen.split(",")
    if not all(number.strip().isdigit() for number in numbers):
        raise BadValueError(f"{chosen!r} are no devices: write --devices 2 or --device_ids 0,1")
    return [int(number) for number in numbers]


def world(config: TrainConfig) -> int:
    """How many processes share the training images."""
    count = devices(config, gpus())
    return config.num_nodes * (count if isinstance(count, int) else len(count))
