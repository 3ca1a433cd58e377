"""The devices of a run, from its flags and the GPUs of the machine."""

from pathlib import Path

import torch

from core.errors import BadValueError, NotAvailableError, UnknownNameError
from core.flags.machine import MachineFlags
from datasets.io import limits

CPUINFO = Path("/proc/cpuinfo")
"""File with the name of the processor."""


def gpus() -> int:
    """Return the number of CUDA GPUs that torch can use."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device(flags: MachineFlags) -> str:
    """Return ``cuda`` if there are GPUs and neither ``--num_GPU 0`` nor ``--devices 0`` is set, else ``cpu``."""
    return "cuda" if gpus() and flags.num_GPU != 0 and flags.devices != "0" else "cpu"


def check(flags: MachineFlags, batch_size: int | str) -> None:
    """Check the machine flags. Raises the errors of ``indices``, and others for invalid values.

    These are ``UnknownNameError`` for an unknown strategy, and ``BadValueError`` for half precision on the CPU and for
    ``--batch_size auto`` on several machines.
    """
    indices(flags)
    if flags.precision == "16-mixed" and device(flags) == "cpu":
        raise BadValueError("--precision 16-mixed requires a GPU: use bf16-mixed, 32 or auto for the CPU")
    if flags.num_nodes > 1 and batch_size == "auto":
        raise BadValueError("--batch_size auto cannot be combined with --num_nodes above 1: use a number")
    from benchmark.training.lightning import StrategyRegistry  # slow import, not needed to explain

    strategies = ["auto", *StrategyRegistry.available_strategies()]
    if flags.strategy not in strategies:
        raise UnknownNameError("--strategy", flags.strategy, strategies)


def indices(flags: MachineFlags) -> list[int]:
    """Return the indices of the GPUs of a run on this machine; on the CPU those of its processes (``--devices``).

    Raises ``BadValueError`` for values that are not numbers and ``NotAvailableError`` for more GPUs than available.
    """
    if flags.num_GPU == 0 or flags.devices == "0":
        return [0]
    gpu_count = gpus()
    requested = flags.device_ids or flags.num_GPU  # flags that require GPUs
    if requested and not gpu_count:
        flag = "device_ids" if flags.device_ids else "num_GPU"
        missing = f"--{flag} {requested} requires a GPU, but torch finds none"
        raise NotAvailableError(f"{missing}: leave it out or use --num_GPU 0")
    if not requested and flags.devices == "auto":
        return [0]
    chosen = str(requested or flags.devices)
    numbers = chosen.split(",")
    if not all(number.strip().isdigit() for number in numbers):
        raise BadValueError(f"{chosen!r} is not a number or list of devices: use --devices 2 or --device_ids 0,1")
    which = [*map(int, numbers)] if flags.device_ids else [*range(max(int(numbers[0]), 1))]
    if gpu_count and max(which) >= gpu_count:
        missing = f"{chosen!r} requires {max(which) + 1} GPUs, but there are {gpu_count}"
        raise NotAvailableError(f"{missing}: lower --devices or --device_ids")
    return which


def world(flags: MachineFlags) -> int:
    """Return the number of processes that share the training images."""
    return flags.num_nodes * len(indices(flags))


def workers(requested: int | None) -> int:
    """Return the number of processes that decode images. Raises ``BadValueError`` if it is too large.

    >>> workers(0), workers(3)
    (1, 3)
    """
    return limits.cpus() if requested is None else max(limits.check_count(requested, "--num_workers"), 1)


def first(flags: MachineFlags) -> torch.device:
    """Return the device of the first process. Raises the errors of ``indices``."""
    which = indices(flags)
    return torch.device("cpu") if device(flags) == "cpu" else torch.device("cuda", which[0])


def name(chosen: torch.device) -> str:
    """Return the name of a device, with its model."""
    if chosen.type == "cuda":
        return f"GPU {chosen.index} {torch.cuda.get_device_name(chosen)}"
    return f"CPU {cpu_model()}".strip()


def cpu_model() -> str:
    """Return the name of the processor; empty if unknown."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def reason(flags: MachineFlags) -> str:
    """Say why a run uses its device."""
    gpu_count = gpus()
    flag = "--device_ids" if flags.device_ids else "--num_GPU" if flags.num_GPU is not None else "--devices"
    if flags.device_ids or flags.num_GPU is not None or (gpu_count and flags.devices != "auto"):
        return flag
    return f"first of {gpu_count} GPUs" if gpu_count else "no GPU available"
