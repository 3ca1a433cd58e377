"""Check a method, a network or a data set before use."""

from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from core.errors import examples

Verdict = Literal["pass", "note", "info", "fail"]


class AnswerRow(NamedTuple):
    """One row of the table of a method, a network or a data set."""

    question: str
    verdict: Verdict
    seen: str
    meaning: str = ""
    """Meaning of a failure of a method."""


def conclude(name: str, answers: Sequence[AnswerRow], echo: Callable[[str], None]) -> list[str]:
    """``echo`` the verdict on ``name``; return the questions that it fails."""
    failed = [answer.question for answer in answers if answer.verdict == "fail"]
    echo(f"\n{name} {f'fails: {examples(failed, 20)}' if failed else 'passes all checks'}")
    return failed
