"""What one method costs alone: the time and memory of an image on the path by which suites explain."""

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark.engine.forward import gather
from benchmark.engine.run import run_method
from methods.base import Method

if TYPE_CHECKING:
    from backbones import Classifier

CALLS = 5
BUDGET = 0.5
"""Seconds of calls after which no other one is timed."""
Explain = Callable[[Tensor], object]


@dataclass(frozen=True)
class Spent:
    """The cost of one image."""

    ms: float
    """On a CPU the work of one core (what others do meanwhile does not count), on a GPU the time that passes."""
    mib: float
    """Tensors at the peak of a batch of one image, beside the network and that image."""
    images: int
    """How many were explained at once while it was timed."""
    calls: int
    """How many calls ``ms`` is the least of."""


def spent(model: "Classifier", images: Tensor, method: Method, memory_gib: float = 2.0) -> Spent:
    """The cost of ``method``'s maps of all findings, the forward pass among it, for (N,3,H,W) ``images``.

    Its memory is that of a call on one image. ``CALLS`` on all images are timed, fewer once they took ``BUDGET``
    seconds; on one image where all would take longer than that. Raises ``LocusError`` where it has no map for this
    model, or breaks.
    """

    def explain(batch: Tensor) -> object:
        return run_method(method, gather(model, batch, memory_gib=memory_gib))

    with _undisturbed():
        gather(model, images[:1], memory_gib=memory_gib)
        mib = (_peak_on_gpu if images.is_cuda else _peak)(explain, images[:1]) / 2**20
        first = _seconds(explain, images[:1])
        batch = images if first * len(images) <= BUDGET else images[:1]
        times = [first] if len(batch) == 1 else []
        while len(times) < CALLS and sum(times) < BUDGET:
            times.append(_seconds(explain, batch))
    ms = 1000 * min(times) / len(batch)  # of the call that was disturbed least
    return Spent(round(ms, 3), round(mib, 3), len(batch), len(times))


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """One thread; no search for garbage, whose time and memory are not the method's."""
    threads, collects = torch.get_num_threads(), gc.isenabled()
    torch.set_num_threads(1)
    gc.disable()
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        if collects:
            gc.enable()


def _seconds(explain: Explain, images: Tensor) -> float:
    if not images.is_cuda:
        start = time.process_time()
        explain(images)
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    explain(images)
    torch.cuda.synchronize()
    return time.perf_counter() - start


def _peak(explain: Explain, images: Tensor) -> float:
    """Bytes of tensors alive at once, from torch's own account of each that it makes and drops."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # else the profiler tells of itself on stderr
    with torch.autograd.profiler.profile(use_cpu=True, profile_memory=True) as profile:
        kept = explain(images)  # what it returns belongs to the price
    del kept
    events = [event for event in profile.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


def _peak_on_gpu(explain: Explain, images: Tensor) -> float:
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    kept = explain(images)
    torch.cuda.synchronize()
    del kept
    return torch.cuda.max_memory_allocated() - before
