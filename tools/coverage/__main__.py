"""Door: measure what is not measured yet and write the page, ``python -m tools.coverage``."""

import itertools
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd

from core import cli
from core.files import write_text
from tools.coverage.measure import measure
from tools.coverage.page import page
from tools.coverage.worlds import Simulation

TRAININGS, PATIENTS, SEED_SD = (2, 3, 5, 10), (100, 300, 600), (0.0, 0.025, 0.05)
KINDS = ((1, "fixed"), (1, "cross-fitted"), (8, "cross-fitted"))
"""Findings, and where their thresholds come from."""


@dataclass(frozen=True)
class CoverageConfig:
    """How often intervals over trainings and patients hold the truth: ``python -m tools.coverage``."""

    worlds: Annotated[int, cli.AtLeast(2)] = 2000
    """Simulated worlds per setting."""
    table: str = "tools/coverage/coverage.csv"
    """Table to go on from: a setting that it has is not simulated again."""
    output: str = "docs/coverage.md"
    """Page to write."""


@cli.door
def main(argv: Sequence[str] | None = None) -> None:
    """Add the settings that the table lacks, one by one, and write the page of all of them."""
    config, _ = cli.parse(CoverageConfig, argv, "python -m tools.coverage")
    path = Path(config.table)
    for setting in settings():
        if tuple(asdict(setting).values()) not in _measured(path):
            rows = pd.DataFrame(measure(setting, config.worlds)).round(4)
            for at, (name, value) in enumerate([*asdict(setting).items(), ("worlds", config.worlds)]):
                rows.insert(at, name, value)
            rows.to_csv(path, mode="a", header=not path.exists(), index=False)
            print(setting)
    write_text(config.output, page(pd.read_csv(path)))
    print(f"{config.output} shows {config.table}")


def settings() -> list[Simulation]:
    """Every setting of the page."""
    grid = itertools.product(KINDS, SEED_SD, PATIENTS, TRAININGS)
    return [Simulation(trainings, patients, sd, *kind) for kind, sd, patients, trainings in grid]


def _measured(path: Path) -> set[tuple[object, ...]]:
    """The settings of a table, without any where there is none."""
    if not path.exists():
        return set()
    table = pd.read_csv(path)
    return set(table[list(asdict(settings()[0]))].itertuples(index=False, name=None))


if __name__ == "__main__":
    sys.exit(main())
