"""What the scoring engine promised, and whether a run's figures keep it."""

from collections.abc import Callable
from math import exp, log

from tools.speed.goals import Goal, ratio
from tools.speed.scoring.maps import NOISE
from tools.speed.scoring.record import CONTOURS, ORIGINAL_ONE, SCIPY, SKIMAGE, SURFACE, Group, ScoringRecord, ScoringRow
from tools.speed.scoring.sweeps import BESIDE

Figures = dict[str, float | None]
MANY = 1000
SWEEP_SIDE = 224
METHODS = 10
"""What goals speak of: thresholds, pixels, methods."""


def times(record: ScoringRecord, row: ScoringRow) -> float | None:
    """How many times as long a peer's row took as ours on the same; None for ours."""
    ours = SURFACE if row.group == "surface" else BESIDE.get(row.contender, row.contender)
    return None if ours == row.contender else ratio(row.ms, record.beside(row, ours))


def peers(record: ScoringRecord, group: Group) -> list[ScoringRow]:
    """The rows of a group that are not ours."""
    return [row for row in record.rows if row.group == group and row.contender not in (SURFACE, *BESIDE.values())]


def _small(side: int, *contenders: str) -> Callable[[ScoringRecord], Figures]:
    def read(record: ScoringRecord) -> Figures:
        rows = [row for row in peers(record, "surface") if row.side == side and row.contender in contenders]
        return {f"{row.contender}, {row.thresholds}": times(record, row) for row in rows}

    return read


def _original(record: ScoringRecord) -> list[ScoringRow]:
    return [
        r for r in peers(record, "original") if (r.contender, r.side, r.thresholds) == (ORIGINAL_ONE, SWEEP_SIDE, MANY)
    ]


def _mean(record: ScoringRecord) -> Figures:
    known = [factor for row in _original(record) if (factor := times(record, row))]
    return {f"geometric mean over {len(known)} maps": exp(sum(map(log, known)) / len(known))} if known else {}


def _noise(record: ScoringRecord) -> Figures:
    return {row.map: times(record, row) for row in _original(record) if row.map == NOISE}


def _levels(record: ScoringRecord) -> Figures:
    return {f"{row.map}, {row.side} px, {row.thresholds}": times(record, row) for row in peers(record, "levels")}


def _seconds(name: str) -> Callable[[ScoringRecord], Figures]:
    return lambda record: {
        f"{whole.side}×{whole.side} maps": whole.total
        for whole in record.wholes
        if (whole.name, whole.methods) == (name, METHODS)
    }


def _memory(record: ScoringRecord) -> Figures:
    return {f"{whole.name}, {whole.side}×{whole.side} maps": whole.mib for whole in record.wholes}


ONE_MAP = "one map in a frame of 1024 px"
ALL_NIH = f"all of NIH's boxes, {METHODS} methods"
GOALS: tuple[Goal[ScoringRecord], ...] = (
    Goal(f"contour search per threshold against the surface, {ONE_MAP}, 7×7", 300, False, _small(7, CONTOURS)),
    Goal("the same, 14×14", 80, False, _small(14, CONTOURS)),
    Goal("the same, 32×32", 20, False, _small(32, CONTOURS)),
    Goal(
        f"component labelling per threshold against the surface, {ONE_MAP}, 7×7", 5000, False, _small(7, SKIMAGE, SCIPY)
    ),
    Goal("the same, 14×14", 2000, False, _small(14, SKIMAGE, SCIPY)),
    Goal("the same, 32×32", 500, False, _small(32, SKIMAGE, SCIPY)),
    Goal("the original evaluator's way against ours, 224 px, 1000 thresholds", 60, False, _mean),
    Goal("the same, pixel noise", 100, False, _noise),
    Goal("a contour search per distinct level against ours, any size", 1, False, _levels),
    Goal(f"{ALL_NIH}, all surface protocols at all origins of a threshold", 20, True, _seconds("surface"), " s"),
    Goal(
        f"{ALL_NIH}, maxbox and pxap too, 10,000 resamples of everything",
        180,
        True,
        _seconds("surface, maxbox and pxap"),
        " s",
    ),
    Goal("peak memory of these processes", 2048, True, _memory, " MiB"),
)
