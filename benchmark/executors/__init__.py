"""Executors: where the steps of a suite run. One file each; a new file is a new word of ``--executor``.

A step is a training, an explanation or a scoring: plain data that any process can call. ``graph.run`` decides what is
next, the same way for every executor.
"""

from typing import Any

from benchmark.executors.base import Executor, Step
from benchmark.executors.graph import Event, run
from core.registry import Registry

__all__ = ["Event", "Executor", "Step", "get", "registry", "run"]

registry = Registry("benchmark.executors", "executor")


def get(name: str) -> type[Any]:
    """The class of an executor. Raises ``core.errors.UnknownNameError``."""
    return registry.get(name)
