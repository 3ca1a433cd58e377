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
    ScoringRecord,
    ScoringRow,
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
class CallSet:
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
    rows = [row for call_set in call_sets(config) for row in timed(call_set, config)]
    wholes = list(scored(config))
    return ScoringRecord(**subject.stated(config, MEASURED, where, begun), rows=tuple(rows), wholes=tuple(wholes))


def call_sets(config: ScoringSpeedConfig) -> Iterator[CallSet]:
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


def _surface(positions: int, config: ScoringSpeedConfig) -> CallSet:
    values = maps.smooth(positions, 0)
    surfaces.check(values)
    calls = {
        Task(word, count): partial(score, values, np.arange(count) / count)
        for count in sorted(config.thresholds)
        for word, score in surfaces.CONTENDERS.items()
    }
    return CallSet("surface", f"{positions}×{positions}", positions, calls)


def _swept(group: Group, kind: str, picture: maps.Map, tasks: list[Task]) -> CallSet:
    sweeps.check(picture, 0.1)
    calls = {task: partial(sweeps.CONTENDERS[task.contender], picture, 1 / task.amount) for task in tasks}
    return CallSet(group, kind, len(picture), calls)


def timed(call_set: CallSet, config: ScoringSpeedConfig) -> list[ScoringRow]:
    """The rows of one set of calls."""
    log.info("%s: %s, %d", call_set.group, call_set.map, call_set.side)
    rows = []
    for task, times in interleaved(call_set.calls, config.rounds, config.budget).items():
        wall, cpu = (round(1000 * min(seconds), 4) for seconds in (times.wall, times.cpu))
        log.info("  %s, %d thresholds: %s ms, %d rounds", task.contender, task.amount, wall, len(times.wall))
        known = {"group": call_set.group, "map": call_set.map, "side": call_set.side, "thresholds": task.amount}
        rounds = len(times.wall)
        rows.append(ScoringRow(**known, contender=task.contender, wall_ms=wall, cpu_ms=cpu, rounds=rounds))
    return rows


def scored(config: ScoringSpeedConfig) -> Iterator[Whole]:
    """All of NIH, or as many of its ``images``: the methods by each set of protocols, one method by the slowest."""
    share = Share(config.images, min(Share().validation, config.images))
    for side in config.grids:
        for name in suite.NAMES:
            whole = suite.whole(name, side, 1 if name == "chexlocalize" else config.methods, share)
            log.info("%s, %dx%d maps: %.1f s, %s MiB", name, side, side, whole.total, whole.mib)
            yield whole
