"""What a run of the scoring benchmark leaves behind: the machine, and one row per thing timed."""

from typing import Literal

from tools.speed.record import Frozen, Run

SURFACE = "Locus, surface"
CONTOURS = "OpenCV, contours per threshold"
SKIMAGE = "scikit-image, labels per threshold"
SCIPY = "SciPy, labels per threshold"
ONE = "Locus, largest contour"
ALL = "Locus, all contours"
ORIGINAL_ONE = "original evaluator's way, largest contour"
ORIGINAL_ALL = "original evaluator's way, all contours"
LEVELS_ONE = "OpenCV, contours per distinct level, largest"
LEVELS_ALL = "OpenCV, contours per distinct level, all"

Group = Literal["surface", "original", "levels"]


class ScoringRow(Frozen):
    """The time of one contender; everything of one group, map and number of thresholds was timed interleaved."""

    group: Group
    map: str
    """What is scored, in words."""
    side: int
    """Positions, or pixels, of the square map."""
    thresholds: int
    contender: str
    wall_ms: float | None
    """Milliseconds per map, the minimum over ``rounds``; None where it was left out."""
    cpu_ms: float | None
    """Milliseconds of processor time per map, all threads together, the minimum over ``rounds``."""
    rounds: int

    @property
    def ms(self) -> float | None:
        """The smaller of both, which is what is compared.

        On a machine that others use a long call waits for a core and a short one does not, so wall time would favour
        the short.
        """
        return None if self.wall_ms is None or self.cpu_ms is None else min(self.wall_ms, self.cpu_ms)


class Whole(Frozen):
    """All boxes of NIH, scored for several methods by some protocols in a process of its own."""

    name: str
    """Which protocols, in words."""
    side: int
    """Positions along an edge of the square maps."""
    methods: int
    boxes: int
    maps: int
    """Of each method."""
    seconds: dict[str, float]
    """Protocol -> wall time of all methods."""
    cpu: float
    """Seconds of processor time, all threads together."""
    mib: float | None
    """The peak of the whole process, packages and maps included; None where the system does not tell."""

    @property
    def total(self) -> float:
        """Seconds of all its protocols."""
        return sum(self.seconds.values())


class ScoringRecord(Run):
    """One run of ``tools.speed.scoring``."""

    rows: tuple[ScoringRow, ...]
    wholes: tuple[Whole, ...]

    def beside(self, like: ScoringRow, contender: str) -> float | None:
        """Milliseconds of another contender on the same."""
        same = (r for r in self.rows if conditions(r) == conditions(like) and r.contender == contender)
        return next((r.ms for r in same), None)


def conditions(row: ScoringRow) -> tuple[Group, str, int, int]:
    """What a row's contender was timed on."""
    return row.group, row.map, row.side, row.thresholds
