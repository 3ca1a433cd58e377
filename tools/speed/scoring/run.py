"""Time scoring single maps with all contenders in turn, and scoring a whole data set."""

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from datasets.io import limits
from tools.speed import names
from tools.speed.machine import measured
from tools.speed.record import Row, SpeedRecord
from tools.speed.scoring import maps, suite, surfaces, sweeps
from tools.speed.scoring.subject import ScoringSpeedConfig
from tools.speed.scoring.truth import VALIDATION
from tools.speed.timing import Task, interleaved, row

log = logging.getLogger(__name__)
PACKAGES = ("numpy", "numba", "opencv-python-headless", "scikit-image", "scipy")
UPSET = ("7×7 map", "32×32 map", "plateaus", "nested rings", "blurred noise", names.NOISE)
"""Maps on which Locus is compared with a search per distinct level, at all sizes."""
PATIENT = 512
"""Maximum side of pixel noise; a search of larger maps takes minutes."""


def run(config: ScoringSpeedConfig) -> SpeedRecord:
    """Measure everything. Raises ``LocusError`` for a missing package and for contenders that differ."""
    return measured(config, PACKAGES, itertools.chain(timed(config), scored(config)), limits.cpus())


def timed(config: ScoringSpeedConfig) -> Iterator[Row]:
    """Yield the rows of single maps, after a check that all contenders agree on the map."""
    for positions in config.positions:
        yield from _surface(positions, config)
    few, many = min(config.levels), max(config.levels)
    for kind in maps.KINDS:
        tasks = [Task(word, many) for word in (names.LARGEST, names.ORIGINAL_LARGEST)]
        tasks += [Task(word, few) for word in (names.ALL, names.ORIGINAL_ALL)]
        yield from _swept("original", kind, config.sizes[0], tasks, config)
    for side in config.sizes:
        for kind in UPSET:
            if kind != names.NOISE or side <= PATIENT:
                tasks = [Task(word, few) for word in (names.LARGEST, names.LEVELS_LARGEST, names.ALL, names.LEVELS_ALL)]
                yield from _swept("levels", kind, side, tasks, config)


def _surface(positions: int, config: ScoringSpeedConfig) -> Iterator[Row]:
    values = maps.smooth(positions, 0)
    surfaces.check(values)
    pairs = [(count, item) for count in sorted(config.thresholds) for item in surfaces.CONTENDERS.items()]
    calls = {Task(word, count): partial(score, values, np.arange(count) / count) for count, (word, score) in pairs}
    yield from _rows("surface", f"{positions}×{positions}", positions, calls, config)


def _swept(group: str, kind: str, side: int, tasks: Sequence[Task], config: ScoringSpeedConfig) -> Iterator[Row]:
    picture = maps.picture(kind, side)
    sweeps.check(picture, 0.1)
    calls = {task: partial(sweeps.CONTENDERS[task.contender], picture, 1 / task.amount) for task in tasks}
    yield from _rows(group, kind, side, calls, config)


def _rows(
    group: str, kind: str, side: int, calls: Mapping[Task, Callable[[], object]], config: ScoringSpeedConfig
) -> Iterator[Row]:
    log.info("%s: %s, %d", group, kind, side)
    for task, times in interleaved(calls, config.rounds, config.budget).items():
        yield row(group, {"map": kind, "side": side, "thresholds": task.amount}, task.contender, times)


def scored(config: ScoringSpeedConfig) -> Iterator[Row]:
    """Yield the rows of a whole data set: all methods by each set of protocols, one method by the slowest protocol."""
    counts = config.images, min(VALIDATION, config.images)
    for side in config.grids:
        for name in suite.NAMES:
            yield suite.whole(name, side, 1 if name == "chexlocalize" else config.methods, counts)
            log.info("%s, %dx%d maps", name, side, side)
