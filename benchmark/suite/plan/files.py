"""Load a suite from ``configs/suites`` and check every word in it."""

import dataclasses
from collections.abc import Iterator, Sequence
from pathlib import Path

import pydantic

import methods as method_registry
from benchmark import validity
from benchmark.records import published
from benchmark.scoring import protocols
from benchmark.suite.plan.model import ModelPlan
from benchmark.suite.plan.models import CHECKPOINT, models
from benchmark.suite.plan.suite import Suite
from core import cli, user_code
from core.errors import BadValueError, DataError, UnknownNameError, first_problem
from core.flags.training import RecipeFlags
from core.names import BESIDE, MAIN_PROTOCOL, duplicates

SUITES = cli.CONFIGS / "suites"
NOT_HERE = ("search", "search_storage", "resume", "evaluate")
"""Flags of ``main.py`` that do not belong to a training run."""
CHANGED = {field.name for field in dataclasses.fields(RecipeFlags)} - {"seed", "multi_label", "preprocess"}
"""Flags that a candidate may change: the way a network learns, but not the network, its data or its task."""


def suites(folder: Path = SUITES) -> list[str]:
    """Names of the suites of the project, or of another ``folder`` of YAML files.

    >>> "phantom" in suites()
    True
    """
    return sorted(path.stem for path in folder.glob("*.yaml"))


def load(name: str, folder: Path = SUITES, trust: bool = False) -> Suite:
    """Read a suite. Raises ``UnknownNameError``, or ``DataError`` with the invalid field.

    ``trust``: whether Python files that its methods or checkpoints name may be executed; otherwise ``BadValueError``.
    """
    path = folder / f"{name}.yaml"
    if not path.is_file():
        raise UnknownNameError("suite", name, suites(folder))
    try:
        suite = Suite(**{**cli.read_yaml(path), "name": name})
    except pydantic.ValidationError as error:
        where, message = first_problem(error)
        fields = ", ".join(name for name in Suite.model_fields if name != "name")
        raise DataError(f"the suite {path}, field {where}: {message}; fields: {fields}") from error
    suite_names = suites(folder)
    for other, names in ((suite.trainings, suite_names), (suite.predicted_by, sorted({*suite_names, *suites()}))):
        if other is not None and other not in names:
            raise UnknownNameError("suite", other, names)
    _check(suite)
    if not trust:
        user_code.refuse_code([*suite.all_words, *networks(suite)], path)
    return suite


def networks(suite: Suite) -> list[str]:
    """The words of external networks among its finished models."""
    entries = [entry for entry in suite.models if CHECKPOINT in entry]
    plans = models(suite.model_copy(update={"models": entries}))
    return [plan.finished.network for plan in plans if plan.finished is not None]


def _check(suite: Suite) -> None:
    """Check every word of a suite. Raises ``UnknownNameError`` or ``BadValueError``."""
    for word in [*(suite.protocols or []), *suite.conventional]:
        protocols.registry.check(word)
    if suite.check is not None:
        validity.registry.check(suite.check)
    check_methods(suite.all_words)
    for word in suite.rank_methods:
        if not user_code.runs_code(word):
            method_registry.registry.check(word)
    if suite.choice is not None:
        method_registry.registry.check(suite.choice.method)
    for word in suite.published:
        published.name(word)
    for problem in _problems(suite):
        raise BadValueError(f"the suite {suite.name!r} {problem}")


def _problems(suite: Suite) -> Iterator[str]:
    """The problems of a suite whose words are valid, each with advice."""
    if suite.check is not None and (suite.protocols or suite.conventional):
        yield "has a check, which scores by itself: leave protocols and conventional out"
    if suite.check is None and suite.images is not None:
        yield "has images, which only a check can draw: write slow_images, or a check"
    for field in ("protocols", "conventional", "folds", "seeds"):
        if twice := duplicates(map(str, getattr(suite, field) or [])):
            yield f"has {', '.join(twice)} twice in {field}: leave one out"
    if suite.seeds is not None and "seed" in suite.train:
        yield "has seed in train beside seeds: leave one of the two out"
    for flag in NOT_HERE:
        if any(flag in flags for flags in (suite.train, suite.init or {}, *suite.models)):
            yield f"has the flag {flag}, which is no part of a training: leave it out"
    yield from _problems_of_choice(suite)
    yield from _problems_of_models(suite, models(suite))


def _problems_of_choice(suite: Suite) -> Iterator[str]:
    """The problems of a suite's choice, each with advice."""
    if suite.choice is None:
        return
    if suite.folds is None or len(suite.folds) < 2 or suite.train.get("folds", 5) < 3:
        yield "has a choice, which takes inner and outer folds: write folds: [0, 1, 2 …] and partition: kfold"
    if suite.check is not None or suite.test_on is not None:
        yield "has a choice beside check or test_on: leave one out"
    if not method_registry.is_fast(suite.choice.method):
        fast = ", ".join(method_registry.expand(["fast"]))
        yield f"chooses by {suite.choice.method}, which is slow: take one of {fast}"
    for name, flags in suite.choice.candidates.items():
        if other := sorted({*flags} - CHANGED):
            yield f"has a candidate {name!r} with {other[0]}: a recipe changes {', '.join(sorted(CHANGED))}"


def _problems_of_models(suite: Suite, plans: Sequence[ModelPlan]) -> Iterator[str]:
    trainings = [training for plan in plans for training in plan.trainings]
    for training in trainings:
        if suite.folds is not None and len(suite.folds) > 1 and training.partition != "kfold":
            yield "has several folds of the same test images: write partition: kfold"
        if training.fold >= training.folds:
            yield f"has fold {training.fold} of {training.folds} folds: count from 0"
    if any(training.batch_size == "auto" for training in trainings):
        yield "has batch_size auto, another number on each machine: write the number"
    if twice := duplicates(plan.id for plan in plans):
        names = ", ".join(twice)
        yield f"states a model twice, or two that differ in what no table shows (then write two suites): {names}"
    if any(plan.slow_images is not None for plan in plans) and MAIN_PROTOCOL not in suite.scored_by:
        yield f"has slow_images, which needs the protocol {MAIN_PROTOCOL!r}: add it to its protocols"
    if any(plan.all_images and plan.slow_images is None for plan in plans):
        yield "has all_images without slow_images, so every method explains all images: leave it out"


def check_methods(words: Sequence[str]) -> None:
    """Raise ``UnknownNameError`` for a word that is not a method, group, baseline or ``path/to/file.py:Class``.

    >>> check_methods(["cam", "fast", "prior", "smoothgrad:n=4"])
    """
    for word in words:
        if word not in (*BESIDE, *method_registry.GROUPS) and not user_code.runs_code(word):
            method_registry.registry.check(word)
