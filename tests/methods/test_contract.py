"""All registered methods pass ``benchmark.check method``; new files in methods/ are included."""

import functools

import pytest

import methods
from benchmark.check import method as conformance
from benchmark.check.method import invariance, values
from benchmark.check.method.examine import answer
from benchmark.check.method.question import on_model
from benchmark.explain import explain
from core.errors import BadValueError, UnknownNameError

HUNDREDS = {"forwards", "pixels"}
"""Needs of methods that take hundreds of forward passes per image."""
ALIKE = {"center", "eigengradcam", "hirescam", "kpcacam", "layercam", "legrad", "noise", "recipro", "rollout", "shapleycam", "xgradcam"}
"""Methods similar to another one, which are tested only by ``make test-all``."""
SLOW = {word for word in methods.names() if methods.get(word).needs & HUNDREDS} | ALIKE
POOLED = [word for word in methods.expand(["fast"]) if word != "pcam"]
JUDGED = [question for question in conformance.QUESTIONS if question.name != "cost"]
pytestmark = pytest.mark.contract


def some_slow(words, slow):
    return [pytest.param(word, marks=[pytest.mark.slow] if word in slow else []) for word in words]


@functools.cache
def answers(word):
    return {given.question: given for given in conformance.examine(word, JUDGED)}


@pytest.mark.parametrize("question", ["serves", *(question.name for question in JUDGED)])
@pytest.mark.parametrize("word", some_slow(methods.names(), SLOW))
def test_every_method_passes_all_checks(word, question):
    given = answers(word)[question]
    assert given.verdict != "fail", f"{given.seen}: {given.meaning}"


@pytest.mark.parametrize("pooling", some_slow(["MAX", "LSE", "EXP", "LINEAR", "AVG_MAX", "AVG_MAX_LSE"], {"EXP", "LINEAR", "AVG_MAX"}))
@pytest.mark.parametrize("word", some_slow(POOLED, ALIKE))
def test_maps_of_fast_methods_are_finite_and_independent_under_every_pooling(word, pooling):
    trial = on_model(lambda: methods.build(word), "custom", pooling, 32)
    for question in (values.finite, invariance.batch, invariance.findings, invariance.company):
        seen = answer(question, [trial])
        assert seen.verdict == "pass", seen.seen


@pytest.mark.parametrize("word", methods.names())
def test_a_method_has_the_name_of_its_file_and_documents_its_map(word):
    assert methods.get(word).name == word
    assert len(methods.get(word).__doc__) > 30


def test_an_unknown_finding_or_method_raises_a_clear_error(model, images):
    with pytest.raises(BadValueError, match=r"findings \[3\].* 0 to 2"):
        explain(model, images, ["cam"], findings=[3])
    with pytest.raises(UnknownNameError, match=r"'gradcamp'.*'gradcampp'"):
        explain(model, images, ["gradcamp"])


@pytest.mark.parametrize(
    ("word", "facts"),
    [
        ("noise:seed=-1", "^seed is -1: give a whole number, 0 or more$"),
        ("noise:seed=1.5", r"seed.*1\.5.*\b0\b"),
        ("noise:seed=a", r"seed.*'a'.*\b0\b"),
        ("center:sigma=0", r"sigma.* 0\b.* 0\b"),
        ("center:sigma=-.1", r"sigma.*-0\.1.*\b0\b"),
        ("center:sigma=True", r"sigma.*True.*\b0\b"),
        ("center:sigma=1e999", r"sigma.*inf.*\b0\b"),
        ("center:sigma=wide", r"sigma.*'wide'.*\b0\b"),
    ],
)
def test_an_invalid_option_of_a_baseline_raises_a_clear_error(word, facts):
    with pytest.raises(BadValueError, match=facts):
        methods.build(word)
