"""Memory that is available, and out-of-memory errors as one sentence."""

import contextlib
import ctypes
import resource
import sys
from collections.abc import Iterator
from pathlib import Path

import torch

from core.errors import NotAvailableError
from datasets.io import limits

LITTLE = 2**30
"""Bytes; with less to take, oneDNN's "could not create a primitive" is for want of memory."""


@contextlib.contextmanager
def oom_as_error(advice: str) -> Iterator[None]:
    """Turns an out-of-memory error in the block, the GPU's or the machine's, into a sentence that ends with ``advice``.

    >>> with oom_as_error("lower --batch_size"):
    ...     raise MemoryError
    Traceback (most recent call last):
        ...
    core.errors.NotAvailableError: out of memory: lower --batch_size
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_oom(error):
            raise
        raise NotAvailableError(f"out of memory: {advice}") from error


def is_oom(error: BaseException) -> bool:
    """Whether ``error`` says that memory could not be had."""
    from lightning.pytorch.utilities.memory import is_oom_error  # after a failure alone: it costs seconds

    stated = isinstance(error, MemoryError | torch.OutOfMemoryError) or is_oom_error(error)
    return stated or ("could not create a primitive" in str(error) and available() < LITTLE)


def release() -> None:
    """Give memory that is free in this process back to the system, after work that took much of it for a moment."""
    if (pyarrow := sys.modules.get("pyarrow")) is not None:
        pyarrow.default_memory_pool().release_unused()
    with contextlib.suppress(OSError, AttributeError):  # a C library that is not glibc
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def available() -> int:
    """Bytes that this process may still take: of the machine, its container or job (cgroup v2), and ``ulimit -v``."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    left = [next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))]
    for group in limits.groups():
        if most := limits.read_limit(group / "memory.max"):
            left.append(int(most) - int(limits.read_limit(group / "memory.current") or 0))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        left.append(soft - pages * resource.getpagesize())
    return max(min(left), 0)
