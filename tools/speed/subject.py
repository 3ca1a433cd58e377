"""One subject that is timed: its flags, its goals, its tables, its records and its page."""

import datetime
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar

from benchmark.report.table import Table, markdown
from core import cli
from core.errors import DataError
from core.files import write_text
from tools.speed import page, record
from tools.speed.goals import Goal, verdicts
from tools.speed.record import Machine, R

Config = TypeVar("Config")


@dataclass(frozen=True)
class Subject(Generic[Config, R]):
    """What differs between the things that are timed."""

    name: str
    config: type[Config]
    tiny: Mapping[str, Any]
    """The flags of a run on very little, which shows quickly that everything works."""
    record: type[R]
    title: str
    about: str
    goals: tuple[Goal[R], ...]
    worst: str
    """What the worst figure of a goal is taken over."""
    tables: Callable[[R], Iterable[Table]]
    note: Callable[[R], str] = lambda record: ""
    """A line of its own below the machine's."""

    @property
    def command(self) -> str:
        """What a user types."""
        return f"python -m tools.speed {self.name}"

    def __call__(self, argv: Sequence[str]) -> str:
        """Measure, unless the page alone is asked for; write the record and the page.

        Returns the sentence that says where they lie.
        """
        config, typed = cli.parse(self.config, argv, self.command)
        flags: Any = quick(config, typed, self.tiny) if config.quick else config  # type: ignore[attr-defined]
        if not flags.page:
            run = import_module(f"tools.speed.{self.name}.run").run  # torch is imported when the flags are right
            measured = run(flags)
            record.write(measured, Path(flags.records) / f"{self.name}-{measured.machine.word}.json")
        write_text(flags.output, self.page(self.read(flags.records)))
        return f"{flags.output} shows the records {flags.records}/{self.name}-*.json"

    def read(self, folder: Path | str) -> list[R]:
        """The subject's records of all machines, those without a GPU first.

        Raises ``DataError`` where there is none.
        """
        paths = sorted(Path(folder).glob(f"{self.name}-*.json"))
        if not paths:
            raise DataError(f"no record {folder}/{self.name}-*.json: make one with {self.command}")
        records = [record.read(self.record, path, self.command) for path in paths]
        return sorted(records, key=lambda one: bool(one.machine.gpu))

    def page(self, records: Sequence[R]) -> str:
        """The whole page as Markdown; where there are several machines, each title names its own."""
        generated = f"<!-- Generated from tools/speed/records by `{self.command} --page`: do not edit. -->"
        parts = [f"# {self.title}", generated, self.about]
        for one in records:
            suffix = f", on {one.machine.name}" if len(records) > 1 else ""
            goals = page.goals(verdicts(self.goals, one), f"The worst of all {self.worst} counts.")
            tables = [goals, *self.tables(one)]
            parts += [page.machine(one), self.note(one)]
            parts += [markdown(replace(table, title=table.title + suffix)) for table in tables]
        return "\n\n".join(part.strip() for part in parts if part) + "\n"


def quick(config: Config, typed: Collection[str], tiny: Mapping[str, Any]) -> Config:
    """The same run with the flags of ``tiny``, apart from those that were ``typed``."""
    return replace(config, **{name: value for name, value in tiny.items() if name not in typed})  # type: ignore[type-var]


def stated(config: Any, measured: Collection[str], machine: Machine, begun: float) -> dict[str, Any]:
    """The fields of a ``record.Run`` that ends now; ``begun``: its ``perf_counter``; ``measured``: flags to state."""
    flags = {name: value for name, value in asdict(config).items() if name in measured}
    return {
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "seconds": round(time.perf_counter() - begun, 1),
        "machine": machine,
        "settings": {name: list(value) if isinstance(value, tuple) else value for name, value in flags.items()},
    }
