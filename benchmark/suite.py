"""One suite from its YAML to its tables: what is missing is run model by model, then the tables are made from records.

Nothing heavy is imported before a model has work to do: a suite whose records are all there costs seconds.
"""

import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmark import plan, records
from benchmark.plan import ModelPlan, Suite
from benchmark.records import Cell, Record
from benchmark.report import tables
from config import RunConfig, TrainConfig
from core.errors import BadValueError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """The cells of one model that have to run."""

    model: ModelPlan
    cells: tuple[Cell, ...]


def folder(name: str, config: RunConfig) -> Path:
    """Where the records and tables of a suite lie."""
    return Path(config.results) / name


def _suites(config: RunConfig) -> Path:
    return Path(config.suites) if config.suites else plan.SUITES


def names(config: RunConfig) -> list[str]:
    """The suites that the flags ask for. Raises ``BadValueError`` when they ask for none."""
    known = plan.suites(_suites(config))
    if not config.all and not config.suite:
        raise BadValueError(f"no suite given: write --all or --suite NAME, one of {', '.join(known)}")
    return known if config.all else list(config.suite)


def run(name: str, config: RunConfig, tell: Callable[[str], None]) -> Counter[str]:
    """Run what is missing of suite ``name``, write its tables, and count the records by status.

    ``tell`` gets one line per step. Raises ``LocusError`` for bad input; a cell that fails becomes a record.
    """
    suite = plan.load(name, _suites(config))
    place = folder(name, config)
    todo = work(suite, config, place)
    total = sum(len(part.cells) for part in todo)
    tell(f"{name}: {total} cells to run" + (f" for {len(todo)} models" if total else ", tables only"))
    for part in todo:
        tell(f"  {part.model.id}: {len(part.cells)} cells")
        if not config.dry_run:
            _run_model(suite, part, config, place)
    if not config.dry_run:
        _drop_strangers(suite, config, place)
        tables.write(place, title=suite.title, about=suite.about)
    return Counter(record.status for record in _records(place))


def work(suite: Suite, config: RunConfig, place: Path) -> list[Work]:
    """The cells without a record in ``place``, or with one that ``--overwrite`` does not keep, model by model."""
    found = {record.key: record for record in _records(place)}
    todo = []
    for model in plan.models(suite, overrides(config)):
        there = data_is_there(model.trainings[0])
        cells = tuple(cell for cell in plan.cells(suite, model) if not _keep(found.get(cell.key), config.overwrite, there))
        if cells:
            todo.append(Work(model, cells))
    return todo


def overrides(config: RunConfig) -> dict[str, object]:
    """Flags of the door that reach every training of a suite."""
    return {"data_root_dir": config.data_root_dir, "cache_dir": config.cache_dir, "threads": config.threads}


def data_is_there(training: TrainConfig) -> bool:
    """Whether the folder of the data set's files exists; the phantom needs none."""
    needs_files = training.dataset.split(":")[0] != "phantom"
    return not needs_files or (training.data_root_dir is not None and Path(training.data_root_dir).is_dir())


def _keep(record: Record | None, overwrite: str, data_there: bool) -> bool:
    if record is None or overwrite == "always":
        return False
    if overwrite == "never" or record.status == "ok":
        return True
    return record.status == "n/a" and not (data_there and record.reason.startswith(ABSENT))


ABSENT = "the data is not there"
"""How the reason of an n/a record begins that data can mend."""


def _records(place: Path) -> list[Record]:
    return records.load(place) if (place / "records").is_dir() else []


def _run_model(suite: Suite, part: Work, config: RunConfig, place: Path) -> None:
    training = part.model.trainings[0]
    if not data_is_there(training):
        where = training.data_root_dir or "no --data_root_dir given"
        reason = f"{ABSENT} ({training.dataset}: {where}): {suite.how_to_get}"
        for cell in part.cells:
            records.write(Record(cell=cell, status="n/a", reason=reason), place)
        return
    from benchmark import score  # torch, numba and the wings are imported when there is work for them

    score.run(part.model, part.cells, Path(config.runs) / suite.name, place)


def _drop_strangers(suite: Suite, config: RunConfig, place: Path) -> None:
    """Remove records whose cell the suite no longer has: a table shows the suite as it stands."""
    wanted = {cell.key for model in plan.models(suite, overrides(config)) for cell in plan.cells(suite, model)}
    for record in _records(place):
        if record.source == "run" and record.key not in wanted:
            log.warning("%s: the cell of record %s is no longer in the suite: its record is removed", suite.name, record.key)
            records.path(place, record.cell).unlink()
