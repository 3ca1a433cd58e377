"""The answers of methods as tables for a terminal."""

from collections.abc import Callable, Sequence

import torch
from tabulate import tabulate

import methods
from benchmark.check.method.examine import Answer, examine
from core.errors import examples

WIDTHS = [None, None, 60, 60]
"""Most letters per line and column."""


def run(words: Sequence[str], threads: int, report: Callable[[str], None]) -> list[str]:
    """Examine each method of ``words`` and ``report`` its table; the words of those that fail a question."""
    torch.set_num_threads(threads)
    failing = []
    for word in methods.expand(words):
        answers = examine(word)
        wrong = [answer.question for answer in answers if answer.verdict == "fail"]
        report(f"{table(answers)}\n\n{word} {f'fails: {examples(wrong, 20)}' if wrong else 'keeps the contract'}\n")
        failing += [word] if wrong else []
    return failing


def table(answers: Sequence[Answer]) -> str:
    """Question, verdict, what was seen and what a failure means; one block of lines per answer."""
    rows = [(answer.question, answer.verdict, answer.seen, answer.meaning or "not judged") for answer in answers]
    return tabulate(rows, headers=("question", "verdict", "seen", "a failure means"), maxcolwidths=WIDTHS)
