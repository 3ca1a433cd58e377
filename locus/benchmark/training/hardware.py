"""The machine of a run, from its flags: devices, threads, precision, memory and log file.

Memory that runs out becomes an error with advice (``oom_as_error``). The number of CPUs and the limits of containers
are read by ``locus.core.limits``; batch sizes for explaining are in ``locus.explaining._passes``.
"""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from locus.config import MachineFlags, OutputFlags
from locus.core import limits
from locus.core.errors import BadValueError, NotAvailableError
from locus.core.files import writing

log = logging.getLogger(__name__)
MEMORY_TEXTS = (
    "out of memory", "can't allocate memory", "CUDNN_STATUS_NOT_SUPPORTED", "could not create a primitive",
)  # fmt: skip
"""Texts in the errors of CUDA, the CPU's allocator, cuDNN and oneDNN if memory runs out."""
CPUINFO = Path("/proc/cpuinfo")
"""File with the name of the processor."""


def gpus() -> int:
    """Return the number of CUDA GPUs that torch can use."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def device_type(flags: MachineFlags) -> str:
    """Return ``cuda`` if there are GPUs and ``--accelerator`` is not ``cpu``, else ``cpu``."""
    return "cuda" if gpus() and flags.accelerator != "cpu" else "cpu"


def check_flags(flags: MachineFlags) -> None:
    """Check the machine flags. Raises the errors of ``device_indices``, ``BadValueError`` for 16-mixed on the CPU."""
    device_indices(flags)
    if flags.precision == "16-mixed" and device_type(flags) == "cpu":
        raise BadValueError(
            "--precision 16-mixed requires a GPU: use bf16-mixed, 32 or auto for the CPU"
        )


def device_indices(flags: MachineFlags) -> list[int]:
    """Return the indices of the GPUs of a run on this machine; on the CPU those of its processes (``--devices``).

    Raises ``BadValueError`` for values that are not numbers and ``NotAvailableError`` for more GPUs than available.
    """
    on_cpu = device_type(flags) == "cpu"
    gpu_count = gpus()
    if on_cpu and flags.accelerator == "gpu":
        raise NotAvailableError(
            "--accelerator gpu requires a GPU, but torch finds none: use auto or cpu"
        )
    if flags.devices == "auto":
        return [0]
    numbers = flags.devices.removesuffix(",").split(",")
    if not all(number.strip().isdigit() for number in numbers) or not flags.devices.strip("0"):
        advice = "use auto, 2 or 0,1; for the CPU, --accelerator cpu"
        raise BadValueError(
            f"--devices {flags.devices!r} is not a number or list of devices: {advice}"
        )
    which = [*map(int, numbers)] if "," in flags.devices else [*range(int(numbers[0]))]
    if on_cpu:
        return [*range(len(which))]
    if max(which) >= gpu_count:
        missing = (
            f"--devices {flags.devices} requires {max(which) + 1} GPUs, but there are {gpu_count}"
        )
        raise NotAvailableError(f"{missing}: use lower numbers")
    return which


def set_up(flags: MachineFlags, num_workers: int | None) -> int:
    """Check the flags, prepare torch, log what the run computes on; return the number of processes on this machine."""
    check_flags(flags)
    processes = len(device_indices(flags))
    configure_torch(flags.threads, processes)
    log.info("%s", summary(flags, num_workers))
    return processes


def trainer_options(flags: MachineFlags) -> dict[str, Any]:
    """Return the arguments of Lightning's trainer that depend on the machine. Raises the errors of ``device_indices``.

    Statistics of batch norm are those of the whole batch, as on one device.
    """
    indices = device_indices(flags)
    precision = precision_here(flags)
    options = {"num_nodes": flags.num_nodes, "strategy": flags.strategy, "precision": precision}
    if device_type(flags) == "cpu":
        return {**options, "accelerator": "cpu", "devices": len(indices)}
    return {**options, "accelerator": "gpu", "devices": indices, "sync_batchnorm": True}


def workers(requested: int | None) -> int:
    """Return the number of processes that decode images. Raises ``BadValueError`` if it is too large.

    >>> workers(0), workers(3)
    (1, 3)
    """
    return (
        limits.cpus()
        if requested is None
        else max(limits.check_count(requested, "--num_workers"), 1)
    )


def device_name(flags: MachineFlags) -> str:
    """Return the name of the device of the first process, with its model. Raises the errors of ``device_indices``."""
    first = device_indices(flags)[0]
    if device_type(flags) == "cpu":
        return f"CPU {cpu_model()}".strip()
    return f"GPU {first} {torch.cuda.get_device_name(first)}"


def cpu_model() -> str:
    """Return the name of the processor; empty if unknown."""
    lines = CPUINFO.read_text(encoding="utf-8").splitlines() if CPUINFO.is_file() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), ""
    )


def configure_torch(threads: int | None, processes: int = 1) -> None:
    """Set torch's number of ``threads``, and silence messages that a user cannot act on.

    By default the ``processes`` of a run share the available CPUs. Only the first process logs.
    """
    torch.set_num_threads(
        limits.check_count(threads, "--threads") if threads else max(limits.cpus() // processes, 1)
    )
    lightning = sys.modules.get(
        "lightning.pytorch.utilities"
    )  # imported only for training; it takes seconds
    if lightning is not None and lightning.rank_zero_only.rank:
        logging.getLogger().setLevel(logging.WARNING)
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", category=FutureWarning)


def precision(requested: str, fast_bfloat16: bool) -> str:
    """Return Lightning's precision; ``auto`` is bf16-mixed if bfloat16 is fast, else 32.

    >>> precision("auto", True), precision("auto", False), precision("64", True)
    ('bf16-mixed', '32', '64')
    """
    if requested != "auto":
        return requested
    return "bf16-mixed" if fast_bfloat16 else "32"


def precision_here(flags: MachineFlags) -> str:
    """Return the precision of a run of ``flags`` on this machine."""
    return precision(flags.precision, has_fast_bfloat16(device_type(flags)))


def has_fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is faster than float32 on ``cuda`` or ``cpu``.

    Intel processors need matrix units (AMX): with AVX-512 alone, a training step took 1.3 to 1.6 times as long as with
    float32 (Xeon; ResNet-18, DenseNet-121 and the small CNN). On AMD processors AVX-512 is enough: 0.6 times as long
    (EPYC, ResNet-18).
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able: dict[str, object] = getattr(
        torch.cpu, "get_capabilities", dict
    )()  # older torch stays with 32 bits
    return bool(
        able.get("amx_bf16")
        or (able.get("avx512_bf16") and "Intel" not in str(able.get("cpu_name")))
    )


def summary(flags: MachineFlags, num_workers: int | None) -> str:
    """Describe device, precision, threads, decoding processes and processes of a run in one line."""
    device = f"device: {device_name(flags)}; precision: {precision_here(flags)}"
    counts = f"threads: {torch.get_num_threads()}; decoding processes: {workers(num_workers)}"
    return f"{device}; {counts}; processes: {flags.num_nodes * len(device_indices(flags))}"


def memory_format(channels_last: bool) -> torch.memory_format:
    """Return the memory format of images and weights; channels last is the fastest for convolutions."""
    return torch.channels_last if channels_last else torch.contiguous_format


@contextlib.contextmanager
def log_file(flags: OutputFlags, folder: Path) -> Iterator[None]:
    """Also write the log to ``<log_dir>/<run>.log`` inside the block, with ``--logtofile``."""
    if not flags.logtofile:
        yield
        return
    path = Path(flags.log_dir) / f"{folder.name}.log"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


@contextlib.contextmanager
def oom_as_error(advice: str) -> Iterator[None]:
    """Turn an out-of-memory error of the GPU or the machine into an error that ends with ``advice``.

    >>> with oom_as_error("lower --batch_size"):
    ...     raise MemoryError
    Traceback (most recent call last):
        ...
    locus.core.errors.NotAvailableError: out of memory: lower --batch_size
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_oom(error):
            raise
        raise NotAvailableError(f"out of memory: {advice}") from error


def is_oom(error: BaseException) -> bool:
    """Whether ``error`` reports that memory ran out."""
    has_type = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return has_type or any(text in str(error) for text in MEMORY_TEXTS)
