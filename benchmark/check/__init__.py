"""Check a method, a network or a data set before use."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple


class AnswerRow(NamedTuple):
    """One row of the table of a method, a network or a data set."""

    question: str
    verdict: Literal["pass", "ok", "note", "info", "fail", "wrong"]
    seen: str
    meaning: str = ""
    """Meaning of a failure of a method."""


def conclude(name: str, answers: Sequence[AnswerRow], report: Callable[[str], None]) -> list[str]:
    """``report`` the verdict on ``name``; return the questions with a wrong answer."""
    wrong = [answer.question for answer in answers if answer.verdict == "wrong"]
    verdict = f"wrong: {', '.join(wrong)}" if wrong else "nothing is wrong"
    report(f"\n{name}: {verdict}")
    return wrong
