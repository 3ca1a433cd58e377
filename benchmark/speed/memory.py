"""Peak memory, honestly: one call in a fresh process.

``ru_maxrss`` is no measure here: a started process inherits its parent's. ``VmHWM`` of ``/proc`` is the process's own peak
of resident memory and can be set back. The contender is first run on one tiny image, so that packages and thread pools
are loaded; what is measured comes on top of model, images and all of that.
"""

import logging
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from benchmark.speed.record import Peak, Setting
from benchmark.speed.timing import Task

log = logging.getLogger(__name__)
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
TINY = 64
"""Side of the image that warms up."""


def peak(setting: Setting, task: Task, threads: int) -> Peak:
    """MiB of one call of ``task`` above what its process held before; None where there is no ``/proc`` or the process was killed."""
    mib = None
    if CLEAR.exists():
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            try:
                mib = pool.submit(_measured, setting, task, threads).result()
            except BrokenProcessPool:
                log.warning("%s at %s: its process was killed, most likely for want of memory", task.contender, setting)
    return Peak(setting=setting, contender=task.contender, findings=task.amount, mib=mib)


def _measured(setting: Setting, task: Task, threads: int) -> float:
    """Runs in the fresh process."""
    import torch

    from benchmark.speed.contenders import CONTENDERS
    from benchmark.speed.network import network

    torch.set_num_threads(threads)
    model, images = network(setting, max(task.amount, 1))
    prepare = CONTENDERS[task.contender]
    prepare(model, images[:1, :, :TINY, :TINY].contiguous(), [0])()
    call = prepare(model, images, range(task.amount))
    before = _status("VmRSS")
    rising()
    kept = call()  # what it returns belongs to the price
    after = _status("VmHWM")
    del kept
    return round(max(0.0, after - before), 1)


def rising() -> None:
    """Set the process's peak back to what is resident now; nothing where there is no ``/proc``."""
    if CLEAR.exists():
        CLEAR.write_text("5")


def highest() -> float | None:
    """MiB at the peak of the process since ``rising``; None where the system does not tell."""
    return _status("VmHWM") if STATUS.exists() else None


def _status(field: str) -> float:
    """MiB of a field of /proc/self/status."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{field}:"))
    return int(line.split()[1]) / 1024
