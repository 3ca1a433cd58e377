"""One subject that is timed: its flags, its sections, its records and its page."""

import datetime
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmark.report.table import markdown
from core import cli
from core.errors import DataError
from core.files import write_text
from tools.speed import page, record
from tools.speed.goals import verdicts
from tools.speed.record import Machine, Row, SpeedRecord


@dataclass(frozen=True)
class SpeedConfig:
    """The flags of every subject."""

    page: bool = False
    """Measure nothing: write the page again from the records."""
    quick: bool = False
    """Very little of everything in a minute, written below runs/speed: shows that it works, its figures say nothing."""
    records: str = "tools/speed/records"
    """The folder of the records: a file for each subject and machine; the page shows all of them."""
    output: str = ""
    """The page; empty: the subject's in docs/."""


SHARED = {field.name for field in fields(SpeedConfig)}


@dataclass(frozen=True)
class Subject:
    """What differs between the things that are timed."""

    name: str
    config: type[SpeedConfig]
    tiny: Mapping[str, Any]
    """The flags of a run on very little, which shows quickly that everything works."""
    file: str
    """Of the page."""
    title: str
    about: str
    worst: str
    """What the worst figure of a goal is taken over."""
    sections: tuple[page.Section, ...]

    @property
    def command(self) -> str:
        """What a user types."""
        return f"python -m tools.speed {self.name}"

    def __call__(self, argv: Sequence[str]) -> str:
        """Measure, unless the page alone is asked for; write the record and the page.

        Returns the sentence that says where they lie.
        """
        flags, typed = cli.parse(self.config, argv, self.command)
        flags = self.quick(flags, typed) if flags.quick else flags
        if not flags.page:
            run = import_module(f"tools.speed.{self.name}.run").run  # torch is imported when the flags are right
            measured = run(flags)
            record.write(measured, Path(flags.records) / f"{self.name}-{measured.machine.word}.json")
        output = flags.output or f"docs/{self.file}"
        write_text(output, self.page(self.read(flags.records)))
        return f"{output} shows the records {flags.records}/{self.name}-*.json"

    def quick(self, config: SpeedConfig, typed: Collection[str]) -> Any:
        """The same run on very little, apart from the flags that were ``typed``."""
        tiny = {"records": "runs/speed", "output": f"runs/speed/{self.file}", **self.tiny}
        return replace(config, **{name: value for name, value in tiny.items() if name not in typed})

    def read(self, folder: Path | str) -> list[SpeedRecord]:
        """The subject's records of all machines, those without a GPU first.

        Raises ``DataError`` where there is none.
        """
        paths = sorted(Path(folder).glob(f"{self.name}-*.json"))
        if not paths:
            raise DataError(f"no record {folder}/{self.name}-*.json: make one with {self.command}")
        records = [record.read(path, self.command) for path in paths]
        return sorted(records, key=lambda one: bool(one.machine.gpu))

    def page(self, records: Sequence[SpeedRecord]) -> str:
        """The whole page as Markdown; where there are several machines, each title names its own."""
        generated = f"<!-- Generated from tools/speed/records by `{self.command} --page`: do not edit. -->"
        parts = [f"# {self.title}", generated, self.about]
        for one in records:
            suffix = f", on {one.machine.name}" if len(records) > 1 else ""
            sections = [table for section in self.sections for table in section.tables(one)]
            tables = [page.goals(verdicts(self.name, one), self.worst), *sections]
            parts += [page.machine(one), one.note]
            parts += [markdown(replace(table, title=table.title + suffix)) for table in tables]
        return "\n\n".join(part.strip() for part in parts if part) + "\n"


def finished(config: SpeedConfig, begun: float, machine: Machine, rows: Iterable[Row], note: str = "") -> SpeedRecord:
    """The record of a run whose ``perf_counter`` was ``begun``, once all ``rows`` are measured."""
    measured = tuple(rows)
    flags = {name: value for name, value in asdict(config).items() if name not in SHARED}
    return SpeedRecord(
        schema_version=2,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - begun, 1),
        machine=machine,
        settings={name: list(value) if isinstance(value, tuple) else value for name, value in flags.items()},
        note=note,
        rows=measured,
    )
