"""The cells of a suite that have to run, and the models whose data are missing.

``missing_cells``  the cells without a record of the present code
``changed_keys``   the records that other code of the method or network computed
``without_data``, ``missing_data_message``  the models that cannot run, and how to get their data
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache

from locus import datasets, methods
from locus.benchmark import baselines
from locus.benchmark.maps import code_of, method_code
from locus.benchmark.records import Cell, Record
from locus.benchmark.report.grouping import grouped
from locus.benchmark.suite.cells import ModelTask
from locus.benchmark.suite.plan import ModelPlan, Suite
from locus.config import RunConfig, TrainConfig
from locus.core.names import ABSENT, SHUFFLED


def missing_cells(
    planned: Sequence[ModelTask], config: RunConfig, existing: Sequence[Record]
) -> list[ModelTask]:
    """Return the ``planned`` cells that have to run, by model.

    These cells have no record in ``existing``, one of other code (``changed_keys``), or one that ``--overwrite``
    replaces. Models without their data are left out (``without_data``). ``--method`` limits the cells to its methods
    (which the suite need not list) and the baselines; ``--protocol`` to its protocols. ``--checkpoint`` and
    ``--model`` limit them to given models (``ModelPlan.external``), so that nothing is trained. Cells of a network that
    was trained again always run, because a model never mixes records of different weights.
    """
    record_by_key = {record.key: record for record in existing}
    outdated = cells_of_other_weights(existing)
    code_of_method = cache(method_code)
    only_external = bool(config.checkpoint or config.model)
    tasks = []
    for task in planned:
        if missing_data(task.model) is not None or (only_external and task.model.external is None):
            continue
        missing = _selected(task.cells, config)
        if record_by_key:  # computing keys is slow
            recorded = [record_by_key[cell.key] for cell in missing if cell.key in record_by_key]
            kept_keys = {record.key for record in recorded if _keep(record, config.overwrite)}
            kept_keys -= changed_keys(task.model, recorded, code_of_method)
            missing = [cell for cell in missing if cell.key not in kept_keys]
        # outdated cells that are no longer planned are removed later
        planned_without_method = [cell.without_method for cell in task.cells]
        for cell in outdated.get(task.model.id, ()):
            if cell.without_method in planned_without_method and cell not in missing:
                missing.append(cell)
        if missing:
            tasks.append(ModelTask(task.model, tuple(missing)))
    return tasks


def _selected(planned: Sequence[Cell], config: RunConfig) -> list[Cell]:
    """Return the cells that ``--method``, with the baselines, and ``--protocol`` select."""
    selected = list(planned)
    method_names = methods.expand(config.method)
    if method_names:
        row_names = {*method_names, *baselines.in_every_suite(), SHUFFLED}
        selected = [cell for cell in selected if cell.method in row_names]
    if config.protocol and "all" not in config.protocol:
        selected = [cell for cell in selected if cell.protocol in config.protocol]
    return selected


def _keep(record: Record, overwrite: str) -> bool:
    """Whether ``--overwrite`` keeps a record of the present code; one that lacked its data is computed again."""
    if overwrite == "always":
        return False
    if overwrite == "never" or record.status == "ok":
        return True
    return record.status == "n/a" and not record.reason.startswith(ABSENT)


def changed_keys(
    model: ModelPlan, existing: Iterable[Record], code_of_method: Callable[[str], str] = method_code
) -> set[str]:
    """Return the keys of the ``existing`` records of a model that other code of the method or network computed."""
    network = model.code
    changed = set()
    for record in existing:
        if record.code and record.code != code_of(network, code_of_method(record.cell.method)):
            changed.add(record.key)
    return changed


def cells_of_other_weights(existing: Iterable[Record]) -> dict[str, list[Cell]]:
    """Return model -> cells whose records have different checkpoints from its newest record."""
    with_weights = [record for record in existing if record.source == "run" and record.checkpoints]
    records_of_model = grouped(with_weights, lambda record: record.cell.model_id)
    outdated = {}
    for model_id, model_records in records_of_model.items():
        newest = max(model_records, key=lambda record: record.created)
        older = [
            record.cell for record in model_records if record.checkpoints != newest.checkpoints
        ]
        if older:
            outdated[model_id] = older
    return outdated


def without_data(planned: Sequence[ModelTask], existing: Sequence[Record]) -> list[ModelTask]:
    """Return the ``planned`` models whose data are missing, and that have cells without a record."""
    recorded = {record.key for record in existing}
    absent = [task for task in planned if missing_data(task.model) is not None]
    return [task for task in absent if any(cell.key not in recorded for cell in task.cells)]


def missing_data(model: ModelPlan) -> TrainConfig | None:
    """Return the configuration of the model's data set if that is missing; None if it is present."""
    config = model.trainings[0]
    return None if datasets.at_hand(config.dataset, config.data_root_dir) else config


def missing_data_message(suite: Suite, model: ModelPlan) -> str:
    """Name the missing data of a model, the expected folder, and how to get them; empty if none is missing."""
    config = missing_data(model)
    if config is None:
        return ""
    advice = suite.how_to_get or datasets.REGISTRY.get(config.dataset).layout
    folder = datasets.root_of(config.dataset, config.data_root_dir)
    return f"{ABSENT} ({config.dataset}: {folder}): {advice}"
