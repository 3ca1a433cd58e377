"""The cells of a suite: data set x split x model x method x protocol. Each cell produces one record.

``cells``          the cells of one model
``planned_cells``  all cells of a suite, by model; planning reads no data and takes seconds

The models come from ``plan``; ``missing`` says which cells have to run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from locus import datasets, methods
from locus.benchmark import baselines
from locus.benchmark.records import Cell
from locus.benchmark.suite import plan
from locus.benchmark.suite.plan import ModelPlan, Suite
from locus.core import names, registry
from locus.scoring import protocols


@dataclass(frozen=True)
class ModelTask:
    """Some cells of one model: all planned ones, or those that have to run."""

    model: ModelPlan
    cells: tuple[Cell, ...]


def planned_cells(suite: Suite, method: Sequence[str] = ()) -> list[ModelTask]:
    """Return all cells of the suite by model, including those of single methods in ``method``."""
    added_methods = [name for name in method if name not in methods.GROUPS]
    return [
        ModelTask(model, tuple(cells(suite, model, added_methods))) for model in plan.models(suite)
    ]


def keys(suite: Suite) -> frozenset[str]:
    """Return the keys of all cells that a suite lists, without those that flags add."""
    listed = planned_cells(suite.model_copy(update={"added": []}))
    return frozenset(cell.key for task in listed for cell in task.cells)


def method_names(suite: Suite, extra: Sequence[str] = ()) -> list[str]:
    """Return the names of a suite's methods and of the ``extra`` ones, without duplicates, then the baselines.

    A suite of a validity check (``Suite.check``) has only the baselines that it lists.

    >>> from locus.benchmark.suite import plan
    >>> method_names(plan.load("phantom").model_copy(update={"methods": ["gradcampp", "cam"]}))[:2]
    ['gradcampp', 'cam']
    """
    row_names = list(dict.fromkeys([*methods.expand(suite.words), *extra]))
    if suite.check is not None:
        listed = [*suite.words, *extra]
        return [name for name in row_names if name in listed or not baselines.is_baseline(name)]
    requested = [name for name in row_names if name in baselines.on_request()]
    return [*_without_baselines(row_names), *baselines.in_every_suite(), *requested]


def _without_baselines(row_names: Sequence[str]) -> list[str]:
    return [name for name in row_names if not baselines.is_baseline(name)]


def cells(suite: Suite, model: ModelPlan, extra: Sequence[str] = ()) -> list[Cell]:
    """Return the cells of one model: that of the classifier, then methods and baselines for each protocol.

    All models of a suite have the same protocols and images, and the same methods unless a model lists its own.

    >>> from locus.benchmark.suite import plan
    >>> suite = plan.load("demo")
    >>> first, *_ = cells(suite, plan.models(suite)[0])
    >>> first.model_id, first.method, first.protocol
    ('custom-AVG-96px-seed0', 'classifier', 'classification')
    """
    shared = _shared(model)
    if model.grid is not None:
        return _cells_without_network(suite, model, shared)
    if model.methods:
        suite = suite.model_copy(update={"methods": list(model.methods)})
    all_rows = method_names(suite, extra)
    selected = [_cell(shared, names.CLASSIFIER, names.CLASSIFICATION)]
    for protocol in model.protocols or suite.protocols_or_check:
        selected += [
            _cell(shared, row, protocol, model.images) for row in _rows_of(protocol, all_rows)
        ]
    if names.MAIN_PROTOCOL in suite.protocols_or_check:
        if has_readings(model.trainings[0].dataset):
            selected.append(_cell(shared, names.READERS, names.MAIN_PROTOCOL, model.images))
        if suite.second_readers:
            selected.append(_cell(shared, names.SECOND_READERS, names.MAIN_PROTOCOL, model.images))
    if suite.fitted_on is not None:
        selected += [_fitted(cell, suite.fitted_on) for cell in selected if can_be_fitted(cell)]
    return selected


def _cells_without_network(suite: Suite, model: ModelPlan, shared: Cell) -> list[Cell]:
    """Return the cells of rows that need no image: of a truth by its protocols, or of a grid."""
    if model.protocols:
        return [
            _cell(shared, row, protocol)
            for protocol in model.protocols
            for row in rows_of_truth(model, protocol)
        ]
    # The upper bound depends on the grid. All other rows are the same on each, so only the finest grid has them.
    if model.grid != max(suite.grids):
        return [_cell(shared, names.UPPER_BOUND, names.MAIN_PROTOCOL)]
    rows = baselines.without_training()
    if suite.second_readers:
        rows.append(names.SECOND_READERS)
    return [_cell(shared, row, names.MAIN_PROTOCOL) for row in rows]


def _rows_of(protocol: str, row_names: Sequence[str]) -> list[str]:
    """Return those of the ``row_names`` that a protocol scores, with the baselines that it needs."""
    if protocol == names.ADDED:
        return [*_without_baselines(row_names), *baselines.beside_prior()]
    rows = list(row_names)
    if protocol not in protocols.of_boxes():
        rows = [name for name in rows if not baselines.gives_boxes(name)]
    if protocol != names.MAIN_PROTOCOL:
        rows = [name for name in rows if not baselines.is_fine_tuned(name)]
    return rows


def can_be_fitted(cell: Cell) -> bool:
    """Whether a cell has a threshold that another suite can choose: not a person's boxes, no network that saw boxes."""
    knows_boxes = baselines.is_people(cell.method) or baselines.is_fine_tuned(cell.method)
    return cell.protocol in (names.MAIN_PROTOCOL, names.ADDED) and not knows_boxes


def _fitted(cell: Cell, suite: str) -> Cell:
    """Return the cell with the thresholds and baselines of another suite."""
    return cell.model_copy(update={"data": {**cell.data, "fitted_on": suite}})


def rows_of_truth(model: ModelPlan, protocol: str) -> tuple[str, ...]:
    """Return the rows of a truth that needs no image: its readers or the baselines of its training part."""
    if has_readings(model.trainings[0].dataset):
        return (names.READERS,)
    takes_boxes = protocols.get(protocol).takes_boxes
    rows = baselines.of_training_part()
    return tuple(row for row in rows if baselines.gives_boxes(row) == takes_boxes)


def has_readings(dataset: str) -> bool:
    """Whether a data set (a name with options) has the boxes of each reader."""
    full_name = names.normalize_data_set(dataset)
    name = full_name.split(":")[0]
    if name not in datasets.names():
        return False
    declared = getattr(datasets.REGISTRY.get(name), "has_readings", False)
    if isinstance(declared, str):  # the option that adds them
        return bool(registry.options(full_name).get(declared))
    return bool(declared)


def _cell(shared: Cell, method: str, protocol: str, images: int | None = None) -> Cell:
    data = shared.data if images is None else {**shared.data, "images": images}
    return shared.model_copy(
        update={"method": method, "alignment": "aligned", "protocol": protocol, "data": data}
    )


def _shared(model: ModelPlan) -> Cell:
    """Return a cell with the fields that all cells of a model share."""
    training = model.trainings[0]
    if model.grid is not None:
        return Cell(
            dataset=training.dataset.split(":")[0],
            partition=training.partition,
            split="test",
            model_id=model.id,
            data={"dataset": training.dataset, "findings": training.num_classes},
            recipe=model.recipe,
        )
    pooling = training.global_pool if model.external is None else model.external.pooling
    return Cell.of_network(training, model.id, model.recipe, pooling)
