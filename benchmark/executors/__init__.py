"""Executors: where the steps of a suite run. One file each; a new file is a new word of ``--executor``.

Options ride in the word: ``slurm:partition=gpu,time=240`` (see ``docs/cluster.md``).

A step is a training, an explanation or a scoring: plain data that any process can call. ``run`` decides what is
next, the same way for every executor.
"""

from benchmark.executors.base import Event, Executor, Step, run
from core.registry import Registry

__all__ = ["Event", "Executor", "Step", "build", "registry", "run"]

registry = Registry("benchmark.executors", "executor")


def build(word: str, jobs: int, minutes: float | None = None) -> Executor:
    """The executor of a word with its options, ``slurm:partition=gpu,time=240``, for so many ``jobs`` at a time.

    A step that takes longer than ``minutes`` fails. Raises ``UnknownNameError``, ``BadValueError`` and
    ``NotAvailableError``.
    """
    executor: Executor = registry.build(word, jobs=jobs)
    executor.minutes = minutes
    return executor
