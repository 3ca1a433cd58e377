"""Cost of a single method: time and memory per image, measured on the code path of the suites."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from backbones import Classifier
from benchmark.explain.batch import collect_evidence
from benchmark.explain.run import run_method
from core.gc_control import gc_paused
from methods.base import Method

CALLS = 5
BUDGET = 0.5
"""Time budget in seconds: no further call is timed after it."""
Explain = Callable[[Tensor], object]


def spent(model: Classifier, images: Tensor, method: Method) -> dict[str, float]:
    """Measure ``ms``, ``mib``, ``images`` and ``calls`` of ``benchmark.records.costs.Cost``: the maps of all findings.

    ``images`` are (N,3,H,W). Memory is measured on one image. Time is that of up to ``CALLS`` calls on all images
    within ``BUDGET`` seconds, or on one image if all would take longer. Large batches are split for the default
    ``--memory_gib``, so that costs are comparable. Raises ``LocusError`` if the method does not support this model, or
    fails.
    """

    def explain(batch: Tensor) -> object:
        return run_method(method, collect_evidence(model, batch))

    with _undisturbed():
        collect_evidence(model, images[:1])
        mib = (_peak_on_gpu if images.is_cuda else _peak)(explain, images[:1]) / 2**20
        first = _seconds(explain, images[:1])
        batch = images if first * len(images) <= BUDGET else images[:1]
        times = [first] if len(batch) == 1 else []
        while len(times) < CALLS and sum(times) < BUDGET:
            times.append(_seconds(explain, batch))
    ms = 1000 * min(times) / len(batch)  # other programs disturb the fastest call least
    return {"ms": round(ms, 3), "mib": round(mib, 3), "images": len(batch), "calls": len(times)}


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Use one thread and no garbage collection, which would add time and memory."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with gc_paused():
            yield
    finally:
        torch.set_num_threads(threads)


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
