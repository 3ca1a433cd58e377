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


def build(executor_name: str, jobs: int, minutes: float | None = None) -> Executor:
    """Build an executor.

    Args:
        executor_name: ``local``, or a class of a file with options, such as
            ``examples/ray_executor.py:Ray:address=auto,gpus=1``.
        jobs: number of steps at a time.
        minutes: a step that takes longer fails; None: no limit.

    Raises:
        LocusError: an unknown name or option, a file that cannot be imported, or a class that is no executor.
    """
    if runs_code(executor_name):
        file, _, spec = executor_name.partition(".py:")
        executor_class = _class_of(f"{file}.py:{spec.partition(':')[0]}")
        executor: Executor = registry.construct(executor_class, "executor", spec, {"jobs": jobs})
    else:
        executor = registry.build(EXECUTORS, "executor", executor_name, jobs=jobs)
    executor.minutes = minutes
    return executor


def _class_of(executor_name: str) -> type[Any]:
    """Return the class of ``file.py:Class``. Raises ``BadValueError`` if it is no complete executor."""
    executor_class: type[Any] = from_file(executor_name, "executor")
    if not issubclass(executor_class, Executor) or inspect.isabstract(executor_class):
        raise BadValueError(
            f"{executor_name} is no executor: derive it from locus.benchmark.executors.Executor, with start, wait and "
            "__exit__"
        )
    return executor_class
