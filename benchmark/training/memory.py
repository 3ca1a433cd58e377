"""Memory: how much there is, and a sentence where it was not enough."""

import contextlib
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import torch
from lightning.pytorch.utilities.memory import is_oom_error

from core.errors import NotAvailableError

GROUPS = Path("/sys/fs/cgroup")
"""Where the system keeps the limits of groups of processes (containers, jobs of a cluster)."""
OWN_GROUP = Path("/proc/self/cgroup")
"""Which of them this process belongs to."""

LITTLE = 2**30
"""Bytes; with less to take, it was for want of memory that oneDNN "could not create a primitive", which is all that it says."""


@contextlib.contextmanager
def enough(advice: str) -> Iterator[None]:
    """Turns memory that cannot be had inside the block, the GPU's or the machine's, into one sentence that ends with ``advice``."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_short(error):
            raise
        raise NotAvailableError(f"out of memory: {advice}") from error


def is_short(error: BaseException) -> bool:
    """Whether ``error`` says that memory could not be had."""
    told = isinstance(error, MemoryError | torch.OutOfMemoryError) or is_oom_error(error)
    return told or ("could not create a primitive" in str(error) and available() < LITTLE)


def available() -> int:
    """Bytes that this process may still take: of the machine, of its container or job (cgroup v2), below its own limit (``ulimit -v``)."""
    free = next(line for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if line.startswith("MemAvailable"))
    limits = [int(free.split()[1]) * 1024]
    limits += [int(most) - int(_stated(group / "memory.current") or 0) for group in groups() if (most := _stated(group / "memory.max"))]
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        limits.append(soft - int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize())
    return max(min(limits), 0)


def cpus(root: Path = GROUPS, own: Path = OWN_GROUP) -> int:
    """How many CPUs this process may use: those of its affinity mask, or what its container's quota (cgroup v2) amounts to."""
    counts = [len(os.sched_getaffinity(0))]
    for group in groups(root, own):
        quota, _, period = (_stated(group / "cpu.max") or "").partition(" ")
        if period:
            counts.append(max(-(-int(quota) // int(period)), 1))
    return min(counts)


def groups(root: Path = GROUPS, own: Path = OWN_GROUP) -> list[Path]:
    """The folders of this process's group and of those around it; none where the system has no cgroup v2."""
    lines = own.read_text(encoding="utf-8").splitlines() if own.is_file() else []
    names = [line.removeprefix("0::/") for line in lines if line.startswith("0::/")]
    return [folder for name in names for folder in ((root / name), *(root / name).parents) if folder.is_relative_to(root)]


def _stated(path: Path) -> str | None:
    """A limit as a group states it; None where there is none."""
    text = path.read_text(encoding="ascii").strip() if path.is_file() else "max"
    return None if text.startswith("max") else text
