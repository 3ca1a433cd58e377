"""Cost of a single method: time and memory per image, measured on the code path of the suites."""

import contextlib
import gc
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmark.explain.batch import collect_evidence
from benchmark.explain.run import run_method
from methods.base import Method

if TYPE_CHECKING:
    from backbones import Classifier

CALLS = 5
BUDGET = 0.5
"""Time budget in seconds: no further call is timed after it."""
Explain = Callable[[Tensor], object]


@dataclass(frozen=True)
class Spent:
    """The cost of one image."""

    ms: float
    """Time per image: on a CPU the process time of one core, on a GPU wall time."""
    mib: float
    """Peak memory of tensors for a batch of one image, without the network and the image."""
    images: int
    """Images per timed call."""
    calls: int
    """Number of timed calls; ``ms`` is their minimum."""


def spent(model: "Classifier", images: Tensor, method: Method, memory_gib: float = 2.0) -> Spent:
    """Measure the cost of the maps of ``method`` for all findings, including the forward pass.

    ``images`` are (N,3,H,W). Memory is measured on one image. Time is that of up to ``CALLS`` calls on all images
    within ``BUDGET`` seconds, or on one image if all would take longer. Raises ``LocusError`` if the method does not
    support this model, or fails.
    """

    def explain(batch: Tensor) -> object:
        return run_method(method, collect_evidence(model, batch, memory_gib=memory_gib))

    with _undisturbed():
        collect_evidence(model, images[:1], memory_gib=memory_gib)
        mib = (_peak_on_gpu if images.is_cuda else _peak)(explain, images[:1]) / 2**20
        first = _seconds(explain, images[:1])
        batch = images if first * len(images) <= BUDGET else images[:1]
        times = [first] if len(batch) == 1 else []
        while len(times) < CALLS and sum(times) < BUDGET:
            times.append(_seconds(explain, batch))
    ms = 1000 * min(times) / len(batch)  # other programs disturb the fastest call least
    return Spent(round(ms, 3), round(mib, 3), len(batch), len(times))


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Use one thread and no garbage collection, which would add time and memory."""
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
    """Return the processor seconds of one call on the CPU, or the elapsed seconds on a GPU."""
    clock = time.perf_counter if images.is_cuda else time.process_time
    start = clock()
    explain(images)
    if images.is_cuda:
        torch.cuda.synchronize()
    return clock() - start


def _peak(explain: Explain, images: Tensor) -> float:
    """Return the peak bytes of live tensors, from the allocations recorded by torch's profiler."""
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # silences the profiler on stderr
    with torch.autograd.profiler.profile(use_cpu=True, profile_memory=True) as profile:
        result = explain(images)  # the result counts as part of the peak
    del result
    events = [event for event in profile.kineto_results.events() if event.name() == "[memory]"]
    now = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        now += event.nbytes()
        peak = max(peak, now)
    return peak


def _peak_on_gpu(explain: Explain, images: Tensor) -> float:
    """Return the largest memory that one call takes on the GPU, in bytes."""
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    result = explain(images)
    torch.cuda.synchronize()
    del result
    return torch.cuda.max_memory_allocated() - before
