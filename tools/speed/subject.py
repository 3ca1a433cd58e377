"""Timed subject: its flags, sections, records and page."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmark.report.table import markdown
from core import cli
from core.errors import DataError
from core.files import write_text
from tools.speed import page, record
from tools.speed.goals import verdicts
from tools.speed.page import Section
from tools.speed.record import SpeedRecord


@dataclass(frozen=True)
class SpeedConfig:
    """Flags of all subjects."""

    page: bool = False
    """Write the page from the records without measuring."""
    quick: bool = False
    """Test run of a minute. The figures are meaningless."""
    records: str = "tools/speed/records"
    """Folder of the records, one file per subject and machine. The page shows all of them."""
    output: str = ""
    """Page with all measurements. Default: runs/speed/SUBJECT.md."""


@dataclass(frozen=True)
class SummaryConfig:
    """Write docs/speed.md from the records of all subjects: ``python -m tools.speed summary``."""

    records: str = "tools/speed/records"
    """Folder of the records."""
    output: str = "docs/speed.md"
    """Page to write."""


SHARED = {field.name for field in fields(SpeedConfig)}


@dataclass(frozen=True)
class Subject:
    """Flags, texts and tables of a subject."""

    name: str
    config: type[SpeedConfig]
    tiny: Mapping[str, Any]
    """Flags of a short test run."""
    title: str
    about: str
    sections: tuple[Section, ...]
    """Tables of all measurements."""
    highlights: tuple[Section, ...] = ()
    """Tables in docs/speed.md, after the goals."""

    @property
    def command(self) -> str:
        """Command line of the subject."""
        return f"python -m tools.speed {self.name}"

    def __call__(self, argv: Sequence[str]) -> str:
        """Measure (unless ``--page`` is given) and write the record and the page; return a message with their paths."""
        flags, explicit_flags = cli.parse(self.config, argv, self.command)
        flags = self.quick(flags, explicit_flags) if flags.quick else flags
        if not flags.page:
            run = import_module(f"tools.speed.{self.name}.run").run  # imports torch, after the flags are checked
            measured = run(flags)
            record.write(measured, Path(flags.records) / f"{self.name}-{measured.machine.word}.json")
        output = flags.output or f"runs/speed/{self.name}.md"
        write_text(output, self.page(self.read(flags.records)))
        return f"{output} shows the records {flags.records}/{self.name}-*.json"

    def quick(self, config: SpeedConfig, explicit_flags: Collection[str]) -> Any:
        """Return the flags of a short test run; ``explicit_flags`` are unchanged."""
        tiny = {"records": "runs/speed", **self.tiny}
        return replace(config, **{name: value for name, value in tiny.items() if name not in explicit_flags})

    def read(self, folder: Path | str) -> list[SpeedRecord]:
        """Return the records of all machines, those without a GPU first. Raises ``DataError`` if there are none."""
        paths = sorted(Path(folder).glob(f"{self.name}-*.json"))
        if not paths:
            raise DataError(f"no record {folder}/{self.name}-*.json: create one with {self.command}")
        records = [record.read(path, self.command) for path in paths]
        return sorted(records, key=lambda one: bool(one.machine.gpu))

    def page(self, records: Sequence[SpeedRecord]) -> str:
        """Return the page of all measurements as Markdown."""
        return joined([f"# {self.title}", self.about, *self.parts(records, self.sections)])

    def parts(self, records: Sequence[SpeedRecord], sections: Sequence[Section]) -> Iterator[str]:
        """Yield paragraphs and tables; the titles include the machine if there are several."""
        for one in records:
            suffix = f", on {one.machine.name}" if len(records) > 1 else ""
            tables = [page.goals(verdicts(self.name, one)), *(t for section in sections for t in section.tables(one))]
            yield from (page.machine(one), one.note)
            yield from (markdown(replace(table, title=table.title + suffix)) for table in tables)


def joined(parts: Iterable[str]) -> str:
    """Join the non-empty parts with blank lines."""
    return re.sub("\n{3,}", "\n\n", "\n\n".join(part.strip() for part in parts if part)) + "\n"
