"""``benchmark.check method`` finds planted errors and passes correct methods."""

import logging
import re
from pathlib import Path

import pytest
import torch

from locus import methods
from locus.benchmark.inspect import method as conformance
from locus.benchmark.inspect.method import _asked
from locus.benchmark.inspect.question import Question, on_model
from tests.methods import planted

FILE = Path(__file__).with_name("planted.py")
BAD = [name for name, each in vars(planted).items() if isinstance(each, type) and each.__module__ == planted.__name__]
BAD = [name for name in BAD if name not in ("Good", "Summed")]
pytestmark = pytest.mark.planted


def asked_by(name):
    """Return the check that must fail: the first word in the name of a planted class."""
    return re.findall("[A-Z][a-z]+", name)[0].lower()


def verdicts(name, questions=conformance.QUESTIONS):
    return {answer.question: answer.verdict for answer in conformance.examine(f"{FILE}:{name}", questions)}


@pytest.mark.parametrize("name", BAD)
def test_a_planted_error_fails_the_matching_check(name):
    only = [question for question in conformance.QUESTIONS if question.name == asked_by(name)]
    assert verdicts(name, only)[asked_by(name)] == "fail"


def test_a_mirrored_map_is_told_from_a_right_one_and_a_method_for_other_networks_is_na():
    (position,) = [question for question in conformance.QUESTIONS if question.name == "position"]
    found = {word: conformance.examine(word, [position])[-1] for word in ("cam", "gradcam", "center", "rollout")}
    assert [answer.verdict for answer in found.values()] == ["pass", "pass", "info", "info"]
    assert all(found[word].seen.startswith("n/a") for word in ("center", "rollout"))
    assert verdicts("PositionMirrored", [position])["position"] == "fail"


def test_checks_show_progress_and_are_logged(terminal, caplog):
    with caplog.at_level(logging.INFO):
        conformance.examine("center", conformance.QUESTIONS[:1])
    assert "ask center:   0%" in terminal()
    assert "asking center 1 questions" in caplog.messages


def test_a_check_does_not_change_the_model_and_images_of_the_next():
    trial = on_model(lambda: methods.build("cam"), "custom", "AVG", 32)
    before = conformance.state(trial.model), trial.images.clone()
    changes = Question("changes", lambda copies: (copies.model.bias.data.add_(1), copies.images.zero_()), "")
    for _ in range(2):
        _asked(changes, trial)
    assert conformance.state(trial.model) == before[0]
    assert torch.equal(trial.images, before[1])


def test_every_check_but_the_cost_has_a_planted_error():
    assert {asked_by(name) for name in BAD} == {"serves", *(question.name for question in conformance.QUESTIONS)} - {"cost"}


@pytest.mark.slow
def test_a_correct_method_passes_all_checks_and_its_cost_is_reported():
    found = verdicts("Good")
    assert {question for question, verdict in found.items() if verdict != "pass"} == {"cost"}
    assert found["cost"] == "info"


def test_a_method_that_ignores_the_finding_is_reported_but_does_not_fail():
    (sensitivity,) = [question for question in conformance.QUESTIONS if question.name == "sensitivity"]
    answer = conformance.examine("eigencam", [sensitivity])[-1]
    assert (answer.verdict, answer.seen) == ("info", "class-blind: one map for all findings")


def test_a_method_for_one_pooling_is_checked_on_supported_models():
    first, *rest = conformance.examine("pcam", conformance.QUESTIONS[:2])
    assert first.verdict == "pass"
    assert "custom-AVG: n/a" in first.seen
    assert rest


def test_the_table_explains_failures():
    text = conformance.table(conformance.examine(f"{FILE}:ServesNobody"))
    assert "it serves nobody" in text
    assert "fail" in text
