"""Where the records and tables of a run are written: ``results/`` for the published plan, else ``runs/results/``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import methods
from benchmark import records
from benchmark.records import Record, costs
from benchmark.records.record import PUBLISHED
from benchmark.suite.plan import SUITES, Suite
from config import FolderFlags, RunConfig
from core.cli import CONFIGS
from core.names import BASELINES_AND_LIMIT, MAIN

RESULTS = Path("results")
UNPUBLISHED = Path("runs/results")
OTHER_COLUMNS = "the published table has other columns"
OWN_COSTS = "the published costs are of the machine that they were measured on"
RUN_NOTHING = (OTHER_COLUMNS, OWN_COSTS)
"""Reasons for which no cell is run: the published records are shown."""


@dataclass(frozen=True)
class ResultsFolder:
    """The folder of a suite's records and tables."""

    path: Path
    reason: str = ""
    """Why the run does not write to the published folder; empty if it does, or with ``--results``."""
    predicted_by: str | None = None
    """The suite whose published training runs predict the range of a row."""

    @property
    def beside(self) -> Path | None:
        """The published folder of the suite, whose rows are shown with the run's; None for itself."""
        folder = published() / self.path.name
        return folder if self.path.parent == UNPUBLISHED and folder in records.suites(folder.parent) else None

    @property
    def published(self) -> list[Record]:
        """The published records of the suite, to be shown with others."""
        if self.beside is None:
            return []
        runs = (record for record in records.load(self.beside) if record.source == "run")
        return [record.model_copy(update={"source": PUBLISHED}) for record in runs]

    @property
    def predicting(self) -> list[Record]:
        """The published records of the suite ``predicted_by``, main column only, if published rows are shown too."""
        if self.beside is None or self.predicted_by is None:
            return []
        folder = self.beside.parent / self.predicted_by
        return records.load_metric(folder, MAIN) if folder in records.suites(folder.parent) else []


def published() -> Path:
    """The published results folder, independent of the working directory."""
    return RESULTS if RESULTS.is_dir() else CONFIGS.parent / RESULTS


def with_published(records: Sequence[Record], published: Sequence[Record]) -> list[Record]:
    """A user's records and the ``published`` ones of other cells; records of the same cell are compared in the text."""
    keys = {record.key for record in records}
    return [*records, *(record for record in published if record.key not in keys)]


def base(config: FolderFlags, finished: bool = False) -> Path:
    """The results folder of ``--results``, or the published one; for ``finished`` models ``runs/results``."""
    if config.results is not None:
        return Path(config.results)
    return UNPUBLISHED if finished else RESULTS


def choose(suite: Suite, config: RunConfig) -> ResultsFolder:
    """``--results``, or ``results`` for a run of the published plan and ``runs/results`` for any other.

    >>> from benchmark.suite import plan
    >>> choose(plan.load("demo"), RunConfig(results="mine")).path.as_posix()
    'mine/demo'
    >>> choose(plan.load("demo"), RunConfig(checkpoint=("runs/x/best.ckpt",))).reason
    'the published plan has no runs/x/best.ckpt'
    """
    if config.results is not None:
        return ResultsFolder(base(config) / suite.name, predicted_by=suite.predicted_by)
    reason = _difference(suite, config)
    return ResultsFolder((UNPUBLISHED if reason else RESULTS) / suite.name, reason, suite.predicted_by)


def _difference(suite: Suite, config: RunConfig) -> str:
    """The difference between a run and the published plan of its suite; empty if there is none."""
    if config.suites is not None and Path(config.suites).resolve() != SUITES.resolve():
        return "a suite from another folder"
    if RESULTS / suite.name not in records.suites(RESULTS):
        return f"nothing is published of the suite {suite.name}"
    if config.checkpoint or config.model:
        return f"the published plan has no {config.entry or config.model or ', '.join(config.checkpoint)}"
    if config.forget:
        return "the published plan has no models that were added"
    planned_words = {*methods.expand(suite.all_words), *suite.all_words, *BASELINES_AND_LIMIT, *methods.GROUPS}
    if extra := [word for word in config.method if word not in planned_words]:
        return f"the published plan has no {', '.join(extra)}"
    if config.costs and (RESULTS / suite.name / costs.FILE).is_file():
        return OWN_COSTS
    return OTHER_COLUMNS if config.columns else ""
