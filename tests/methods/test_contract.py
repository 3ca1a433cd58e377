"""All registered methods pass ``benchmark.check method``; new files in methods/ are included."""

import functools

import pytest
import torch

from locus import methods
from locus.benchmark.inspect import method as conformance
from locus.core.errors import BadValueError, UnknownNameError
from locus.explaining.batch import explain

HUNDREDS = {"forwards", "pixels"}
"""Needs of methods that take hundreds of forward passes per image."""
ALIKE = {
    *("ablationcam", "center", "eigengradcam", "finercam", "gradcampp", "hirescam", "kpcacam", "layercam", "legrad", "noise"),
    *("recipro", "rollout", "shapleycam", "xgradcam"),
}
"""Methods similar to another one, which are tested only by ``make test-all``."""
SLOW = {word for word in methods.names() if methods.get(word).needs & HUNDREDS} | ALIKE
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


def test_an_unknown_finding_or_method_raises_a_clear_error(model, images):
    with pytest.raises(UnknownNameError, match=r"'gradcamp'.*'gradcampp'"):
        explain(model, images, ["gradcamp"])
    with pytest.raises(BadValueError, match=r"findings \[3\].* 0 to 2"):
        explain(model, images, ["cam"], findings=[3])


OPTIONS = {
    "center:sigma=0": r"sigma.* 0\b.* 0\b",
    "center:sigma=True": r"sigma.*True.*\b0\b",
    "finercam:base=eigencam": r"'eigencam'.*gradcampp",
    "gradcam:smooth=": "bad option 'smooth='",
    "gradcam:smooth=aug,smooth=eigen": "'aug,eigen'.*one of",
    "integrated_gradients:steps=0": r"steps.*\b0\b.*\b1\b",
    "kpcacam:kernel=cosine": r"'cosine'.*sigmoid",
    "noise:seed=-1": r"^seed is -1: give a whole number, 0 or more$",
    "occlusion:stride=a": r"stride.*'a'.*\b1\b",
    "occlusion:window=4,stride=5": r"window=4,stride=5.*\b40\b",
    "occlusion:window=True": r"window.*True.*\b1\b",
    "rise:p=1.5": r"^p is 1\.5: .*below 1",
    "scorecam:masks=3": "scorecam.*masks=3.*grid.*grad-cam",
    "scorecam:masks=corners": "scorecam.*masks='corners'.*grid.*grad-cam",
    "smoothgrad:level=a": r"level.*'a'.*\b0\b",
    "smoothgrad:samples=0": r"samples.*\b0\b.*\b1\b",
}


@pytest.mark.parametrize("word", OPTIONS)
def test_an_invalid_option_raises_a_clear_error(on_features, word):
    with pytest.raises(BadValueError, match=OPTIONS[word]):
        explain(on_features("AVG", [[1.0]]), torch.zeros(1, 1, 48, 40), [word])
