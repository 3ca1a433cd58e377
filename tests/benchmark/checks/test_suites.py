"""Planned suites of the checks."""

import functools

import pytest

from locus.benchmark.suite import cells, plan
from locus.core.registry import CHECKS
from locus.flags.cli import CONFIGS, read_yaml

NAMES = [name for name in plan.suites() if "check" in read_yaml(CONFIGS / "suites" / f"{name}.yaml")]


@functools.cache
def suites():
    """Return name of a check -> its suite."""
    return {name: plan.load(name) for name in NAMES}


def folders(name):
    return {plan.folder_name(training, model.init) for model in plan.models(plan.load(name)) for training in model.trainings}


@pytest.mark.contract
def test_every_check_has_a_suite():
    assert {suite.check for suite in suites().values()} == {*CHECKS.names()}


@pytest.mark.contract
@pytest.mark.parametrize("name", NAMES)
def test_suite_of_a_check_has_only_its_protocol_and_named_baselines(name):
    suite = suites()[name]
    for model in plan.models(suite):
        planned = cells.cells(suite, model)
        assert {cell.protocol for cell in planned} == {"classification", suite.check}
        assert {cell.images for cell in planned if cell.method != "classifier"} == {suite.images}
        named = {"center", "prior", "noise", "untrained", "truth"} & set(suite.words)
        assert {cell.method for cell in planned} & {"center", "prior", "noise", "untrained", "truth"} == named
        assert len({cell.key for cell in planned}) == len(planned)


def test_suites_that_reuse_training_runs_have_the_same_recipes():
    for name in ("protocols", "phantom-120"):
        assert folders(name) <= folders("phantom"), name
