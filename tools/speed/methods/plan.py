"""What is timed on what: the sets of tasks of a run, from its flags."""

from collections.abc import Iterator
from dataclasses import dataclass

from core.errors import BadValueError
from tools.speed.methods.config import SpeedConfig
from tools.speed.methods.record import (
    ALONE,
    CAPTUM,
    CHANNELS_LAST,
    FORWARD,
    LAYER,
    PACKAGE_SCORE,
    PACKAGE_SIX,
    SCORE,
    SEVEN,
    TORCHCAM,
    UPSAMPLING,
    Group,
)
from tools.speed.record import Setting
from tools.speed.timing import Task

METHODS = (SEVEN, ALONE, PACKAGE_SIX, CAPTUM, TORCHCAM)
LOOPS = frozenset({PACKAGE_SIX, PACKAGE_SCORE, CAPTUM, TORCHCAM})
"""One finding after the other: the peak of one is the peak of all."""


@dataclass(frozen=True)
class TaskSet:
    """Tasks that are timed interleaved on one setting."""

    group: Group
    setting: Setting
    tasks: tuple[Task, ...]


def settings(config: SpeedConfig) -> list[Setting]:
    """Every backbone at every size. Raises ``BadValueError`` unless each size has its batch."""
    if len(config.sizes) != len(config.batches):
        raise BadValueError(
            f"--batches {config.batches} does not fit --sizes {config.sizes}: give one batch size for each size"
        )
    pairs = list(zip(config.sizes, config.batches, strict=True))
    return [
        Setting(backbone=backbone, size=size, batch=batch) for backbone in config.backbones for size, batch in pairs
    ]


def task_sets(config: SpeedConfig) -> Iterator[TaskSet]:
    """All of them, the most important first; fewer findings before more, so that a hopeless call is seen in time."""
    usual = _usual(config)
    bare = Task(FORWARD, 0)
    for setting in settings(config):
        tasks = [Task(word, k) for k in sorted(config.findings) for word in METHODS]
        yield TaskSet("methods", setting, (bare, Task(CHANNELS_LAST, 0), *tasks, Task(UPSAMPLING, usual)))
    first = settings(config)[0]
    yield TaskSet(
        "scorecam",
        first.model_copy(update={"batch": 1}),
        (bare, Task(SCORE, 1), Task(SCORE, usual), Task(PACKAGE_SCORE, usual)),
    )
    for setting in (s for s in settings(config) if s.size == first.size):
        yield TaskSet("layer", setting, (bare, Task(ALONE, usual), *(Task(LAYER, k) for k in sorted({1, usual}))))
        for batch in config.sweep:
            yield TaskSet("batch", setting.model_copy(update={"batch": batch}), (bare, Task(SEVEN, usual)))


def memory_tasks(config: SpeedConfig) -> Iterator[tuple[Setting, Task]]:
    """What is run for its peak memory: loops with one finding, this engine with all."""
    for setting in settings(config):
        for word in (FORWARD, *METHODS):
            yield setting, Task(word, {FORWARD: 0, **dict.fromkeys(LOOPS, 1)}.get(word, max(config.findings)))
    first = settings(config)[0]
    for count in config.images:
        setting = first.model_copy(update={"batch": count})
        yield setting, Task(SCORE, _usual(config))
        yield setting, Task(PACKAGE_SCORE, 1)


def _usual(config: SpeedConfig) -> int:
    """The number of findings that everything but the first table uses: 8 where it is among those asked for."""
    return 8 if 8 in config.findings else max(config.findings)
