"""Measure the peak memory of a call, in addition to that of packages, model and images.

The contender is first run on one tiny image, so that packages and thread pools are loaded. On a GPU the peak is that of
torch's allocator.
"""

import logging
from concurrent.futures.process import BrokenProcessPool

from tools.speed import memory
from tools.speed.record import On, Row
from tools.speed.timing import Task

log = logging.getLogger(__name__)
TINY = 64
"""Side in pixels of the image for warming up."""


def peak(on: On, task: Task, threads: int, device: str = "cpu") -> Row:
    """Measure a call of ``task`` in a new process, in MiB; None without ``/proc`` or if the process was killed."""
    mib = None
    if memory.CLEAR.exists():
        try:
            mib = memory.fresh(_measured, on, task, threads, device)
        except BrokenProcessPool:
            log.warning("%s on %s: the process was killed, probably because memory ran out", task.contender, on)
    log.info("memory, %s: %s: %s MiB", on, task.contender, mib)
    return Row(group="memory", on=on | {"findings": task.amount}, contender=task.contender, figures={"mib": mib})


def _measured(on: On, task: Task, threads: int, device: str) -> float:
    """Measure in the new process."""
    import torch

    from tools.speed.methods.contenders import CONTENDERS, network

    torch.set_num_threads(threads)
    model, images = network(on, max(task.amount, 1), device)
    prepare = CONTENDERS[task.contender]
    prepare(model, images[:1, :, :TINY, :TINY].contiguous(), [0])()
    call = prepare(model, images, range(task.amount))
    before = torch.cuda.memory_allocated() / 2**20 if device == "cuda" else memory.status("VmRSS") or 0.0
    (torch.cuda.reset_peak_memory_stats if device == "cuda" else memory.reset_peak)()
    result = call()  # the memory of the result counts
    after = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else memory.peak() or 0.0
    del result
    return round(max(0.0, after - before), 1)
