"""Select the suites named by the flags of ``python -m benchmark.run``, and their missing cells."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import datasets
import methods
from benchmark import records
from benchmark.maps.code import code_of, method_code
from benchmark.records import Cell, Record
from benchmark.suite import plan
from benchmark.suite.cells import cells
from benchmark.suite.plan import ModelPlan, Suite
from config import FolderFlags, RunConfig, SuiteConfig, TrainConfig
from core.errors import BadValueError, DataError
from core.flags.network import SOURCES, network_flags
from core.gc_control import gc_paused
from core.names import ABSENT, PAIRED
from core.user_code import refuse_code, runs_code


@dataclass(frozen=True)
class ModelTask:
    """Some cells of one model: all planned ones, or those that have to run."""

    model: ModelPlan
    cells: tuple[Cell, ...]


def names(config: SuiteConfig) -> list[str]:
    """Return the suites named by the flags, without duplicates. Raises ``LocusError`` if there are none.

    >>> names(RunConfig(suite=("phantom", "demo", "phantom")))
    ['phantom', 'demo']
    """
    folder = _suites_folder(config)
    available = plan.suites(folder)
    if not available:
        raise DataError(f"{folder} has no suite: put the YAML file of a suite there, or leave --suites out")
    if not config.all and not config.suite:
        raise BadValueError(f"no suite given: use --all or --suite NAME, one of {', '.join(available)}")
    selected = available if config.all else list(dict.fromkeys(config.suite))
    if config.data_root_dir and len(selected) > 1:
        raise BadValueError("--data_root_dir requires a single --suite, because it is the folder of one data set")
    return selected


def _suites_folder(config: FolderFlags) -> Path:
    return Path(config.suites) if config.suites else plan.SUITES


def read_suite(name: str, config: FolderFlags) -> Suite:
    """Read a suite, with the data folders of the flags. Raises ``LocusError``: see ``plan.load``."""
    suite = plan.load(name, _suites_folder(config), config.trust)
    return plan.with_flags(suite, data_root_dir=config.data_root_dir, cache_dir=config.cache_dir)


def requested_suite(name: str, config: SuiteConfig) -> Suite:
    """Read a suite, check ``--method`` and ``--protocol``, and append the models that the flags add.

    Raises ``BadValueError`` for a protocol that the suite does not have (``--all`` skips such suites instead),
    ``DataError`` for a ``--data_root_dir`` without files, and ``LocusError`` for a network that cannot be built, read
    or named.
    """
    suite = read_suite(name, config)
    if config.data_root_dir:
        datasets.check(str(suite.train.get("dataset", TrainConfig.dataset)), config.data_root_dir)
    for word in filter(runs_code, config.method):
        methods.get(word)  # runs the user's file, so that its errors are raised before any work
    plan.check_methods(config.method)
    if not config.all and (
        unknown := [word for word in config.protocol if word not in (*suite.recorded_protocols, "all")]
    ):
        raise BadValueError(
            f"the suite {name!r} has no protocol {unknown[0]!r}; it has: {', '.join(suite.recorded_protocols)}"
        )
    return _with_finished_models(suite, config)


def _with_finished_models(suite: Suite, config: SuiteConfig) -> Suite:
    """Append the models of ``--checkpoint PATH`` and ``--model file.py:build``; without these, nothing changes."""
    network = network_flags(config)
    if config.model is not None and network is None:
        forms = ", ".join(f"{source}:NAME" for source in SOURCES)
        advice = f"use path/to/file.py:build or one of {forms}; for a checkpoint or run folder, use --checkpoint"
        raise BadValueError(f"--model {config.model} is not an external network: {advice}")
    if network is None and not config.checkpoint:
        if config.entry or config.trained_on or config.findings:
            raise BadValueError("--entry, --trained_on and --findings require --checkpoint or --model")
        return suite
    if network is not None and config.checkpoint:
        raise BadValueError("--model cannot be combined with --checkpoint: use one of them")
    paths = list(config.checkpoint)
    if network is not None:
        from benchmark.training import external_network  # after the flags are checked: imports torch
        from benchmark.training.listing import load_split

        scored = plan.models(suite)[0].trainings[0]
        findings = load_split(scored, "test").findings
        paths = [str(external_network.write_run(network, Path(config.runs).parent, findings, scored.img_size))]
    declared = {"entry": config.entry, "trained_on": config.trained_on}
    flags = {"checkpoint": paths, **{name: value for name, value in declared.items() if value}}
    if network is None and not config.trust:
        refuse_code(plan.networks(suite.model_copy(update={"models": [flags]})), ", ".join(paths))
    return suite.model_copy(update={"models": [*suite.models, flags]})


@gc_paused()
def planned_cells(suite: Suite, method: Sequence[str] = ()) -> list[ModelTask]:
    """Return all cells of the suite by model, including those of single methods in ``method``."""
    named = [word for word in method if word not in methods.GROUPS]
    return [ModelTask(model, tuple(cells(suite, model, named))) for model in plan.models(suite)]


def missing_cells(planned: Sequence[ModelTask], config: RunConfig, existing: Sequence[Record]) -> list[ModelTask]:
    """Return the ``planned`` cells that have to run, by model.

    These cells have no record in ``existing``, one of other code (``changed_keys``), or one that ``--overwrite``
    replaces. ``--method`` limits them to its methods, including methods that the suite does not list, and
    ``--protocol`` to its protocols. ``--checkpoint``, ``--model`` and ``--forget`` (which removes such models) limit
    them to given models (``ModelPlan.given``), so that nothing is trained. Cells of a network that was trained again
    always run, because a model never mixes records of different weights.
    """
    record_by_key = {record.key: record for record in existing}
    outdated = cells_of_other_weights(existing)
    words, by = methods.expand(config.method), set() if "all" in config.protocol else set(config.protocol)
    todo, code_of_method = [], cache(method_code)
    only_given = bool(config.checkpoint or config.model or config.forget)
    for task in (task for task in planned if task.model.given is not None or not only_given):
        has_data = missing_data(task.model) is None
        chosen = (c for c in task.cells if (not words or c.method in words) and (not by or c.protocol in by))
        missing = list(chosen)
        if record_by_key:  # else no key is computed, which is slow
            records_of_model = [record_by_key[c.key] for c in missing if c.key in record_by_key]
            changed = changed_keys(task.model, records_of_model, code_of_method) if has_data else set()
            missing = [
                c
                for c in missing
                if c.key in changed or not _keep(record_by_key.get(c.key), config.overwrite, has_data)
            ]
        if task.model.id in outdated and has_data:
            of_plan = [cell.without_method for cell in task.cells]  # their other records are removed later
            again = (cell for cell in outdated[task.model.id] if cell.without_method in of_plan)
            missing += [cell for cell in again if cell not in missing]
        if missing:
            todo.append(ModelTask(task.model, tuple(missing)))
    return todo


def changed_keys(
    model: ModelPlan, existing: Iterable[Record], code_of_method: Callable[[str], str] = method_code
) -> set[str]:
    """Return the keys of the ``existing`` records of a model that other code of the method or network computed."""
    network, recorded = model.code, [record for record in existing if record.code]
    return {r.key for r in recorded if r.code != code_of(network, code_of_method(r.cell.method))}


def _keep(record: Record | None, overwrite: str, has_data: bool) -> bool:
    if record is None or overwrite == "always":
        return False
    if overwrite == "never" or record.status == "ok":
        return True
    return record.status == "n/a" and not (has_data and record.reason.startswith(ABSENT))


def cells_of_other_weights(existing: Iterable[Record]) -> dict[str, list[Cell]]:
    """Return model -> cells whose records have different checkpoints from its newest record."""
    groups: dict[str, list[Record]] = {}
    for record in existing:
        if record.source == "run" and record.checkpoints and record.cell.protocol != PAIRED:
            groups.setdefault(record.cell.model_id, []).append(record)
    newest = {model: max(group, key=lambda r: r.created).checkpoints for model, group in groups.items()}
    older = {model: [r.cell for r in group if r.checkpoints != newest[model]] for model, group in groups.items()}
    return {model: cells for model, cells in older.items() if cells}


def missing_data(model: ModelPlan) -> TrainConfig | None:
    """Return the configuration of the model's data set if that is missing; None if it is present."""
    config = model.trainings[0]
    return None if datasets.at_hand(config.dataset, config.data_root_dir) else config


def missing_data_message(suite: Suite, model: ModelPlan) -> str:
    """Name the missing data of a model, the expected folder, and how to get them; empty if none is missing."""
    if (config := missing_data(model)) is None:
        return ""
    how = suite.how_to_get or datasets.REGISTRY.get(config.dataset).layout
    return f"{ABSENT} ({config.dataset}: {datasets.root_of(config.dataset, config.data_root_dir)}): {how}"


def existing_records(folder: Path) -> list[Record]:
    """Return the records in the suite ``folder``, in the order of their files; empty if it never ran."""
    return records.load(folder) if folder in records.suites(folder.parent) or records.unpacked(folder) else []
