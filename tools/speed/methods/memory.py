"""The peak memory of one call of a contender, above what its process held with packages, model and images loaded.

The contender is first run on one tiny image, so that packages and thread pools are loaded. On a GPU the peak is of the
memory that torch has allotted there.
"""

import logging
from concurrent.futures.process import BrokenProcessPool

from tools.speed import memory
from tools.speed.record import On, Row
from tools.speed.timing import Task

log = logging.getLogger(__name__)
TINY = 64
"""Side of the image that warms up."""


def peak(on: On, task: Task, threads: int, device: str = "cpu") -> Row:
    """MiB of one call of ``task`` in a fresh process; None where there is no ``/proc`` or the process was killed."""
    mib = None
    if memory.CLEAR.exists():
        try:
            mib = memory.fresh(_measured, on, task, threads, device)
        except BrokenProcessPool:
            log.warning("%s on %s: its process was killed, most likely for want of memory", task.contender, on)
    log.info("memory, %s: %s: %s MiB", on, task.contender, mib)
    return Row(group="memory", on=on | {"findings": task.amount}, contender=task.contender, figures={"mib": mib})


def _measured(on: On, task: Task, threads: int, device: str) -> float:
    """Runs in the fresh process."""
    import torch

    from tools.speed.methods.contenders import CONTENDERS, network

    torch.set_num_threads(threads)
    model, images = network(on, max(task.amount, 1), device)
    prepare = CONTENDERS[task.contender]
    prepare(model, images[:1, :, :TINY, :TINY].contiguous(), [0])()
    call = prepare(model, images, range(task.amount))
    before = torch.cuda.memory_allocated() / 2**20 if device == "cuda" else memory.status("VmRSS")
    (torch.cuda.reset_peak_memory_stats if device == "cuda" else memory.reset_peak)()
    kept = call()  # what it returns belongs to the price
    after = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else memory.status("VmHWM")
    del kept
    return round(max(0.0, after - before), 1)
