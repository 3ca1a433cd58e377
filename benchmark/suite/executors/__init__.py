"""Executors run the steps of a suite. Each file defines one; a new file adds a name to ``--executor``.

Append options to the name: ``ray:address=auto,gpus=1`` (see ``docs/cluster.md``).

A step is a training run, an explanation or a scoring: plain data that any process can call. ``run`` orders the steps in
the same way for all executors.
"""

from benchmark.suite.executors.base import Event, Executor, Step, run
from core.registry import Registry

__all__ = ["Event", "Executor", "Step", "build", "registry", "run"]

registry = Registry("benchmark.suite.executors", "executor")


def build(word: str, jobs: int, minutes: float | None = None) -> Executor:
    """Build the executor of a word with options, ``ray:address=auto,gpus=1``, for ``jobs`` steps at a time.

    A step that takes longer than ``minutes`` fails. Raises ``UnknownNameError``, ``BadValueError`` and
    ``NotAvailableError``.
    """
    executor: Executor = registry.build(word, jobs=jobs)
    executor.minutes = minutes
    return executor
