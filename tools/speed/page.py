"""A subject's page: a pure function of its records, a table for each of its sections."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from benchmark.report.table import NOTHING, Table
from tools.speed import names
from tools.speed.goals import GoalVerdict
from tools.speed.record import Row, SpeedRecord, figure, quotient

Cell = Callable[[SpeedRecord, Row], float | str | None]


class Section(NamedTuple):
    """The rows of a group as a table, or several: title and intro have conditions of the rows in braces."""

    group: str
    title: str
    intro: str
    columns: Mapping[str, Cell]
    contenders: tuple[str, ...] = ()
    """Show only the rows of these contenders (default: all of the group)."""
    on: Mapping[str, str | int] = MappingProxyType({})
    """Show only the rows with these conditions."""

    def tables(self, record: SpeedRecord) -> Iterator[Table]:
        """A table for each title that the rows give."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in record.of(self.group, *self.contenders, **self.on):
            groups.setdefault((record.words(self.title, row), record.words(self.intro, row)), []).append(row)
        for (title, intro), rows in groups.items():
            cells = (tuple(short(cell(record, row)) for cell in self.columns.values()) for row in rows)
            yield Table(title, intro, tuple(self.columns), tuple(cells))


def machine(record: SpeedRecord) -> str:
    """Where and when a record was made."""
    m = record.machine
    gpu = f"{m.gpu}; " if m.gpu else ""
    packages = ", ".join(f"{name} {number}" for name, number in m.packages.items())
    threads = "1 thread" if m.threads == 1 else f"{m.threads} threads"
    rounds = f", at most {record.settings['rounds']} rounds" if "rounds" in record.settings else ""
    return (
        f"Machine: {gpu}{m.cpu}, {m.cores} cores, {m.memory_gib:g} GiB, {m.system}; {threads}; "
        f"load before the run {m.load:g}. Python {m.python}, {packages}. Run on {record.created[:10]}, "
        f"{record.seconds / 60:.0f} minutes{rounds}."
    )


def goals(verdicts: Iterable[GoalVerdict]) -> Table:
    """A row per goal: the worst figure measured, and where."""
    header = ("goal", "limit", "worst measured", "where", "met")
    return Table("Goals", "", header, tuple(map(_verdict, verdicts)))


def _verdict(verdict: GoalVerdict) -> tuple[str, ...]:
    goal = verdict.goal
    measured = NOTHING if verdict.worst is None else f"{short(verdict.worst)}{goal.unit}"
    unknown = "not measured" if verdict.worst is None else "as far as measured"
    met = {True: "yes", False: "**no**", None: unknown}[verdict.met]
    limit = f"{'at most' if goal.at_most else 'at least'} {goal.limit:g}{goal.unit}"
    return verdict.text, limit, measured, verdict.where or NOTHING, met


def short(value: float | str | None) -> str:
    """Three digits are what a time is good for; a count is shown whole, and so are words.

    >>> short(1.0449), short(12.34), short(512.4), short(7), short("cpu"), short(None)
    ('1.04', '12.3', '512', '7', 'cpu', '–')
    """
    if value is None:
        return NOTHING
    if isinstance(value, int | str):
        return str(value)
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


def on(condition: str) -> Cell:
    """A condition; nothing where it is 0."""
    return lambda record, row: row.on[condition] or None


def in_words(template: str) -> Cell:
    """Conditions in the template's braces."""
    return lambda record, row: record.words(template, row)


def contender(record: SpeedRecord, row: Row) -> str:
    """Who was measured."""
    return row.contender


def measured(name: str) -> Cell:
    """A figure of the row."""
    return lambda record, row: figure(row, name)


def rounds(record: SpeedRecord, row: Row) -> float | str | None:
    """How often it was timed, or why it was not."""
    return row.reason or figure(row, "rounds")


def per_second(record: SpeedRecord, row: Row | None) -> float | None:
    """Images per second."""
    time = figure(row, "wall_ms")
    return 1000 / time if time else None


def ours(name: str) -> Cell:
    """How many times as long as ours it took, by the figure of that ``name``; nothing for ours."""

    def cell(record: SpeedRecord, row: Row) -> float | None:
        beside = names.OURS.get(row.contender)
        return quotient(row, record.beside(row, beside), name) if beside else None

    return cell


def rate_of(other: str, name: str = "wall_ms") -> Cell:
    """The row's rate as a multiple of another contender's."""
    return lambda record, row: quotient(record.beside(row, other), row, name)
