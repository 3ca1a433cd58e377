"""The tables of ``docs/scoring_speed.md``: a pure function of a record."""

from collections.abc import Iterator

from benchmark.report.table import NOTHING, Table
from tools.speed.page import short
from tools.speed.scoring.goals import times
from tools.speed.scoring.record import Group, ScoringRecord, ScoringRow, Whole
from tools.speed.scoring.truth import BOXES, IMAGES, PATIENTS, VALIDATION

ABOUT = """Everything below was timed in one run, each contender in turn with all others on the same map, the minimum of
several rounds; before they are timed, all contenders are asked for the same numbers, which must agree. A call of less
than 10 ms is repeated for so long and the mean counts: who scores one map scores the next. What is compared (× ours) is
the smaller of wall and processor time: on a machine that others use, too, a long call waits for a core and a short one
does not. How long the maps take is in [speed.md](speed.md)."""
TABLES: tuple[tuple[Group, str, str], ...] = (
    (
        "surface",
        "Small maps in a frame of 1024 px",
        "A random map like a class activation map (noise, blurred over a tenth of its side), its components' boxes at "
        "each threshold and their best IoU with a truth box. Ours works on the h×w positions; the others resize the "
        "map to 1024×1024 pixels, binarise at each threshold, and take the box of each outer contour (`findContours`) "
        "or of each label.",
    ),
    (
        "original",
        "Maps on pixels: the original evaluator's way",
        "MaxBoxAcc's curve of one map with one truth box. The original binarises and searches contours at every "
        "threshold. Both begin with the map at this size in [0,1] and give the same IoUs, to the last bit.",
    ),
    (
        "levels",
        "Maps on pixels: a search per distinct level",
        "The best that a loop over contour searches can do: one for each integer level that a threshold means.",
    ),
)


def tables(record: ScoringRecord) -> Iterator[Table]:
    """The page's tables, after the goals."""
    yield from _timed(record)
    yield _wholes(record)


def _timed(record: ScoringRecord) -> Iterator[Table]:
    header = ("map", "side", "thresholds", "contender", "ms", "CPU ms", "× ours", "rounds")
    for group, title, intro in TABLES:
        rows = [row for row in record.rows if row.group == group]
        yield Table(title, intro, header, tuple(_cells(record, row) for row in rows))


def _cells(record: ScoringRecord, row: ScoringRow) -> tuple[str, ...]:
    figures = map(short, (row.wall_ms, row.cpu_ms, times(record, row)))
    return row.map, str(row.side), str(row.thresholds), row.contender, *figures, str(row.rounds)


def _wholes(record: ScoringRecord) -> Table:
    intro = (
        f"Truth of the shape of NIH's: {sum(BOXES.values())} boxes of {len(BOXES)} findings on {IMAGES} images of "
        f"{PATIENTS} patients, drawn at random, with the published number per finding; a random smooth map for each "
        f"image and finding, and for those of {VALIDATION} validation images, where thresholds are chosen, too. Each "
        "row is a process of its own, which scores one method after the other as a suite does, at all origins of a "
        "threshold, with intervals from 10,000 resamples of patients; its memory is that of the whole process."
    )
    header = ("protocols", "maps", "methods", "boxes", "seconds", "CPU seconds", "peak MiB", "seconds of each protocol")
    return Table("A whole data set", intro, header, tuple(map(_whole, record.wholes)))


def _whole(whole: Whole) -> tuple[str, ...]:
    each = ", ".join(f"{name} {short(seconds)}" for name, seconds in whole.seconds.items())
    counts = (f"{whole.maps} of {whole.side}×{whole.side}", str(whole.methods), str(whole.boxes))
    return whole.name, *counts, *map(short, (whole.total, whole.cpu, whole.mib)), each or NOTHING
