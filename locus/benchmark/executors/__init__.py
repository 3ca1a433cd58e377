"""Executors run the steps of a suite. Each file defines one.

Append options to the name: ``ray:address=auto,gpus=1`` (see ``docs/cluster.md``).

A step is a training run, an explanation or a scoring: plain data that any process can call. ``run`` orders the steps in
the same way for all executors.
"""

from locus.benchmark.executors._local import Local
from locus.benchmark.executors._ray import RayCluster
from locus.benchmark.executors.base import Event, Executor, Step, run
from locus.core import registry

__all__ = ["EXECUTORS", "Event", "Executor", "Step", "build", "run"]

EXECUTORS: dict[str, type[Executor]] = {part.name: part for part in (Local, RayCluster)}


def build(word: str, jobs: int, minutes: float | None = None) -> Executor:
    """Build the executor of a word with options, ``ray:address=auto,gpus=1``, for ``jobs`` steps at a time.

    A step that takes longer than ``minutes`` fails. Raises ``UnknownNameError``, ``BadValueError`` and
    ``NotAvailableError``.
    """
    executor: Executor = registry.build(EXECUTORS, "executor", word, jobs=jobs)
    executor.minutes = minutes
    return executor
