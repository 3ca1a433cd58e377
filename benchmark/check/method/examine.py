"""A method is asked every question on every small model that it serves; one answer each."""

import copy
import dataclasses
import logging
from collections.abc import Sequence
from dataclasses import dataclass

from tqdm import tqdm

import methods
from benchmark.check.method import demands, effects, invariance, models, values
from benchmark.check.method.trial import Observation, Question, Trial, Verdict
from core.errors import NotAvailableError
from core.user_code import ANYTHING

log = logging.getLogger(__name__)
_PARTS = [part for room in (values, invariance, effects, demands) for part in vars(room).values()]
QUESTIONS: tuple[Question, ...] = tuple(part for part in _PARTS if isinstance(part, Question))
"""Every question there is, found in the files of this room."""
SERVES = (
    "it gives no map for any of the small models: see what it says; a method serves at least one of AVG and PCAM "
    "pooling"
)
RANKS: tuple[Verdict, ...] = ("info", "pass", "fail")


@dataclass(frozen=True)
class Answer:
    """One row of the table."""

    question: str
    verdict: Verdict
    seen: str
    meaning: str
    """What a failure means."""


def examine(word: str, questions: Sequence[Question] = QUESTIONS) -> list[Answer]:
    """The answers of the method behind ``word`` (a name, with options, or ``path/to/file.py:Class``), ``serves`` first.

    A method that serves no model is asked nothing else. Raises ``LocusError`` for a word that is no method.
    """
    fast = methods.build(word).is_fast()
    trials = models.trials(lambda: methods.build(word), fast)
    observations = {trial.name: _serves(trial) for trial in trials}
    served = [trial for trial in trials if observations[trial.name].verdict == "pass"]
    if not served:
        return [_merged("serves", SERVES, observations)]
    seen = "; ".join(f"{model}: {observation.text}" for model, observation in observations.items())
    log.info("asking %s %d questions", word, len(questions))
    bar = tqdm(questions, desc=f"ask {word}", unit="question", leave=False, disable=None)
    return [Answer("serves", "pass", seen, SERVES), *(answer(question, served) for question in bar)]


def answer(question: Question, served: Sequence[Trial]) -> Answer:
    """One question, asked about all models that the method serves: the worst of what is seen, and where."""
    return _merged(question.name, question.meaning, {trial.name: _asked(question, trial) for trial in served})


def _merged(name: str, meaning: str, observations: dict[str, Observation]) -> Answer:
    model, worst = max(observations.items(), key=lambda item: (RANKS.index(item[1].verdict), item[1].size))
    where = f"{model}: " if len(observations) > 1 and (worst.verdict == "fail" or worst.size) else ""
    return Answer(name, worst.verdict, where + worst.text, meaning)


def _serves(trial: Trial) -> Observation:
    try:
        _apart(trial).maps()
    except NotAvailableError as error:
        return Observation("fail", f"n/a: {error}")
    except ANYTHING as error:
        return Observation("fail", _stopped(error))
    return Observation("pass", "maps")


def _asked(question: Question, trial: Trial) -> Observation:
    try:
        return question.ask(_apart(trial))
    except ANYTHING as error:
        return Observation("fail", _stopped(error), float("inf"))


def _apart(trial: Trial) -> Trial:
    """The trial with a model and images of its own: what a method spoils is spoilt for one question."""
    if not trial.spare or effects.state(trial.spare[0][0]) != trial.spare[0][1]:
        network = copy.deepcopy(trial.model)
        trial.spare[:] = [(network, effects.state(network))]
    return dataclasses.replace(trial, model=trial.spare[0][0], images=trial.images.clone())


def _stopped(error: BaseException) -> str:
    return f"stopped with {type(error).__name__}: {error}"
