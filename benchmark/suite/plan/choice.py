"""The models of a suite that chooses its recipe: candidates on all folds and without each, and what is chosen of them.

Fold k is scored by the candidate that is best on the folds j ≠ k, each scored by trainings that saw neither j nor k.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import methods
from benchmark.suite.plan.model import ModelPlan
from benchmark.suite.plan.suite import Suite
from core.flags.training import RecipeFlags

CHANGED = {field.name for field in dataclasses.fields(RecipeFlags)} - {"seed", "multi_label", "preprocess"}
"""Flags that a candidate may change: how a network learns, not which one, from what, and for what."""


def rivals(plan: ModelPlan, name: str) -> Iterator[ModelPlan]:
    """The candidate ``name``, whose recipe ``plan`` has, on all folds; then without each fold, on the others."""
    seed = plan.trainings[0].seed
    yield dataclasses.replace(plan, id=f"{plan.network}-{name}-seed{seed}", candidate=name)
    for outer in plan.trainings:
        id_ = f"{plan.network}-{name}-without{outer.fold}-seed{seed}"
        inner = (each for each in plan.trainings if each is not outer)
        trainings = tuple(dataclasses.replace(each, leave_out_fold=outer.fold) for each in inner)
        yield dataclasses.replace(plan, id=id_, candidate=name, trainings=trainings)


def chosen(candidates: Sequence[ModelPlan], names: Sequence[str], judged_by: Mapping[str, str]) -> ModelPlan:
    """The model that has on each of its folds the candidate of that fold's name; ``candidates`` are on all folds.

    ``judged_by``: the method and metric by which inner folds chose.
    """
    of_name = {plan.candidate: plan for plan in candidates}
    trainings = tuple(of_name[name].trainings[n] for n, name in enumerate(names))
    first = candidates[0]
    id_ = f"{first.network}-seed{trainings[0].seed}"
    stated = recipe(candidates) | {"chosen": list(names), "judged_by": dict(judged_by)}
    return dataclasses.replace(first, id=id_, candidate="", trainings=trainings, stated=tuple(stated.items()))


def recipe(candidates: Sequence[ModelPlan]) -> dict[str, Any]:
    """What all ``candidates`` share, and what each has of its own."""
    of_each = {plan.candidate: {k: v for k, v in plan.recipe.items() if k != "candidate"} for plan in candidates}
    first = next(iter(of_each.values()))
    shared = {k: v for k, v in first.items() if all(k in other and other[k] == v for other in of_each.values())}
    apart = {name: {k: v for k, v in each.items() if k not in shared} for name, each in of_each.items()}
    return {**shared, "candidates": apart}


def problems(suite: Suite) -> Iterator[str]:
    """What is wrong with a suite's choice, and what to write instead."""
    if suite.choice is None:
        return
    if suite.folds is None or len(suite.folds) < 2 or suite.train.get("folds", 5) < 3:
        yield "has a choice, which takes inner and outer folds: write folds: [0, 1, 2 …] and partition: kfold"
    if suite.check is not None or suite.test_on is not None:
        yield "has a choice beside check or test_on: leave one out"
    if not methods.is_fast(suite.choice.method):
        yield f"chooses by {suite.choice.method}, which is slow: take one of {', '.join(methods.expand(['fast']))}"
    for name, flags in suite.choice.candidates.items():
        if other := sorted({*flags} - CHANGED):
            yield f"has a candidate {name!r} with {other[0]}: a recipe changes {', '.join(sorted(CHANGED))}"
