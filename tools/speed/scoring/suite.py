"""Score as many boxes as NIH has with the protocols of a suite, in a process whose memory is measured."""

import time
from collections.abc import Mapping, Sequence

from benchmark.scoring import protocols
from benchmark.scoring.protocols.base import Case
from tools.speed import memory
from tools.speed.record import On, Row
from tools.speed.scoring.truth import BOXES, cases

SURFACE = tuple(name for name in protocols.of_maps() if protocols.get(name).geometry == "surface")
NAMES: Mapping[str, tuple[str, ...]] = {
    "surface": SURFACE,
    "surface, maxbox and pxap": (*SURFACE, "maxbox", "pxap"),
    "chexlocalize": ("chexlocalize",),
}
"""Name on the page -> protocols."""


def whole(name: str, side: int, methods: int, counts: tuple[int, int]) -> Row:
    """Score ``methods`` methods with maps of ``side``×``side`` positions by the protocols of ``name``.

    ``counts``: numbers of test and validation images.
    """
    return memory.fresh(_measured, name, side, methods, counts)


def _measured(name: str, side: int, methods: int, counts: tuple[int, int]) -> Row:
    """Measure in the new process. Compiling and drawing the maps are not timed, but their memory counts."""
    _scored(NAMES[name], cases(20, side, 0), cases(20, side, 0, validation=True), {})
    memory.reset_peak()
    seconds: dict[str, float] = {}
    on: On = {"side": side, "methods": methods}
    used = 0.0
    for method in range(methods):
        held_out, validation = cases(counts[0], side, method), cases(counts[1], side, method, validation=True)
        begun = time.process_time()
        _scored(NAMES[name], held_out, validation, seconds)
        used += time.process_time() - begun
        on |= {"boxes": sum(len(case.boxes) for case in held_out), "maps": len(held_out)}
    totals = {"seconds": round(sum(seconds.values()), 3), "cpu_seconds": round(used, 3), "mib": memory.peak()}
    by_protocol = {protocol: round(total, 3) for protocol, total in seconds.items()}
    return Row(group="whole", on=on, contender=name, figures=totals | by_protocol)


def _scored(
    names: Sequence[str], held_out: Sequence[Case], validation: Sequence[Case], seconds: dict[str, float]
) -> None:
    """Score one method by all protocols, as ``benchmark.suite.score`` does, and add the time to ``seconds``."""
    for name in names:
        begun, protocol = time.perf_counter(), protocols.get(name)()
        protocol.evaluate(held_out, tuple(BOXES), 0, validation if protocol.chooses_thresholds else ())
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - begun
