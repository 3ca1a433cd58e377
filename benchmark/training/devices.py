"""Which devices a run uses, by its flags and the GPUs of the machine."""

from pathlib import Path

import torch

from core.errors import BadValueError, NotAvailableError, UnknownNameError
from core.flags.machine import MachineFlags
from datasets.io import limits

CPUINFO = Path("/proc/cpuinfo")
"""Where the system says which processor it has."""


def gpus() -> int:
    """How many GPUs torch can use here.

    0 without CUDA, whatever else the machine has.
    """
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device(flags: MachineFlags, gpu_count: int) -> str:
    """``cuda`` where there are GPUs and neither ``--num_GPU 0`` nor ``--devices 0`` forbids them, else ``cpu``."""
    return "cuda" if gpu_count and flags.num_GPU != 0 and flags.devices != "0" else "cpu"


def check(flags: MachineFlags, batch_size: int | str, gpu_count: int) -> None:
    """Raise what :func:`devices` raises, and what else of the machine's flags cannot be.

    ``UnknownNameError`` for a strategy that Lightning has not, ``BadValueError`` for half precision on
    the CPU and for ``--batch_size auto`` on several machines.
    """
    devices(flags, gpu_count)
    if flags.precision == "16-mixed" and device(flags, gpu_count) == "cpu":
        raise BadValueError("--precision 16-mixed needs a GPU: write bf16-mixed, 32 or auto for the CPU")
    if flags.num_nodes > 1 and batch_size == "auto":
        raise BadValueError("--batch_size auto tries the memory of one machine: write a number for --num_nodes above 1")
    from lightning.pytorch.strategies import StrategyRegistry  # who only explains needs none of Lightning

    known = ["auto", *StrategyRegistry.available_strategies()]
    if flags.strategy not in known:
        raise UnknownNameError("value of --strategy", flags.strategy, known)


def devices(flags: MachineFlags, gpu_count: int) -> int | list[int]:
    """How many devices, or which of the ``gpu_count`` GPUs; on the CPU it is one process, or ``--devices``.

    Raises ``BadValueError`` for words that are no numbers and ``NotAvailableError`` for more GPUs than there are.
    """
    if flags.num_GPU == 0 or flags.devices == "0":
        return 1
    asked = flags.device_ids or flags.num_GPU  # the flags that mean GPUs and nothing else
    if asked and not gpu_count:
        flag = "device_ids" if flags.device_ids else "num_GPU"
        needs = f"--{flag} {asked} needs a GPU, and torch finds none here"
        raise NotAvailableError(f"{needs}: leave it out or write --num_GPU 0")
    if not asked and flags.devices == "auto":
        return 1
    which = _numbers(str(asked or flags.devices))
    wanted = max(which) + 1 if flags.device_ids else which[0]
    if gpu_count and wanted > gpu_count:
        needs = f"{str(asked or flags.devices)!r} needs {wanted} GPUs, there are {gpu_count}"
        raise NotAvailableError(f"{needs}: lower --devices or --device_ids")
    return which if flags.device_ids else which[0]


def _numbers(chosen: str) -> list[int]:
    numbers = chosen.split(",")
    if not all(number.strip().isdigit() for number in numbers):
        raise BadValueError(f"{chosen!r} are no devices: write --devices 2 or --device_ids 0,1")
    return [int(number) for number in numbers]


def processes(flags: MachineFlags) -> int:
    """How many processes this machine runs for a training."""
    count = devices(flags, gpus())
    return count if isinstance(count, int) else len(count)


def world(flags: MachineFlags) -> int:
    """How many processes share the training images."""
    return flags.num_nodes * processes(flags)


def workers(asked: int | None) -> int:
    """How many processes decode images. Raises ``BadValueError`` for more than a machine can bear.

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
    """What the maker calls a device."""
    if chosen.type == "cuda":
        return f"GPU {chosen.index} {torch.cuda.get_device_name(chosen)}"
    return f"CPU {cpu_model()}".strip()


def cpu_model() -> str:
    """The processor's name as the system tells it; empty where it does not."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.is_file() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def reason(flags: MachineFlags, gpu_count: int) -> str:
    """Why a run computes where it does."""
    flag = "--device_ids" if flags.device_ids else "--num_GPU" if flags.num_GPU is not None else "--devices"
    if flags.device_ids or flags.num_GPU is not None or (gpu_count and flags.devices != "auto"):
        return flag
    return f"the first of {gpu_count}" if gpu_count else "torch finds no GPU"
