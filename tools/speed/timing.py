"""Time several calls in turn, measure peak memory, and format the results."""

import datetime
import multiprocessing
import os
import platform
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from locus.core import limits, startup
from locus.core.errors import NotAvailableError

T = TypeVar("T")
Key = TypeVar("Key", bound=Hashable)
SHORT = 10.0
"""Milliseconds below which a call is repeated, because a single short call mostly measures cache misses."""
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
NOTHING = "–"


class Time(NamedTuple):
    """Milliseconds of a call."""

    wall: float
    cpu: float
    """CPU time of all threads."""

    @property
    def least(self) -> float:
        """The smaller of both: on a busy machine, long calls wait for a core and short calls do not."""
        return min(self)


def once(call: Callable[[], object]) -> Time:
    """Time a call. It is repeated until ``SHORT`` milliseconds have passed, and the mean is returned."""
    wall = time.perf_counter()
    cpu = time.process_time()
    calls = 0
    passed = 0.0
    while passed < SHORT:
        call()
        calls = calls + 1
        passed = 1000 * (time.perf_counter() - wall)
    return Time(passed / calls, 1000 * (time.process_time() - cpu) / calls)


def fastest(
    calls: Mapping[Key, Callable[[], object]], rounds: int, budget: float
) -> dict[Key, Time]:
    """Time ``calls`` in turn, in at most ``rounds`` rounds, and return the minimum of each.

    Disturbances (other processes, a warmer CPU) then affect all calls, and the minimum is the least disturbed one. A
    call is not repeated after ``budget`` seconds.
    """
    times: dict[Key, list[Time]] = {key: [] for key in calls}
    for _ in range(rounds):
        for key, call in calls.items():
            if not times[key] or sum(measured.wall for measured in times[key]) < 1000 * budget:
                times[key].append(once(call))
    return {key: Time(*map(min, zip(*all_times, strict=True))) for key, all_times in times.items()}


def in_new_process(function: Callable[..., T], *values: Any) -> T:
    """Return ``function(*values)``, called in a new process, so that its peak memory can be measured."""
    new_process = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
    with startup.checkout_importable(), new_process as pool:
        return pool.submit(function, *values).result()


def reset_peak() -> float | None:
    """Reset the peak of ``peak`` to the resident memory, and return that in MiB; None without ``/proc``."""
    if CLEAR.exists():
        CLEAR.write_text("5")
    return _status("VmRSS")


def peak() -> float | None:
    """Return the peak memory of the process since ``reset_peak`` in MiB; None without ``/proc``.

    ``ru_maxrss`` cannot be used, because a process inherits it from its parent.
    """
    return _status("VmHWM")


def _status(field: str) -> float | None:
    lines = STATUS.read_text().splitlines() if STATUS.exists() else ()
    return next(
        (int(line.split()[1]) / 1024 for line in lines if line.startswith(f"{field}:")), None
    )


def machine(threads: int, *packages: str) -> str:
    """Describe the machine, the ``packages`` and the date. Raises ``NotAvailableError`` for a missing package."""
    from locus.benchmark.training.hardware import (
        cpu_model,
    )  # imports torch, whose memory would count in new processes

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Machine: {cpu_model() or platform.machine()}, {limits.cpus()} cores, {memory:.1f} GiB, {platform.system()} "
        f"{platform.release()}; threads: {threads}; load before the run {os.getloadavg()[0]:.2f}. Python "
        f"{platform.python_version()}, {', '.join(f'{name} {_version(name)}' for name in packages)}. Run on "
        f"{datetime.datetime.now(datetime.UTC).date()}."
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError as error:
        install = "pip install -e '.[test]' --constraint constraints.txt"
        raise NotAvailableError(
            f"{package} is not installed and cannot be timed: {install}"
        ) from error


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Format a Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (header, ["---"] * len(header), *rows))


def short(value: float | None) -> str:
    """Format a measurement with three digits.

    >>> short(1.0449), short(12.34), short(512.4), short(None)
    ('1.04', '12.3', '512', '–')
    """
    if value is None:
        return NOTHING
    decimals = 2
    if abs(value) >= 99.95:
        decimals = 0
    elif abs(value) >= 9.995:
        decimals = 1
    return f"{value:.{decimals}f}"


def compared(value: float, ratio: float | None) -> str:
    """Format a time, and in brackets how many times as long as Locus it took.

    >>> compared(2208.2, 172.6), compared(12.8, None)
    ('2208 (173×)', '12.8')
    """
    return short(value) if ratio is None else f"{short(value)} ({short(ratio)}×)"
