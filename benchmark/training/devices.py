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


def device(flags: MachineFlags, gpu_count: int) -> str:
    """Return ``cuda`` if there are GPUs and neither ``--num_GPU 0`` nor ``--devices 0`` is set, else ``cpu``."""
    return "cuda" if gpu_count and flags.num_GPU != 0 and flags.devices != "0" else "cpu"


def check(flags: MachineFlags, batch_size: int | str, gpu_count: int) -> None:
    """Check the machine flags. Raises the errors of ``devices``, and others for invalid values.

    These are ``UnknownNameError`` for an unknown strategy, and ``BadValueError`` for half precision on the CPU and for
    ``--batch_size auto`` on several machines.
    """
    devices(flags, gpu_count)
    if flags.precision == "16-mixed" and device(flags, gpu_count) == "cpu":
        raise BadValueError("--precision 16-mixed requires a GPU: write bf16-mixed, 32 or auto for the CPU")
    if flags.num_nodes > 1 and batch_size == "auto":
        raise BadValueError("--batch_size auto cannot be combined with --num_nodes above 1: write a number")
    from benchmark.training.lightning import StrategyRegistry  # slow import, not needed to explain

    strategies = ["auto", *StrategyRegistry.available_strategies()]
    if flags.strategy not in strategies:
        raise UnknownNameError("value of --strategy", flags.strategy, strategies)


def devices(flags: MachineFlags, gpu_count: int) -> int | list[int]:
    """Return the number of devices or the indices of GPUs; on the CPU the number of processes (``--devices``).

    Raises ``BadValueError`` for values that are not numbers and ``NotAvailableError`` for more GPUs than available.
    """
    if flags.num_GPU == 0 or flags.devices == "0":
        return 1
    requested = flags.device_ids or flags.num_GPU  # flags that require GPUs
    if requested and not gpu_count:
        flag = "device_ids" if flags.device_ids else "num_GPU"
        missing = f"--{flag} {requested} requires a GPU, but torch finds none"
        raise NotAvailableError(f"{missing}: leave it out or write --num_GPU 0")
    if not requested and flags.devices == "auto":
        return 1
    which = _numbers(str(requested or flags.devices))
    wanted = max(which) + 1 if flags.device_ids else which[0]
    if gpu_count and wanted > gpu_count:
        missing = f"{str(requested or flags.devices)!r} requires {wanted} GPUs, but there are {gpu_count}"
        raise NotAvailableError(f"{missing}: lower --devices or --device_ids")
    return which if flags.device_ids else which[0]


def _numbers(chosen: str) -> list[int]:
    numbers = chosen.split(",")
    if not all(number.strip().isdigit() for number in numbers):
        raise BadValueError(f"{chosen!r} is not a number or list of devices: write --devices 2 or --device_ids 0,1")
    return [int(number) for number in numbers]


def processes(flags: MachineFlags) -> int:
    """Return the number of processes of a training run on this machine."""
    count = devices(flags, gpus())
    return count if isinstance(count, int) else len(count)


def world(flags: MachineFlags) -> int:
    """Return the number of processes that share the training images."""
    return flags.num_nodes * processes(flags)


def workers(requested: int | None) -> int:
    """Return the number of processes that decode images. Raises ``BadValueError`` if it is too large.

    >>> workers(0), workers(3)
    (1, 3)
    """
    return limits.cpus() if requested is None else max(limits.check_count(requested, "--num_workers"), 1)


def first(flags: MachineFlags, gpu_count: int) -> torch.device:
    """Return the device of the first process."""
    which = devices(flags, gpu_count)
    if device(flags, gpu_count) == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", which[0] if isinstance(which, list) else 0)


def name(chosen: torch.device) -> str:
    """Return the name of a device, with its model."""
    if chosen.type == "cuda":
        return f"GPU {chosen.index} {torch.cuda.get_device_name(chosen)}"
    return f"CPU {cpu_model()}".strip()


def cpu_model() -> str:
    """Return the name of the processor; empty if unknown."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def reason(flags: MachineFlags, gpu_count: int) -> str:
    """Say why a run uses its device."""
    flag = "--device_ids" if flags.device_ids else "--num_GPU" if flags.num_GPU is not None else "--devices"
    if flags.device_ids or flags.num_GPU is not None or (gpu_count and flags.devices != "auto"):
        return flag
    return f"first of {gpu_count} GPUs" if gpu_count else "torch finds no GPU"
