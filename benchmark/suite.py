"""One suite from its YAML to its tables: what is missing is run model by model, then the tables are made from records.

Nothing heavy is imported before a model has work to do: a suite whose records are all there costs seconds.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import datasets
import methods
from benchmark import cells, plan, records, results_folder
from benchmark.plan import ModelPlan, Suite
from benchmark.records import Cell, Record
from benchmark.records.record import Status
from benchmark.report import tables
from benchmark.results_folder import ResultsFolder
from benchmark.words import PAIRED
from config import RunConfig, TrainConfig
from core.errors import BadValueError, DataError, LocusError, WriteError
from datasets.io import limits

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Work:
    """The cells of one model that have to run."""

    model: ModelPlan
    cells: tuple[Cell, ...]


def suites(config: RunConfig) -> Path:
    """Where the suites' YAML files lie."""
    return Path(config.suites) if config.suites else plan.SUITES


def names(config: RunConfig) -> list[str]:
    """The suites that the flags ask for, each once. Raises ``LocusError`` when they ask for none."""
    known = plan.suites(suites(config))
    if not known:
        raise DataError(f"no suite in {suites(config)}: a suite is a YAML file there")
    if not config.all and not config.suite:
        raise BadValueError(f"no suite given: write --all or --suite NAME, one of {', '.join(known)}")
    chosen = known if config.all else list(dict.fromkeys(config.suite))
    if config.data_root_dir and len(chosen) > 1:
        raise BadValueError("--data_root_dir is one data set's folder: give it with one --suite")
    return chosen


@dataclass(frozen=True)
class Outcome:
    """How a suite ended."""

    counts: Counter[str]
    """Status -> number of records that were run."""
    stopped: tuple[str, ...]
    """A sentence for each model that could not run."""
    records: list[Record]
    """All that the suite has now."""
    folder: ResultsFolder
    """Where they lie."""


def run(name: str, config: RunConfig, tell: Callable[[str], None]) -> Outcome:
    """Run what is missing of suite ``name`` and write its tables.

    ``tell`` gets one line per step. A model that cannot run gives its cells records with the reason, and the others go
    on. Raises ``LocusError`` for a bad suite and when the disk refuses.
    """
    suite = plan.load(name, suites(config))
    folder = results_folder.choose(suite, config)
    place = folder.path
    _check_words(suite, config)
    if folder.reason:
        tell(f"{name}: {folder.reason}: records and tables go to {place}, the published rows beside them")
    there = found(place)
    todo = work(suite, config, there)
    total = sum(len(part.cells) for part in todo)
    tell(f"{name}: {total} cells to run" + (f" for {len(todo)} models" if total else ", tables only"))
    stopped = []
    for part in todo:
        tell(f"  {part.model.id}: {len(part.cells)} cells")
        if not config.dry_run:
            stopped += _run_model(suite, part, config, place)
            if part is not todo[-1]:
                records.pack(place)  # the last model's stay at work until all that follows from them is packed too
    if not config.dry_run:
        from benchmark.settle import settle  # its statistics would slow the start of a dry run and of every answer

        planned = [cell for model in plan.models(suite, overrides(config)) for cell in cells.cells(suite, model, _named(config))]
        changed = bool(todo) or bool(records.at_work(place)) or PAIRED in config.protocol
        there = settle(suite, planned, found(place) if todo else there, place, changed)
        there = _beside(there, folder.published)
        tables.write(place, title=suite.title, about=suite.about, records=there, columns=config.columns)
    return Outcome(Counter(record.status for record in there if record.source == "run"), tuple(stopped), there, folder)


def _beside(own: Sequence[Record], published: Sequence[Record]) -> list[Record]:
    """A user's own records and the published ones of other cells: those of the same cells are compared in words instead."""
    keys = {record.key for record in own}
    return [*own, *(record for record in published if record.key not in keys)]


def _check_words(suite: Suite, config: RunConfig) -> None:
    """Every word of ``--method`` and ``--protocol`` before anything runs, files imported: a typing error becomes no failed record."""
    limits.bearable(config.threads or 1, "--threads")
    plan.check_methods(config.method)
    for word in filter(methods.is_path, config.method):
        methods.get(word)
    check_protocols(suite, config)


