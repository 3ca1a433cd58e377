"""The questions that every heat-map method answers, those of the tree and anyone's: see ``examine`` and ``run``."""

from benchmark.check.method.examine import QUESTIONS, Answer, examine, run, table
from benchmark.check.method.page import page

__all__ = ["QUESTIONS", "Answer", "examine", "page", "run", "table"]
