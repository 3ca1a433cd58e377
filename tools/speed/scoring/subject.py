"""Flags and tables of ``python -m tools.speed scoring``."""

from dataclasses import dataclass
from typing import Annotated

from core.cli import AtLeast, AtMost
from tools.speed.page import Section, contender, in_words, measured, on, ours, rounds, short
from tools.speed.record import Row, SpeedRecord
from tools.speed.scoring.truth import BOXES, IMAGES, PATIENTS, VALIDATION
from tools.speed.subject import SpeedConfig, Subject


@dataclass(frozen=True)
class ScoringSpeedConfig(SpeedConfig):
    """Time scoring, contour searches and component labelling: ``python -m tools.speed scoring``."""

    positions: Annotated[tuple[int, ...], AtLeast(2)] = (7, 14, 32)
    """Sides of the small maps, which are scored in a frame of 1024 pixels."""
    thresholds: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """Numbers of score thresholds for the small maps."""
    sizes: Annotated[tuple[int, ...], AtLeast(8)] = (224, 28, 112, 512, 1024)
    """Sides in pixels of the large maps. The original evaluator's algorithm is timed at the first size."""
    levels: Annotated[tuple[int, ...], AtLeast(1)] = (100, 1000)
    """Numbers of score thresholds for the large maps: few and many."""
    grids: Annotated[tuple[int, ...], AtLeast(2)] = (7, 16)
    """Sides of the maps of the whole data set."""
    methods: Annotated[int, AtLeast(1)] = 10
    """Number of methods to score on the whole data set."""
    images: Annotated[int, AtLeast(20), AtMost(880)] = 880
    """Number of images of the whole data set."""
    rounds: Annotated[int, AtLeast(1)] = 7
    """Number of rounds. All contenders are timed in turn, and the minimum counts."""
    budget: Annotated[float, AtLeast(0)] = 2.0
    """Seconds after which a contender is not timed again. Each contender is timed at least once."""


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
    """Show the seconds of each protocol of a row."""
    totals = ("seconds", "cpu_seconds", "mib")
    return ", ".join(f"{name} {short(seconds)}" for name, seconds in row.figures.items() if name not in totals)


SMALL = (
    Section(
        "surface",
        "Small maps in a frame of 1024 px",
        "A random map like a class activation map (noise, blurred over a tenth of its side), the boxes of its "
        "components at each threshold and their best IoU with a truth box. Locus uses the h×w positions. The others "
        "resize the map to 1024×1024 pixels, binarise it at each threshold, and take the box of each outer contour "
        "(`findContours`) or of each label.",
        TIMES,
    ),
    Section(
        "original",
        "Maps of pixels: the original evaluator's algorithm",
        "MaxBoxAcc's curve of one map with one truth box. The original binarises the map and searches contours at "
        "every threshold. Both start from the map at this size in [0,1] and give identical IoUs.",
        TIMES,
    ),
    Section(
        "levels",
        "Maps of pixels: a search per distinct level",
        "The fastest loop over contour searches: one search per distinct integer level of the thresholds.",
        TIMES,
    ),
)
WHOLE = Section(
    "whole",
    "A whole data set",
    f"Random boxes, as many as in NIH: {sum(BOXES.values())} boxes of {len(BOXES)} findings on {IMAGES} images of "
    f"{PATIENTS} patients, and {VALIDATION} validation images. The maps are random and smooth. Each row was measured "
    "in a separate process. The process scores one method after the other, with thresholds of all origins. Confidence "
    "intervals come from 10,000 resamples of patients.",
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
Before they are timed, all contenders must give the same numbers. Comparisons with Locus use the smaller of wall time
and CPU time. The seconds for a whole data set are wall time. The *surface* protocols are `wang`, `locus`, `seed`,
`pointing` and `energy`. Contour searches and component labelling resize one map to a frame of 1024 px and binarise it
at every threshold.""",
    sections=(*SMALL, WHOLE),
    highlights=(WHOLE._replace(columns={name: WHOLE.columns[name] for name in SHORT}),),
)
