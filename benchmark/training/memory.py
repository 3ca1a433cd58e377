"""Available memory, and out-of-memory errors as messages."""

import contextlib
import resource
from collections.abc import Iterator
from pathlib import Path

import torch

from core.errors import NotAvailableError
from datasets.io import limits

LITTLE = 2**30
"""Bytes; with less memory, oneDNN's "could not create a primitive" counts as out of memory."""


@contextlib.contextmanager
def oom_as_error(advice: str) -> Iterator[None]:
    """Turn an out-of-memory error of the GPU or the machine into an error that ends with ``advice``.

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
    """Whether ``error`` reports that memory ran out."""
    from lightning.pytorch.utilities.memory import is_oom_error  # slow import, only after a failure

    is_known_type = isinstance(error, MemoryError | torch.OutOfMemoryError) or is_oom_error(error)
    return is_known_type or ("could not create a primitive" in str(error) and available() < LITTLE)


def available() -> int:
    """Return the bytes that this process may still allocate: machine, container or job (cgroup v2), ``ulimit -v``."""
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    remaining = [next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))]
    for group in limits.groups():
        if most := limits.read_limit(group / "memory.max"):
            remaining.append(int(most) - int(limits.read_limit(group / "memory.current") or 0))
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft != resource.RLIM_INFINITY:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        remaining.append(soft - pages * resource.getpagesize())
    return max(min(remaining), 0)
