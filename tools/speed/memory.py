"""Peak memory of one call, in a fresh process.

``ru_maxrss`` is no measure here: a started process inherits its parent's. ``VmHWM`` of ``/proc`` is the process's own
peak of resident memory and can be set back.
"""

import multiprocessing
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def fresh(function: Callable[..., T], *values: Any) -> T:
    """``function(*values)`` in a process of its own. Raises ``BrokenProcessPool`` where that was killed."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *values).result()


def reset_peak() -> None:
    """Set the process's peak back to what is resident now; nothing where there is no ``/proc``."""
    if CLEAR.exists():
        CLEAR.write_text("5")


def peak() -> float | None:
    """MiB at the peak of the process since ``reset_peak``; None where the system does not tell."""
    return status("VmHWM") if STATUS.exists() else None


def status(field: str) -> float:
    """MiB of a field of /proc/self/status."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024
