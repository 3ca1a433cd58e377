"""Answer every question about a method on every small model that it supports."""

import copy
import dataclasses
import logging
from collections.abc import Sequence

import torch
from tabulate import tabulate
from tqdm import tqdm

import methods
from benchmark.check import AnswerRow, Verdict, conclude
from benchmark.check.method import demands, effects, invariance, values
from benchmark.check.method.question import MethodOnModel, Observation, Question, on_models, question
from core.errors import NotAvailableError
from core.types import Echo
from core.user_code import ANYTHING

log = logging.getLogger(__name__)
_PARTS = [part for module in (values, invariance, effects, demands) for part in vars(module).values()]
QUESTIONS: tuple[Question, ...] = tuple(part for part in _PARTS if isinstance(part, Question))
"""All questions of the modules imported above; the questions of a new module must be added there."""
RANKS: tuple[Verdict, ...] = ("info", "pass", "fail")


@question("the method returns no map for any of the small models; it must support AVG or PCAM pooling")
def serves(subject: MethodOnModel) -> Observation:
    """Check that the method supports the model."""
    try:
        subject.maps()
    except NotAvailableError as error:
        return Observation("fail", f"n/a: {error}")
    return Observation("pass", "maps")


def examine(word: str, questions: Sequence[Question] = QUESTIONS) -> list[AnswerRow]:
    """Answer all questions about the method ``word`` (a name with options, or ``path/to/file.py:Class``).

    The first question is ``serves``; a method that supports no model gets no other answer. Raises ``LocusError`` for an
    unknown method.
    """
    subjects = on_models(lambda: methods.build(word))
    observations = {subject.name: _asked(serves, subject, 0.0) for subject in subjects}
    served = [subject for subject in subjects if observations[subject.name].verdict == "pass"]
    if not served:
        return [_merged(serves, observations)]
    seen = "; ".join(f"{model}: {observation.text}" for model, observation in observations.items())
    log.info("asking %s %d questions", word, len(questions))
    bar = tqdm(questions, desc=f"ask {word}", unit="question", leave=False, disable=None)
    return [AnswerRow(serves.name, "pass", seen, serves.meaning), *(answer(question, served) for question in bar)]


def answer(question: Question, served: Sequence[MethodOnModel]) -> AnswerRow:
    """Answer a question with the worst observation over all models that the method supports."""
    return _merged(question, {subject.name: _asked(question, subject) for subject in served})


def _merged(question: Question, observations: dict[str, Observation]) -> AnswerRow:
    model, worst = max(observations.items(), key=lambda item: (RANKS.index(item[1].verdict), item[1].size))
    where = f"{model}: " if len(observations) > 1 and (worst.verdict == "fail" or worst.size) else ""
    return AnswerRow(question.name, worst.verdict, where + worst.text, question.meaning)


def _asked(question: Question, subject: MethodOnModel, size: float = float("inf")) -> Observation:
    """Ask with copies of the model and the images, so that side effects of a method do not affect other questions.

    ``size`` is that of an observation that the question raised an error; by default, it is reported before all others.
    """
    copies = dataclasses.replace(subject, model=copy.deepcopy(subject.model), images=subject.images.clone())
    try:
        return question.ask(copies)
    except ANYTHING as error:
        return Observation("fail", f"raised {type(error).__name__}: {error}", size)


WIDTHS = [None, None, 60, 60]
"""Maximum number of characters per line and column."""


def run(words: Sequence[str], threads: int, echo: Echo) -> list[str]:
    """Examine each method of ``words`` and ``echo`` its table; return the methods that fail a question."""
    torch.set_num_threads(threads)
    failing = []
    for word in methods.expand(words):
        answers = examine(word)
        echo(table(answers))
        failing += [word] if conclude(word, answers, echo) else []
    return failing


def table(answers: Sequence[AnswerRow]) -> str:
    """Format the answers as a table: question, verdict, observation, meaning of a failure."""
    rows = [(answer.question, answer.verdict, answer.seen, answer.meaning or "not judged") for answer in answers]
    return tabulate(rows, headers=("question", "verdict", "seen", "a failure means"), maxcolwidths=WIDTHS)
