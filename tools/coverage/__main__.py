"""Entry point ``python -m tools.coverage``: simulate the settings that the table lacks, then write the page."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd

from locus.core import cli
from locus.core.files import write_text
from locus.core.parser import AtLeast
from tools.coverage.measure import measure
from tools.coverage.page import page
from tools.coverage.worlds import NAME, settings


@dataclass(frozen=True)
class CoverageConfig:
    """Measure how often intervals contain the true value: ``python -m tools.coverage``."""

    worlds: Annotated[int, AtLeast(2)] = 4000
    """Simulated worlds per setting."""
    table: str = "tools/coverage/coverage.csv"
    """Table of results. Settings that it has are not simulated again, so an interrupted command resumes."""
    output: str = "docs/coverage.md"
    """Page to write."""


@cli.entry_point
def main(argv: Sequence[str] | None = None) -> None:
    """Simulate the missing settings one by one, add them to the table, and write the page."""
    config, _ = cli.parse(CoverageConfig, argv, "python -m tools.coverage")
    path = Path(config.table)
    table = pd.read_csv(path, dtype=str) if path.exists() else pd.DataFrame(columns=list(NAME))
    measured = set(table[list(NAME)].itertuples(index=False, name=None))
    for setting in settings():
        if setting.name not in measured:
            rows = pd.DataFrame(measure(setting, config.worlds)).round(4)
            for column, value in reversed([*zip(NAME, setting.name, strict=True), ("worlds", str(config.worlds))]):
                rows.insert(0, column, value)
            table = pd.concat([table, rows.astype(str).replace("nan", "")])
            write_text(path, table.to_csv(index=False))
            print(setting, flush=True)
    write_text(config.output, page(pd.read_csv(path)))
    print(f"{config.output} shows {config.table}")


if __name__ == "__main__":
    sys.exit(main())
