"""What the pages of speeds have in common: the machine, the goals, three digits."""

from collections.abc import Iterable

from benchmark.report.table import NOTHING, Table
from tools.speed.goals import GoalVerdict
from tools.speed.record import Run


def machine(record: Run) -> str:
    """Where and when a record was made."""
    m = record.machine
    gpu = f"{m.gpu}; " if m.gpu else ""
    packages = ", ".join(f"{name} {number}" for name, number in m.packages.items())
    return (
        f"Machine: {gpu}{m.cpu}, {m.cores} cores, {m.memory_gib:g} GiB, {m.system}; {m.threads} threads; "
        f"load before the run {m.load:g}. Python {m.python}, {packages}. Run on {record.created[:10]}, "
        f"{record.seconds / 60:.0f} minutes, at most {record.settings.get('rounds', NOTHING)} rounds."
    )


def goals(verdicts: Iterable[GoalVerdict], intro: str) -> Table:
    """A row per promise."""
    return Table("Goals", intro, ("goal", "limit", "measured", "where", "met"), tuple(map(_verdict, verdicts)))


def _verdict(verdict: GoalVerdict) -> tuple[str, ...]:
    goal = verdict.goal
    measured = NOTHING if verdict.worst is None else f"{short(verdict.worst)}{goal.unit}"
    unknown = "not measured" if verdict.worst is None else "as far as measured"
    met = {True: "yes", False: "**no**", None: unknown}[verdict.met]
    limit = f"{'at most' if goal.at_most else 'at least'} {goal.limit:g}{goal.unit}"
    return goal.text, limit, measured, verdict.where or NOTHING, met


def short(value: float | None) -> str:
    """Three digits are what a time is good for.

    >>> short(1.0449), short(12.34), short(512.4), short(None)
    ('1.04', '12.3', '512', '–')
    """
    if value is None:
        return NOTHING
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"
