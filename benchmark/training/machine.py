"""Threads, precision and log file of a run on this machine."""

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmark.training import devices
from core.files import writing
from core.flags.machine import MachineFlags
from core.flags.training import OutputFlags
from datasets.io import limits

log = logging.getLogger(__name__)


def configure_torch(threads: int | None, processes: int = 1) -> None:
    """Set torch's number of ``threads``, and silence messages that a user cannot act on.

    By default the ``processes`` of a run share the available CPUs. Only the first process logs.
    """
    torch.set_num_threads(limits.check_count(threads, "--threads") if threads else max(limits.cpus() // processes, 1))
    lightning = sys.modules.get("lightning.pytorch.utilities")  # imported only for training; it takes seconds
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
    return requested if requested != "auto" else "bf16-mixed" if fast_bfloat16 else "32"


def precision_here(flags: MachineFlags) -> str:
    """Return the precision of a run of ``flags`` on this machine."""
    return precision(flags.precision, has_fast_bfloat16(devices.device(flags)))


def has_fast_bfloat16(device: str) -> bool:
    """Whether bfloat16 is faster than float32 on ``cuda`` or ``cpu``.

    Intel processors need matrix units (AMX): with AVX-512 alone, a training step took 1.3 to 1.6 times as long as with
    float32 (Xeon; ResNet-18, DenseNet-121 and the small CNN). On AMD processors AVX-512 is enough: 0.6 times as long
    (EPYC, ResNet-18).
    """
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    able = torch.cpu.get_capabilities()
    return bool(able.get("amx_bf16") or (able.get("avx512_bf16") and "Intel" not in str(able.get("cpu_name"))))


def summary(flags: MachineFlags, num_workers: int | None) -> str:
    """Describe device, precision, threads and decoding processes of a run, with reasons, in one line."""
    device, count = devices.first(flags), devices.world(flags)
    fast = "fast bfloat16" if has_fast_bfloat16(device.type) else "no fast bfloat16"
    free = "one per available CPU"
    parts = {
        "device": f"{devices.name(device)} ({devices.reason(flags)})",
        "precision": f"{precision_here(flags)} ({fast if flags.precision == 'auto' else '--precision'})",
        "threads": f"{torch.get_num_threads()} ({'--threads' if flags.threads else free})",
        "decoding processes": f"{devices.workers(num_workers)} ({free if num_workers is None else '--num_workers'})",
    }
    several = {"processes": f"{count} (--devices, --num_nodes)"} if count > 1 else {}
    return "; ".join(f"{name}: {text}" for name, text in {**parts, **several}.items())


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