def check_protocols(suite: Suite, config: RunConfig) -> None:
    """Raise ``BadValueError`` for a word of ``--protocol`` that the suite does not have; ``--all`` passes over such suites."""
    other = [word for word in config.protocol if word not in (*suite.recorded, "all")]
    if other and not config.all:
        raise BadValueError(f"the suite {suite.name!r} does not score by {other[0]!r}; it has: {', '.join(suite.recorded)}")


def answers_to(suite: Suite, config: RunConfig) -> bool:
    """Whether the suite has any of the protocols that the flags name; without the flag every suite does."""
    return not config.protocol or any(word in (*suite.recorded, "all") for word in config.protocol)


def work(suite: Suite, config: RunConfig, there: Sequence[Record]) -> list[Work]:
    """The cells that have to run, model by model.

    They have no record among those that are ``there``, or one that ``--overwrite`` does not keep; with ``--method`` they are those of its
    methods, also where the suite does not list them, with ``--protocol`` those of its protocols.
    """
    known = {record.key: record for record in there}
    chosen, by = methods.expand(config.method), set() if "all" in config.protocol else set(config.protocol)
    todo = []
    for model in plan.models(suite, overrides(config)):
        data_there = absent(model) is None
        every = cells.cells(suite, model, _named(config))
        asked = [cell for cell in every if (not chosen or cell.method in chosen) and (not by or cell.protocol in by)]
        missing = tuple(cell for cell in asked if not _keep(known.get(cell.key), config.overwrite, data_there))
        if missing:
            todo.append(Work(model, missing))
    return todo


def _named(config: RunConfig) -> list[str]:
    """The methods that ``--method`` names one by one: a group means those of its methods that the suite has."""
    return [word for word in config.method if word not in methods.GROUPS]


def overrides(config: RunConfig) -> dict[str, object]:
    """Flags of the door that reach every training of a suite."""
    return {"data_root_dir": config.data_root_dir, "cache_dir": config.cache_dir, "threads": config.threads}


def data_is_there(training: TrainConfig) -> bool:
    """Whether the folder of the data set's files exists; the phantom needs none."""
    needs_files = training.dataset.split(":")[0] != "phantom"
    return not needs_files or datasets.root_of(training.dataset, training.data_root_dir).is_dir()


def absent(model: ModelPlan) -> TrainConfig | None:
    """Whose files are not there: those of the training, or of the data set that it is scored on; None where both are."""
    return next((config for config in (model.trainings[0], model.scored_on) if not data_is_there(config)), None)


def _keep(record: Record | None, overwrite: str, data_there: bool) -> bool:
    if record is None or overwrite == "always":
        return False
    if overwrite == "never" or record.status == "ok":
        return True
    return record.status == "n/a" and not (data_there and record.reason.startswith(ABSENT))


ABSENT = "the data is not there"
"""How the reason of an n/a record begins that data can mend."""


def found(place: Path) -> list[Record]:
    """The records of the suite folder ``place``, in the order of their files; none where it never ran."""
    return records.load(place) if place in records.suites(place.parent) or records.at_work(place) else []


def _run_model(suite: Suite, part: Work, config: RunConfig, place: Path) -> list[str]:
    """Run the cells of one model; the sentence why it stopped, if it did."""
    if training := absent(part.model):
        where = datasets.root_of(training.dataset, training.data_root_dir)
        _give_up(part, "n/a", f"{ABSENT} ({training.dataset}: {where}): {suite.how_to_get}", place)
        return []
    from benchmark import score  # torch, numba and the wings are imported when there is work for them

    try:
        score.run(part.model, part.cells, Path(config.runs) / (suite.trainings or suite.name), place, config)
        return []
    except WriteError:
        raise
    except LocusError as error:
        _give_up(part, "failed", str(error), place)
        return [f"{suite.name}: {part.model.id}: {error}"]


def _give_up(part: Work, status: Status, reason: str, place: Path) -> None:
    """A record with the reason for each cell that has no result yet: what was measured before is never lost to a typing error."""
    measured = {record.key for record in found(place) if record.status == "ok"}
    kept = [cell.key in measured for cell in part.cells]
    for cell, keep in zip(part.cells, kept, strict=True):
        if not keep:
            records.write(Record(cell=cell, status=status, reason=reason), place)
    if any(kept):
        log.warning("%s: %d records of earlier runs stay as they are: %s", part.model.id, sum(kept), reason)
