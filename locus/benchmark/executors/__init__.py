"""Executors run the steps of a suite.

A step is a training run, an explanation or a scoring: plain data that any process can call. ``run`` orders the steps in
the same way for all executors. ``--executor`` also takes a class of a file, with options: ``file.py:Class:option=1``
(see ``docs/cluster.md``).
"""

import inspect
from typing import Any

from locus.benchmark.executors._local import THREAD_VARIABLES, Local
from locus.benchmark.executors.base import Event, Executor, Step, run
from locus.core import registry
from locus.core.errors import BadValueError
from locus.core.user_code import from_file, runs_code

__all__ = ["EXECUTORS", "THREAD_VARIABLES", "Event", "Executor", "Step", "build", "run"]

EXECUTORS: dict[str, type[Executor]] = {Local.name: Local}


def build(word: str, jobs: int, minutes: float | None = None) -> Executor:
    """Build an executor.

    Args:
        word: ``local``, or a class of a file with options: ``examples/ray_executor.py:Ray:address=auto,gpus=1``.
        jobs: number of steps at a time.
        minutes: a step that takes longer fails; None: no limit.

    Raises:
        LocusError: an unknown name or option, a file that cannot be imported, or a class that is no executor.
    """
    if runs_code(word):
        file, _, spec = word.partition(".py:")
        part = _class_of(f"{file}.py:{spec.partition(':')[0]}")
        executor: Executor = registry.construct(part, "executor", spec, {"jobs": jobs})
    else:
        executor = registry.build(EXECUTORS, "executor", word, jobs=jobs)
    executor.minutes = minutes
    return executor


def _class_of(word: str) -> type[Any]:
    """Return the class of ``file.py:Class``. Raises ``BadValueError`` if it is no complete executor."""
    part: type[Any] = from_file(word, "executor")
    if not issubclass(part, Executor) or inspect.isabstract(part):
        raise BadValueError(
            f"{word} is no executor: derive it from locus.benchmark.executors.Executor, with start, wait and __exit__"
        )
    return part
