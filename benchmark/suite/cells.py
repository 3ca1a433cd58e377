"""The cells of a suite: data set x split x model x method x protocol x alignment.

Each cell produces one record. Planning reads no data and takes seconds.
"""

from collections.abc import Sequence
from functools import partial

import datasets
import methods
from benchmark.records import Cell
from benchmark.suite.plan import ModelPlan, Suite
from core import names
from core.names import normalize_data_set


def method_names(suite: Suite, extra: Sequence[str] = ()) -> list[str]:
    """Return the names of a suite's methods and of the ``extra`` ones, without duplicates, then the baselines.

    A suite of a validity check (``Suite.check``) has only the baselines that it lists.

    >>> from benchmark.suite import plan
    >>> method_names(plan.load("phantom").model_copy(update={"methods": ["gradcampp", "cam"]}))[:2]
    ['gradcampp', 'cam']
    """
    words = list(dict.fromkeys([*methods.expand(suite.words), *extra]))
    if suite.check is not None:
        return [word for word in words if word not in names.UNRANKED_METHODS or word in (*suite.words, *extra)]
    return [*(word for word in words if word not in names.UNRANKED_METHODS), *names.BASELINES_AND_UPPER_BOUND]


def cells(suite: Suite, model: ModelPlan, extra: Sequence[str] = ()) -> list[Cell]:
    """Return the cells of one model: that of the classifier, then methods and baselines for each protocol.

    If slow methods explain only some images, they have no cells on all images (except
    ``ModelPlan.methods_on_all_images``, for the main protocol), and every method has a cell on those images.

    >>> from benchmark.suite import plan
    >>> suite = plan.load("demo")
    >>> first, *_ = cells(suite, plan.models(suite)[0])
    >>> first.model_id, first.method, first.protocol
    ('custom-AVG-128px-seed0', 'classifier', 'classification')
    """
    shared = _shared(model)
    if model.methods:
        suite = suite.model_copy(update={"methods": list(model.methods)})
    all_methods = method_names(suite, extra)
    whole = [word for word in all_methods if word in model.methods_on_all_images]
    slow = [word for word in all_methods if word not in (*names.UNRANKED_METHODS, *whole) and not methods.is_fast(word)]
    if not model.all_cells:  # only the cells behind the leaderboard
        if model.slow_images is not None or suite.check is not None:
            all_methods, slow = [word for word in all_methods if word not in slow], []
        suite = suite.model_copy(update={"protocols": suite.protocols_of_model(all_cells=False), "conventional": []})
    slow = slow if model.slow_images is not None else []
    unrestricted = [word for word in all_methods if word not in (*slow, *whole)]
    selected = [_cell(shared, names.CLASSIFIER, names.CLASSIFICATION)]
    selected += [
        _cell(shared, word, protocol, suite.images) for protocol in suite.protocols_or_check for word in unrestricted
    ]
    selected += [_cell(shared, word, names.MAIN_PROTOCOL) for word in whole]
    ranked = [word for word in unrestricted if word not in names.UNRANKED_METHODS]
    conventional = partial(_cell, shared, alignment="conventional")
    selected += [conventional(word, protocol) for protocol in suite.conventional for word in ranked]
    selected += [_cell(shared, word, names.MAIN_PROTOCOL, model.slow_images) for word in (all_methods if slow else [])]
    if names.MAIN_PROTOCOL in suite.protocols_or_check:
        parts = dict.fromkeys([None, model.slow_images if slow else None])
        people = {names.READERS: has_readings(model.trainings[0].dataset), names.SECOND_READERS: suite.second_readers}
        rows = [word for word, included in people.items() if included]
        selected += [_cell(shared, word, names.MAIN_PROTOCOL, images) for word in rows for images in parts]
    return selected


def has_readings(dataset: str) -> bool:
    """Whether a data set (a name with options) has the boxes of each reader; does not import the data set."""
    name = normalize_data_set(dataset).split(":")[0]
    return name in datasets.names() and bool(datasets.REGISTRY.read_attribute(name, "has_readings"))


def _cell(shared: Cell, method: str, protocol: str, images: int | None = None, alignment: str = "aligned") -> Cell:
    data = shared.data if images is None else {**shared.data, "images": images}
    return shared.model_copy(update={"method": method, "alignment": alignment, "protocol": protocol, "data": data})


def _shared(model: ModelPlan) -> Cell:
    """Return a cell with the fields that all cells of a model share."""
    training = model.trainings[0]
    return Cell(
        dataset=training.dataset.split(":")[0],
        partition=training.partition,
        split="test",
        backbone=training.backbone,
        global_pool=training.global_pool if model.given is None else model.given.pooling,
        attention_map=training.attention_map or "none",
        img_size=training.img_size,
        seed=training.seed,
        model_id=model.id,
        data={"dataset": training.dataset, "findings": training.num_classes},
        recipe=model.recipe,
    )
