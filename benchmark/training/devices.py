"""The devices of a run, from its flags and the GPUs of the machine."""

from pathlib import Path

import torch

from core.errors import BadValueError, NotAvailableError, UnknownNameError
from core.flags.machine import MachineFlags
from datasets.io import limits

CPUINFO = Path("/proc/cpuinfo")
"""File with the processor's name."""


def gpus() -> int:
    """Number of GPUs that torch can use.

    0 without CUDA, whatever else the machine has.
    """
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device(flags: MachineFlags, gpu_count: int) -> str:
    """``cuda`` if there are GPUs and neither ``--num_GPU 0`` nor ``--devices 0`` is set, else ``cpu``."""
    return "cuda" if gpu_count and flags.num_GPU != 0 and flags.devices != "0" else "cpu"


def check(flags: MachineFlags, batch_size: int | str, gpu_count: int) -> None:
    """Check the machine flags: raises like :func:`devices`, and for other invalid values.

    ``UnknownNameError`` for a strategy that Lightning does not have, ``BadValueError`` for half precision on
    the CPU and for ``--batch_size auto`` on several machines.
    """
    devices(flags, gpu_count)
    if flags.precision == "16-mixed" and device(flags, gpu_count) == "cpu":
        raise BadValueError("--precision 16-mixed needs a GPU: write bf16-mixed, 32 or auto for the CPU")
    if flags.num_nodes > 1 and batch_size == "auto":
        raise BadValueError("--batch_size auto tries the memory of one machine: write a number for --num_nodes above 1")
    from benchmark.training.lightning import StrategyRegistry  # slow import, not needed to explain

    strategies = ["auto", *StrategyRegistry.available_strategies()]
    if flags.strategy not in strategies:
        raise UnknownNameError("value of --strategy", flags.strategy, strategies)


def devices(flags: MachineFlags, gpu_count: int) -> int | list[int]:
    """Number of devices, or which of the ``gpu_count`` GPUs; on the CPU one process, or ``--devices``.

    Raises ``BadValueError`` for words that are not numbers and ``NotAvailableError`` for more GPUs than available.
    """
    if flags.num_GPU == 0 or flags.devices == "0":
        return 1
    requested = flags.device_ids or flags.num_GPU  # flags that require GPUs
    if requested and not gpu_count:
        flag = "device_ids" if flags.device_ids else "num_GPU"
        needs = f"--{flag} {requested} needs a GPU, and torch finds none here"
        raise NotAvailableError(f"{needs}: leave it out or write --num_GPU 0")
    if not requested and flags.devices == "auto":
        return 1
    which = _numbers(str(requested or flags.devices))
    wanted = max(which) + 1 if flags.device_ids else which[0]
    if gpu_count and wanted > gpu_count:
        needs = f"{str(requested or flags.devices)!r} needs {wanted} GPUs, there are {gpu_count}"
        raise NotAvailableError(f"{needs}: lower --devices or --device_ids")
    return which if flags.device_ids else which[0]


def _numbers(chosen: str) -> list[int]:
    numbers = chosen.split(",")
    if not all(number.strip().isdigit() for number in numbers):
        raise BadValueError(f"{chosen!r} are no devices: write --devices 2 or --device_ids 0,1")
    return [int(number) for number in numbers]


def processes(flags: MachineFlags) -> int:
    """Number of processes that a training run starts on this machine."""
    count = devices(flags, gpus())
    return count if isinstance(count, int) else len(count)


def world(flags: MachineFlags) -> int:
    """Number of processes that share the training images."""
    return flags.num_nodes * processes(flags)


def workers(asked: int | None) -> int:
    """Number of processes that decode images. Raises ``BadValueError`` if it is too large.

    >>> workers(0), workers(3)
    (1, 3)
    """
    return limits.cpus() if asked is None else max(limits.check_count(asked, "--num_workers"), 1)


def first(flags: MachineFlags, gpu_count: int) -> torch.device:
    """The device of the first process."""
    which = devices(flags, gpu_count)
    if device(flags, gpu_count) == "cpu":
        return torch.device("cpu")
    return torch.device("cuda", which[0] if isinstance(which, list) else 0)


def name(chosen: torch.device) -> str:
    """Name of a device, with the manufacturer's model."""
    if chosen.type == "cuda":
        return f"GPU {chosen.index} {torch.cuda.get_device_name(chosen)}"
    return f"CPU {cpu_model()}".strip()


def cpu_model() -> str:
    """The processor's name according to the system; empty if unknown."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def reason(flags: MachineFlags, gpu_count: int) -> str:
    """Why a run uses its device."""
    flag = "--device_ids" if flags.device_ids else "--num_GPU" if flags.num_GPU is not None else "--devices"
    if flags.device_ids or flags.num_GPU is not None or (gpu_count and flags.devices != "auto"):
        return flag
    return f"the first of {gpu_count}" if gpu_count else "torch finds no GPU"
