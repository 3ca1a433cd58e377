"""Time the protocol ``locus`` on large maps, then on many small ones, each in a new process."""

import itertools
import logging
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from benchmark.external import arrays
from benchmark.scoring import protocols
from benchmark.scoring.protocols.base import Case, LazyMap
from core.names import MAIN_PROTOCOL
from core.seeds import generator
from tools.speed import memory, names
from tools.speed.external.subject import ExternalSpeedConfig
from tools.speed.machine import measured
from tools.speed.record import On, Row, SpeedRecord
from tools.speed.scoring import maps
from tools.speed.scoring.truth import FRAME, boxes

log = logging.getLogger(__name__)
PACKAGES = ("numpy", "numba")
FINDING, DRAWN = "Mass", 16
SMOOTH, COARSE, GAUSSIAN = "blurred noise", "14×14 map, resized", "Gaussian"


def run(config: ExternalSpeedConfig) -> SpeedRecord:
    """Measure everything."""
    return measured(config, PACKAGES, _rows(config))


def _rows(config: ExternalSpeedConfig) -> Iterator[Row]:
    large = [(SMOOTH, config.cases), (SMOOTH, config.more), (COARSE, config.cases), (GAUSSIAN, config.cases)]
    settings = [("large", kind, config.side, cases) for kind, cases in large]
    settings.append(("noise", names.NOISE, config.side, max(config.cases // 4, 4)))
    settings += [("many", SMOOTH, side, config.many) for side in config.small]
    for setting in settings:
        yield memory.fresh(_measured, *setting)
        log.info("%s: %s, %d, %d cases", *setting)


def _measured(group: str, kind: str, side: int, count: int) -> Row:
    """Measure in the new process."""
    protocol = protocols.get(MAIN_PROTOCOL)()
    with tempfile.TemporaryDirectory() as folder:
        protocol.evaluate(_cases(SMOOTH, 32, 20, Path(folder)), [FINDING])
        cases = _cases(kind, side, count, Path(folder))
        memory.reset_peak()
        wall, used = time.perf_counter(), time.process_time()
        protocol.evaluate(cases, [FINDING])
        used, wall = time.process_time() - used, time.perf_counter() - wall
    figures = {"cpu_ms": round(1000 * used / count, 3), "wall_ms": round(1000 * wall / count, 3), "mib": memory.peak()}
    on: On = {"map": kind, "side": side, "cases": count}
    return Row(group=group, on=on, contender=f"Locus, {MAIN_PROTOCOL}", figures=figures)


def _cases(kind: str, side: int, count: int, folder: Path) -> Sequence[Case]:
    """Return cases of one finding, each of another patient, with maps in files of the folder."""
    files = [folder / f"{kind} {side} {n}.npy" for n in range(min(DRAWN, count))]
    for n, file in enumerate(files):
        np.save(file, KINDS[kind](side, n))
    truth = itertools.cycle(next(iter(by_finding.values())) for by_finding in boxes())
    file_maps = (LazyMap((side, side), partial(_read, file)) for file in itertools.cycle(files))
    rows = zip(range(count), file_maps, truth, strict=False)
    return [Case(str(n), str(n), FINDING, values, "conventional", FRAME, box) for n, values, box in rows]


def _read(file: Path) -> maps.Map:
    return arrays.as_2d_map(arrays.read(file)[""], str(file))


def _coarse(side: int, seed: int) -> maps.Map:
    import cv2

    return maps.scaled(cv2.resize(maps.smooth(14, seed), (side, side)))


def _gaussian(side: int, seed: int) -> maps.Map:
    y, x = np.mgrid[:side, :side] / side - generator(seed, "centre").random((2, 1, 1))
    return np.exp(-(y**2 + x**2) / 0.08).astype(np.float32)


def _noise(side: int, seed: int) -> maps.Map:
    return generator(seed, "noise").random((side, side), dtype=np.float32)


KINDS: dict[str, Callable[[int, int], maps.Map]] = {
    SMOOTH: maps.smooth,
    COARSE: _coarse,
    GAUSSIAN: _gaussian,
    names.NOISE: _noise,
}
