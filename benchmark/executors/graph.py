"""The order of steps: each once, when all that it needs is done; what needs a failed one is cancelled."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from benchmark.executors.base import Executor, Step
from core.errors import WriteError


@dataclass(frozen=True)
class Event:
    """What happened to a step."""

    kind: Literal["started", "done", "failed", "cancelled"]
    step: Step
    reason: str = ""
    """One sentence: why it failed, or why what it needs did."""


def run(steps: Sequence[Step], executor: Executor) -> Iterator[Event]:
    """Run ``steps``, the first of those that are ready first, and say what happens as it happens.

    Raises ``WriteError`` as soon as the disk refuses, for no other step would fare better.
    """
    waiting, running, done = {step.id: step for step in steps}, 0, set[str]()
    while waiting or running:
        ready = [step for step in waiting.values() if done.issuperset(step.needs)]
        for step in ready[: executor.jobs - running]:
            yield Event("started", waiting.pop(step.id))
            executor.start(step)
            running += 1
        step, error = executor.wait()
        running -= 1
        if isinstance(error, WriteError):
            raise error
        if error is None:
            done.add(step.id)
            yield Event("done", step)
        else:
            yield Event("failed", step, str(error))
            yield from (Event("cancelled", waiting.pop(name), str(error)) for name in _depending(step.id, waiting))


def _depending(name: str, waiting: Mapping[str, Step]) -> list[str]:
    """The waiting steps that need ``name``, or one that needs it, and so on."""
    direct = [step.id for step in waiting.values() if name in step.needs]
    return list(dict.fromkeys(direct + [other for each in direct for other in _depending(each, waiting)]))
