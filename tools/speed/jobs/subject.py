"""What ``python -m tools.speed jobs`` measures and shows."""

from collections.abc import Iterator, Mapping
from typing import Any

from benchmark.report.table import Table
from tools.speed.goals import Goal, ratio
from tools.speed.jobs.config import JobsSpeedConfig
from tools.speed.jobs.record import JobsRecord
from tools.speed.page import short
from tools.speed.subject import Subject

ABOUT = """`python -m benchmark.run --jobs N` runs N trainings, explanations and scorings at a time
([docs/reproduce.md](reproduce.md)). Here networks that are trained already are explained and scored, from no map to
the last record, by one thread for each job; the records are the same. Each number of jobs in turn, the minimum of the
rounds counts. On a machine that others use, too, N jobs get a larger share of it than one does: look at the load."""
QUICK: Mapping[str, Any] = {
    "models": 1,
    "images": 20,
    "methods": ("cam",),
    "protocols": ("locus",),
    "rounds": 1,
    "records": "runs/speed",
    "output": "runs/speed/jobs_speed.md",
}


def faster(record: JobsRecord, jobs: int) -> float | None:
    """How many times as long one job at a time takes."""
    return ratio(record.wall(1), record.wall(jobs))


def tables(record: JobsRecord) -> Iterator[Table]:
    """The page's table, after the goal."""
    s = record.settings
    about = (
        f"{s['models']} small networks, {s['images']} phantoms, the methods {', '.join(s['methods'])}, the protocols "
        f"{', '.join(s['protocols'])}: {record.steps} explanations and scorings."
    )
    rows = tuple(
        (str(row.jobs), *map(short, (row.wall_s, row.cpu_s, row.load, ratio(record.wall(1), row.wall_s))))
        for row in record.rows
    )
    yield Table("Explaining and scoring", about, ("jobs", "seconds", "CPU seconds", "load", "× as fast as one"), rows)


SUBJECT = Subject(
    name="jobs",
    config=JobsSpeedConfig,
    tiny=QUICK,
    record=JobsRecord,
    title="How much faster are two jobs at a time?",
    about=ABOUT,
    goals=(Goal("explaining and scoring, two jobs against one", 1.8, False, lambda r: {"2 jobs": faster(r, 2)}),),
    worst="that a goal speaks of",
    tables=tables,
)
