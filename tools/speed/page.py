"""Page of a subject, generated from its records: a table for each of its sections."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

from benchmark.report.sentences import counted
from benchmark.report.table import NOTHING, Table
from tools.speed import names
from tools.speed.goals import GoalVerdict
from tools.speed.record import Row, SpeedRecord, figure, quotient

Cell = Callable[[SpeedRecord, Row], float | str | None]


class Section(NamedTuple):
    """Rows of a group as one or several tables. Title and intro are templates of the rows' conditions."""

    group: str
    title: str
    intro: str
    columns: Mapping[str, Cell]
    contenders: tuple[str, ...] = ()
    """Show only the rows of these contenders (default: all of the group)."""
    on: Mapping[str, str | int] = MappingProxyType({})
    """Show only the rows with these conditions."""

    def tables(self, record: SpeedRecord) -> Iterator[Table]:
        """Yield a table for each title of the rows."""
        groups: dict[tuple[str, str], list[Row]] = {}
        for row in record.of(self.group, *self.contenders, **self.on):
            groups.setdefault((record.words(self.title, row), record.words(self.intro, row)), []).append(row)
        for (title, intro), rows in groups.items():
            cells = (tuple(short(cell(record, row)) for cell in self.columns.values()) for row in rows)
            yield Table(title, intro, tuple(self.columns), tuple(cells))


def machine(record: SpeedRecord) -> str:
    """Describe the machine, the packages and the date of a record."""
    m = record.machine
    gpu = f"{m.gpu}; " if m.gpu else ""
    packages = ", ".join(f"{name} {number}" for name, number in m.packages.items())
    most = record.settings.get("rounds")
    rounds = f", in {'at most ' * (most > 1)}{counted(most, 'round')}" if most else ""
    return (
        f"Machine: {gpu}{m.cpu}, {m.cores} cores, {m.memory_gib:g} GiB, {m.system}; {counted(m.threads, 'thread')}; "
        f"load before the run {m.load:g}. Python {m.python}, {packages}. Run on {record.created[:10]} "
        f"for {record.seconds / 60:.0f} min{rounds}."
    )


def goals(verdicts: Iterable[GoalVerdict]) -> Table:
    """Return a table of goals with the worst measured figures."""
    header = ("goal", "limit", "worst measured", "where", "met")
    return Table("Goals", "", header, tuple(map(_verdict, verdicts)))


def _verdict(verdict: GoalVerdict) -> tuple[str, ...]:
    goal = verdict.goal
    measured = NOTHING if verdict.worst is None else f"{short(verdict.worst)}{goal.unit}"
    unknown = "not measured" if verdict.worst is None else "partly measured"
    met = {True: "yes", False: "**no**", None: unknown}[verdict.met]
    limit = f"{'at most' if goal.at_most else 'at least'} {goal.limit:g}{goal.unit}"
    return verdict.text, limit, measured, verdict.where or NOTHING, met


def short(value: float | str | None) -> str:
    """Format a time with three digits; counts and texts are unchanged.

    >>> short(1.0449), short(12.34), short(512.4), short(7), short("cpu"), short(None)
    ('1.04', '12.3', '512', '7', 'cpu', '–')
    """
    if value is None:
        return NOTHING
    if isinstance(value, int | str):
        return str(value)
    return f"{value:.{0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2}f}"


def on(condition: str) -> Cell:
    """Show a condition; empty if it is 0."""
    return lambda record, row: row.on[condition] or None


def in_words(template: str) -> Cell:
    """Show a template of conditions."""
    return lambda record, row: record.words(template, row)


def contender(record: SpeedRecord, row: Row) -> str:
    """Show the name of the contender."""
    return row.contender


def measured(name: str) -> Cell:
    """Show a figure of the row."""
    return lambda record, row: figure(row, name)


def rounds(record: SpeedRecord, row: Row) -> float | str | None:
    """Show the number of rounds, or why the contender was not timed."""
    return row.reason or figure(row, "rounds")


def per_second(record: SpeedRecord, row: Row | None) -> float | None:
    """Show the images per second."""
    time = figure(row, "wall_ms")
    return 1000 / time if time else None


def ours(name: str) -> Cell:
    """Show the figure ``name`` divided by that of Locus; empty for Locus."""

    def cell(record: SpeedRecord, row: Row) -> float | None:
        reference = names.OURS.get(row.contender)
        return quotient(row, record.beside(row, reference), name) if reference else None

    return cell


def rate_of(other: str, name: str = "wall_ms") -> Cell:
    """Show the rate divided by that of another contender."""
    return lambda record, row: quotient(record.beside(row, other), row, name)


def times(other: str, name: str = "wall_ms", **changed: str | int) -> Cell:
    """Show a figure divided by that of another contender, whose conditions differ by ``changed``."""
    return lambda record, row: quotient(row, record.beside(row, other, **changed), name)
