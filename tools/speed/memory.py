"""Measure the peak memory of a call in a new process.

``ru_maxrss`` cannot be used, because a process inherits it from its parent. ``VmHWM`` of ``/proc`` is the peak of the
process itself and can be reset.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def fresh(function: Callable[..., T], *values: Any) -> T:
    """Return ``function(*values)``, called in a new process. Raises ``BrokenProcessPool`` if it was killed."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *values).result()


def reset_peak() -> None:
    """Reset the peak to the current resident memory; do nothing without ``/proc``."""
    if CLEAR.exists():
        CLEAR.write_text("5")


def peak() -> float | None:
    """Return the peak memory of the process since ``reset_peak`` in MiB; None without ``/proc``."""
    return status("VmHWM")


def status(field: str) -> float | None:
    """Return a field of /proc/self/status in MiB; None without ``/proc``."""
    lines = STATUS.read_text().splitlines() if STATUS.exists() else ()
    sizes = [int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")]
    return round(sizes[0], 1) if sizes else None
