"""What a run of this benchmark leaves behind: the machine, and one row per time that the suite was run."""

from tools.speed.record import Frozen, Run


class JobsRow(Frozen):
    """One run of all explanations and scorings."""

    jobs: int
    """How many at a time."""
    wall_s: float
    """From the first explanation to the last record."""
    cpu_s: float
    """Seconds of processor time of all processes, their start included."""
    load: float
    """Processes of the whole machine that wanted a core in the last minute of it."""


class JobsRecord(Run):
    """One run of ``tools.speed.jobs``."""

    steps: int
    """Explanations and scorings."""
    rows: tuple[JobsRow, ...]

    def wall(self, jobs: int) -> float | None:
        """The least wall time of so many jobs at a time."""
        return min((row.wall_s for row in self.rows if row.jobs == jobs), default=None)
