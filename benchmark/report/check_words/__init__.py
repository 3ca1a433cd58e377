"""What a check says, in sentences that follow from its records alone: a file per check, named as the check is."""

from collections.abc import Sequence
from dataclasses import dataclass

from benchmark.records import Record
from benchmark.report import select
from benchmark.report.check_words import alignment, conventions, faithfulness, randomised, shortcut
from core.names import FAITHFULNESS

WORDS = {
    **{"randomised": randomised, "shortcut": shortcut, "alignment": alignment, "conventions": conventions},
    FAITHFULNESS: faithfulness,
}


@dataclass(frozen=True)
class CheckAnswer:
    """A check's question on a data set and its answer."""

    question: str
    sentences: tuple[str, ...]
    limit: str
    """What the check does not show."""
    behind: tuple[Record, ...]
    """The records that it rests on."""


def answers(records: Sequence[Record], dataset: str) -> list[CheckAnswer]:
    """The answer of each check that has records of a data set; none for a check without sentences.

    A question, sentences that follow from the numbers, and what the check does not show.
    """
    asked = {word: select.of_check(records, dataset, word) for word in WORDS}
    return [
        CheckAnswer(words.QUESTION, tuple(words.sentences(records, dataset)), words.LIMIT, tuple(asked[word]))
        for word, words in WORDS.items()
        if asked[word]
    ]
