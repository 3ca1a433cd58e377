"""What ``python -m tools.speed scoring`` measures and shows."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast, AtMost
from tools.speed.page import Section, contender, in_words, measured, on, ours, rounds, short
from tools.speed.record import Row, SpeedRecord
from tools.speed.scoring.truth import BOXES, IMAGES, PATIENTS, VALIDATION
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class ScoringSpeedConfig(SpeedConfig):
    """Time scoring beside contour searches and component labelling, on one machine in one run.

    ``python -m tools.speed scoring``.
    """

    positions: Annotated[tuple[int, ...], AtLeast(2)] = (7, 14, 32)
    """Sides of the small maps that are scored in a frame of 1024 pixels."""
    thresholds: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """How many score thresholds they are tried at."""
    sizes: Annotated[tuple[int, ...], AtLeast(8)] = (224, 28, 112, 512, 1024)
    """Sides in pixels of the maps that live on pixels; the original evaluator's way is timed at the first."""
    levels: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """Score thresholds there: few and many."""
    grids: Annotated[tuple[int, ...], AtLeast(2)] = (7, 16)
    """Sides of the maps with which a whole data set is scored."""
    methods: Annotated[int, AtLeast(1)] = 10
    """How many methods are scored on it."""
    images: Annotated[int, AtLeast(20), AtMost(880)] = 880
    """How many of its images there are."""
    rounds: Annotated[int, AtLeast(1)] = 7
    """How often each contender is timed, in turn with the others; the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 2.0
    """Seconds after which a contender has no further round; everyone has one."""


TIMES = {
    "map": on("map"),
    "side": on("side"),
    "thresholds": on("thresholds"),
    "contender": contender,
    "ms": measured("wall_ms"),
    "CPU ms": measured("cpu_ms"),
    "× ours": ours("least_ms"),
    "rounds": rounds,
}


def each_protocol(record: SpeedRecord, row: Row) -> str:
    """The seconds of each protocol of a row."""
    totals = ("seconds", "cpu_seconds", "mib")
    return ", ".join(f"{name} {short(seconds)}" for name, seconds in row.figures.items() if name not in totals)


SMALL = (
    Section(
        "surface",
        "Small maps in a frame of 1024 px",
        "A random map like a class activation map (noise, blurred over a tenth of its side), its components' boxes at "
        "each threshold and their best IoU with a truth box. Ours works on the h×w positions; the others resize the "
        "map to 1024×1024 pixels, binarise at each threshold, and take the box of each outer contour (`findContours`) "
        "or of each label.",
        TIMES,
    ),
    Section(
        "original",
        "Maps on pixels: the original evaluator's way",
        "MaxBoxAcc's curve of one map with one truth box. The original binarises and searches contours at every "
        "threshold. Both start from the map at this size in [0,1] and give identical IoUs.",
        TIMES,
    ),
    Section(
        "levels",
        "Maps on pixels: a search per distinct level",
        "The fastest loop over contour searches: one search per distinct integer level of the thresholds.",
        TIMES,
    ),
)
WHOLE = Section(
    "whole",
    "A whole data set",
    f"As many boxes as NIH has, at random positions: {sum(BOXES.values())} boxes of {len(BOXES)} findings on {IMAGES} "
    f"images of {PATIENTS} patients, and {VALIDATION} validation images. The maps are random and smooth. Each row is a "
    "separate process. It scores one method after the other, with thresholds of all origins and intervals from 10,000 "
    "resamples of patients.",
    {
        "protocols": contender,
        "maps": in_words("{maps} of {side}×{side}"),
        "methods": on("methods"),
        "boxes": on("boxes"),
        "seconds": measured("seconds"),
        "CPU seconds": measured("cpu_seconds"),
        "peak MiB": measured("mib"),
        "seconds of each protocol": each_protocol,
    },
)
SHORT = ("protocols", "maps", "methods", "seconds", "peak MiB")
SUBJECT = Subject(
    name="scoring",
    config=ScoringSpeedConfig,
    tiny={
        "positions": (7,),
        "thresholds": (10,),
        "levels": (10, 20),
        "sizes": (32,),
        "methods": 1,
        "images": 80,
        "rounds": 1,
    },
    title="Scoring",
    about="""
Before they are timed, all contenders are asked for the same numbers, which must agree. "× ours" compares the smaller of
wall and CPU time. The *surface* protocols are `wang`, `locus`, `seed`, `pointing` and `energy`. Contour searches and
component labelling resize one map to a frame of 1024 px and binarise it at every threshold.""",
    sections=(*SMALL, WHOLE),
    highlights=(WHOLE._replace(columns={name: WHOLE.columns[name] for name in SHORT}),),
)
