"""A run: every contender timed in turn with the others, all of NIH scored, one record."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from datasets.io import limits
from tools.speed import machine, subject
from tools.speed.scoring import maps, suite, surfaces, sweeps
from tools.speed.scoring.config import ScoringSpeedConfig
from tools.speed.scoring.record import (
    ALL,
    LEVELS_ALL,
    LEVELS_ONE,
    ONE,
    ORIGINAL_ALL,
    ORIGINAL_ONE,
    Group,
    Row,
    ScoringRecord,
    Whole,
)
from tools.speed.scoring.truth import Share
from tools.speed.timing import Task, interleaved

log = logging.getLogger(__name__)
MEASURED = ("positions", "thresholds", "levels", "sizes", "methods", "images", "rounds", "budget")
"""Flags that decide what is measured."""
PACKAGES = ("numpy", "numba", "opencv-python-headless", "scikit-image", "scipy")
UPSET = ("7×7 map", "32×32 map", "plateaus", "nested rings", "blurred noise", maps.NOISE)
"""Maps on which ours is held against a search per distinct level, at all sizes."""
PATIENT = 512
"""Pixel noise of a larger side is left out: a search takes minutes."""


@dataclass(frozen=True)
class Course:
    """Calls that are timed interleaved on one map."""

    group: Group
    map: str
    side: int
    calls: Mapping[Task, Callable[[], object]]


def run(config: ScoringSpeedConfig) -> ScoringRecord:
    """Measure all that the flags ask for.

    Raises ``core.errors`` types: a missing package, contenders that do not agree.
    """
    begun = time.perf_counter()
    where = machine.describe(limits.cpus(), PACKAGES)
    rows = [row for course in courses(config) for row in timed(course, config)]
    wholes = list(scored(config))
    return ScoringRecord(**subject.stated(config, MEASURED, where, begun), rows=tuple(rows), wholes=tuple(wholes))


def courses(config: ScoringSpeedConfig) -> Iterator[Course]:
    """All of them; before a map's calls are timed, all contenders must agree on it."""
    for positions in config.positions:
        yield _surface(positions, config)
    few, many = min(config.levels), max(config.levels)
    for kind in maps.KINDS:
        picture = maps.picture(kind, config.sizes[0])
        tasks = [Task(ONE, many), Task(ORIGINAL_ONE, many), Task(ALL, few), Task(ORIGINAL_ALL, few)]
        yield _swept("original", kind, picture, tasks)
    for side in config.sizes:
        for kind in UPSET:
            if kind != maps.NOISE or side <= PATIENT:
                tasks = [Task(word, few) for word in (ONE, LEVELS_ONE, ALL, LEVELS_ALL)]
                yield _swept("levels", kind, maps.picture(kind, side), tasks)


def _surface(positions: int, config: ScoringSpeedConfig) -> Course:
    values = maps.smooth(positions, 0)
    surfaces.check(values)
    calls = {
        Task(word, count): partial(score, values, np.arange(count) / count)
        for count in sorted(config.thresholds)
        for word, score in surfaces.CONTENDERS.items()
    }
    return Course("surface", f"{positions}×{positions}", positions, calls)


def _swept(group: Group, kind: str, picture: maps.Map, tasks: list[Task]) -> Course:
    sweeps.check(picture, 0.1)
    return Course(
        group,
        kind,
        len(picture),
        {task: partial(sweeps.CONTENDERS[task.contender], picture, 1 / task.amount) for task in tasks},
    )


def timed(course: Course, config: ScoringSpeedConfig) -> list[Row]:
    """The rows of one course."""
    log.info("%s: %s, %d", course.group, course.map, course.side)
    rows = []
    for task, times in interleaved(course.calls, config.rounds, config.budget).items():
        wall, cpu = (round(1000 * min(seconds), 4) for seconds in (times.wall, times.cpu))
        log.info("  %s, %d thresholds: %s ms, %d rounds", task.contender, task.amount, wall, len(times.wall))
        known = {
            "group": course.group,
            "map": course.map,
            "side": course.side,
            "thresholds": task.amount,
            "contender": task.contender,
        }
        rows.append(Row(**known, wall_ms=wall, cpu_ms=cpu, rounds=len(times.wall)))
    return rows


def scored(config: ScoringSpeedConfig) -> Iterator[Whole]:
    """All of NIH, or as many of its ``images``: the methods by each set of protocols, one method by the slowest."""
    share = Share(config.images, min(Share().validation, config.images))
    for side in config.grids:
        for name in suite.NAMES:
            found = suite.whole(name, side, 1 if name == "chexlocalize" else config.methods, share)
            log.info("%s, %dx%d maps: %.1f s, %s MiB", name, side, side, found.total, found.mib)
            yield found
