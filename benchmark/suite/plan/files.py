"""Load and check a suite of ``configs/suites``."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pydantic

from benchmark.suite.plan.model import ModelPlan
from benchmark.suite.plan.models import CHECKPOINT, models
from benchmark.suite.plan.suite import Suite
from core import cli, user_code
from core.errors import BadValueError, DataError, UnknownNameError, first_problem
from core.names import MAIN_PROTOCOL, duplicates

SUITES = cli.CONFIGS / "suites"


def suites(folder: Path = SUITES) -> list[str]:
    """Return the names of the suites of the project, or of another ``folder`` of YAML files.

    >>> "phantom" in suites()
    True
    """
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(name: str, folder: Path = SUITES, trust: bool = False) -> Suite:
    """Read a suite. Raises ``UnknownNameError``, or ``DataError`` with the invalid field.

    ``trust``: whether Python files named by its methods or checkpoints may be executed; otherwise ``BadValueError``.
    """
    if not name:
        raise BadValueError(f"no suite given: use one of {', '.join(suites(folder))}")
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise UnknownNameError("suite", name, suites(folder))
    try:
        suite = Suite(**{**cli.read_yaml(path), "name": name})
    except pydantic.ValidationError as error:
        field, message = first_problem(error)
        if field and field.split(".")[0] not in Suite.model_fields:
            raise UnknownNameError(f"field of the suite {path}:", field, list(Suite.model_fields)) from error
        raise DataError(f"the suite {path}{f', field {field}' if field else ''}: {message}") from error
    if suite.training_runs_of is not None and suite.training_runs_of not in suites(folder):
        raise UnknownNameError("suite", suite.training_runs_of, suites(folder))
    for problem in _problems(suite, models(suite)):
        raise BadValueError(f"the suite {name!r} {problem}")
    if not trust:
        user_code.refuse_code([*suite.all_words, *networks(suite)], path)
    return suite


def networks(suite: Suite) -> list[str]:
    """Return the names of the external networks among its given models."""
    entries = [entry for entry in suite.models if CHECKPOINT in entry]
    plans = models(suite.model_copy(update={"models": entries}))
    return [plan.given.network for plan in plans if plan.given is not None]


def _problems(suite: Suite, plans: Sequence[ModelPlan]) -> Iterator[str]:
    """Yield the problems of a suite's models, with advice."""
    for training in (training for plan in plans for training in plan.trainings):
        if suite.folds is not None and len(suite.folds) > 1 and training.partition != "kfold":
            yield "has several folds with the same test images: use `partition: kfold`"
        if training.fold >= training.folds:
            yield f"has fold {training.fold}, but the folds are 0 to {training.folds - 1}: use one of them"
    if repeated := duplicates(plan.id for plan in plans):
        yield f"has two models with the name {', '.join(repeated)}: if they differ in other flags, write two suites"
    if any(plan.slow_images is not None for plan in plans) and MAIN_PROTOCOL not in suite.protocols_or_check:
        yield f"has `slow_images`, which requires the protocol {MAIN_PROTOCOL!r}: add it to `protocols`"
    if any(plan.methods_on_all_images and plan.slow_images is None for plan in plans):
        yield "has `methods_on_all_images` without `slow_images`, so every method explains all images: leave it out"
