"""Folder of the records and tables of a run: ``results/`` for the published plan, else ``runs/results/``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import methods
from benchmark import records
from benchmark.records import Record
from benchmark.records.record import PUBLISHED
from benchmark.suite.plan import SUITES, Suite
from config import FolderFlags, RunConfig
from core.cli import CONFIGS
from core.names import BASELINES_AND_UPPER_BOUND

RESULTS = Path("results")
UNPUBLISHED = Path("runs/results")
OTHER_COLUMNS = "the published table has different columns"
"""Reason for which no cell runs, because the published records are used."""


@dataclass(frozen=True)
class ResultsFolder:
    """The folder of a suite's records and tables."""

    path: Path
    reason: str = ""
    """Reason for not writing to the published folder; empty if the run writes there, or with ``--results``."""

    @property
    def published_folder(self) -> Path | None:
        """The published folder of the suite, whose rows are shown, too; None if the run writes there."""
        folder = published() / self.path.name
        return folder if self.path.parent == UNPUBLISHED and folder in records.suites(folder.parent) else None

    @property
    def published(self) -> list[Record]:
        """The published records of the suite that are shown with those of the run."""
        if self.published_folder is None:
            return []
        runs = (record for record in records.load(self.published_folder) if record.source == "run")
        return [record.model_copy(update={"source": PUBLISHED}) for record in runs]


def published() -> Path:
    """Return the published results folder, whatever the working directory."""
    return RESULTS if RESULTS.is_dir() else CONFIGS.parent / RESULTS


def with_published(records: Sequence[Record], published: Sequence[Record]) -> list[Record]:
    """Return a user's records and the ``published`` ones of other cells."""
    keys = {record.key for record in records}
    return [*records, *(record for record in published if record.key not in keys)]


def base(config: FolderFlags) -> Path:
    """Return the results folder of ``--results``, or the published one."""
    return RESULTS if config.results is None else Path(config.results)


def choose(suite: Suite, config: RunConfig) -> ResultsFolder:
    """Return ``--results`` if given, else ``results`` for a run of the published plan and ``runs/results`` for others.

    >>> from benchmark.suite import plan
    >>> choose(plan.load("demo"), RunConfig(results="mine")).path.as_posix()
    'mine/demo'
    >>> choose(plan.load("demo"), RunConfig(checkpoint=("runs/x/best.ckpt",))).reason
    'runs/x/best.ckpt is not part of the published plan'
    """
    if config.results is not None:
        return ResultsFolder(base(config) / suite.name)
    reason = _difference(suite, config)
    return ResultsFolder((UNPUBLISHED if reason else RESULTS) / suite.name, reason)


def _difference(suite: Suite, config: RunConfig) -> str:
    """Describe the difference between a run and the published plan of its suite; empty if there is none."""
    if config.suites is not None and Path(config.suites).resolve() != SUITES.resolve():
        return "the suite is from another folder"
    if RESULTS / suite.name not in records.suites(RESULTS):
        return f"{RESULTS / suite.name} has no published records"
    if config.checkpoint or config.model:
        return f"{config.entry or config.model or ', '.join(config.checkpoint)} is not part of the published plan"
    if config.forget:
        return "models of --forget are not part of the published plan"
    planned_words = {*methods.expand(suite.all_words), *suite.all_words, *BASELINES_AND_UPPER_BOUND, *methods.GROUPS}
    if extra := [word for word in config.method if word not in planned_words]:
        return f"{', '.join(extra)} is not part of the published plan"
    return OTHER_COLUMNS if config.columns else ""
