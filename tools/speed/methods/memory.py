"""The peak memory of one call of a contender, above what its process held with packages, model and images loaded.

The contender is first run on one tiny image, so that packages and thread pools are loaded. On a GPU the peak is of the
memory that torch has allotted there.
"""

import logging
from concurrent.futures.process import BrokenProcessPool

from tools.speed import memory
from tools.speed.methods.record import Peak
from tools.speed.record import Setting
from tools.speed.timing import Task

log = logging.getLogger(__name__)
TINY = 64
"""Side of the image that warms up."""


def peak(setting: Setting, task: Task, threads: int, device: str = "cpu") -> Peak:
    """MiB of one call of ``task`` in a fresh process; None where there is no ``/proc`` or the process was killed."""
    mib = None
    if memory.CLEAR.exists():
        try:
            mib = memory.fresh(_measured, setting, task, threads, device)
        except BrokenProcessPool:
            log.warning("%s at %s: its process was killed, most likely for want of memory", task.contender, setting)
    return Peak(setting=setting, contender=task.contender, findings=task.amount, mib=mib)


def _measured(setting: Setting, task: Task, threads: int, device: str) -> float:
    """Runs in the fresh process."""
    import torch

    from tools.speed.methods.contenders import CONTENDERS
    from tools.speed.methods.network import network

    torch.set_num_threads(threads)
    model, images = network(setting, max(task.amount, 1), device)
    prepare = CONTENDERS[task.contender]
    prepare(model, images[:1, :, :TINY, :TINY].contiguous(), [0])()
    call = prepare(model, images, range(task.amount))
    before = torch.cuda.memory_allocated() / 2**20 if device == "cuda" else memory.status("VmRSS")
    (torch.cuda.reset_peak_memory_stats if device == "cuda" else memory.reset_peak)()
    kept = call()  # what it returns belongs to the price
    after = torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else memory.status("VmHWM")
    del kept
    return round(max(0.0, after - before), 1)
