"""The conformance kit finds each mistake that it asks about, and leaves a good method alone."""

import logging
import re
from pathlib import Path

import pytest

import methods
from benchmark.check import method as conformance
from benchmark.check.method import effects
from benchmark.check.method.examine import _apart
from benchmark.check.method.question import on_model

FILE = Path(__file__).with_name("planted.py")
BAD = re.findall(r"^class ((?!Good\b|Summed\b)\w+)", FILE.read_text(), re.MULTILINE)
pytestmark = pytest.mark.planted


def asked_by(name):
    """The question in a planted class's name: its first word."""
    return re.findall("[A-Z][a-z]+", name)[0].lower()


def verdicts(name, questions=conformance.QUESTIONS):
    return {answer.question: answer.verdict for answer in conformance.examine(f"{FILE}:{name}", questions)}


@pytest.mark.parametrize("name", BAD)
def test_a_planted_mistake_fails_the_question_that_asks_about_it(name):
    only = [question for question in conformance.QUESTIONS if question.name == asked_by(name)]
    assert verdicts(name, only)[asked_by(name)] == "fail"


def test_a_bar_counts_the_questions_and_a_line_stands_in_a_log(terminal, caplog):
    with caplog.at_level(logging.INFO):
        conformance.examine("center", conformance.QUESTIONS[:1])
    assert "ask center:   0%" in terminal()
    assert "asking center 1 questions" in caplog.messages


def test_a_model_that_a_question_left_changed_is_copied_anew_for_the_next():
    trial = on_model(lambda: methods.build("cam"), "custom", "AVG", 32)
    first, again = (_apart(trial).model for _ in range(2))
    assert again is first is not trial.model
    first.bias.data += 1
    assert effects.state(_apart(trial).model) == effects.state(trial.model)


def test_every_question_but_the_price_has_a_mistake_that_fails_it():
    assert {asked_by(name) for name in BAD} == {"serves", *(question.name for question in conformance.QUESTIONS)} - {"cost"}


def test_a_good_method_fails_nothing_and_its_price_is_told_but_not_judged():
    found = verdicts("Good")
    assert {question for question, verdict in found.items() if verdict != "pass"} == {"cost"}
    assert found["cost"] == "info"


def test_a_class_blind_method_is_told_so_and_not_failed():
    (sensitivity,) = [question for question in conformance.QUESTIONS if question.name == "sensitivity"]
    answer = conformance.examine("eigencam", [sensitivity])[-1]
    assert (answer.verdict, answer.seen) == ("info", "class-blind: one map for all findings")


def test_a_method_for_one_pooling_is_judged_on_the_models_that_it_serves():
    first, *rest = conformance.examine("pcam", conformance.QUESTIONS[:2])
    assert first.verdict == "pass"
    assert "custom-AVG: n/a" in first.seen
    assert rest


def test_the_table_says_what_a_failure_means():
    text = conformance.table(conformance.examine(f"{FILE}:ServesNobody"))
    assert "it serves nobody" in text
    assert "fail" in text
