"""All of NIH's boxes through the protocols as a suite scores them, in a process whose memory is watched."""

import time
from collections.abc import Mapping, Sequence

from benchmark import protocols
from benchmark.protocols.base import Case
from tools.speed import memory
from tools.speed.scoring.record import Whole
from tools.speed.scoring.truth import BOXES, Share, cases

SURFACE = tuple(name for name in protocols.of_maps() if protocols.get(name).geometry == "surface")
NAMES: Mapping[str, tuple[str, ...]] = {
    "surface": SURFACE,
    "surface, maxbox and pxap": (*SURFACE, "maxbox", "pxap"),
    "chexlocalize": ("chexlocalize",),
}
"""What the page calls them -> the protocols."""
WARM = Share(images=20, validation=20)


def whole(name: str, side: int, methods: int, share: Share) -> Whole:
    """Score ``methods`` methods whose maps have ``side``×``side`` positions by the protocols of ``name``."""
    return memory.fresh(_measured, name, side, methods, share)


def _measured(name: str, side: int, methods: int, share: Share) -> Whole:
    """Runs in the fresh process; compiling and drawing the maps are not timed, but their memory counts."""
    _scored(NAMES[name], cases(WARM, side, 0), cases(WARM, side, 0, validation=True), {})
    memory.reset_peak()
    seconds: dict[str, float] = {}
    boxes, maps, used = 0, 0, 0.0
    for method in range(methods):
        held_out, validation = cases(share, side, method), cases(share, side, method, validation=True)
        begun = time.process_time()
        _scored(NAMES[name], held_out, validation, seconds)
        used += time.process_time() - begun
        boxes, maps = sum(len(case.boxes) for case in held_out), len(held_out)
    return Whole(
        name=name,
        side=side,
        methods=methods,
        boxes=boxes,
        maps=maps,
        seconds={word: round(total, 3) for word, total in seconds.items()},
        cpu=round(used, 3),
        mib=memory.peak(),
    )


def _scored(
    names: Sequence[str], held_out: Sequence[Case], validation: Sequence[Case], seconds: dict[str, float]
) -> None:
    """One method by all protocols on the same cases, as ``benchmark.suite.score`` does; adds up each one's seconds."""
    for name in names:
        begun, protocol = time.perf_counter(), protocols.get(name)()
        protocol.evaluate(held_out, tuple(BOXES), 0, validation if protocol.chooses else ())
        seconds[name] = seconds.get(name, 0.0) + time.perf_counter() - begun
