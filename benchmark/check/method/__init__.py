"""The questions that every heat-map method answers, those of the tree and anyone's: see ``examine`` and ``run``."""

from benchmark.check.method.examine import QUESTIONS, Answer, examine
from benchmark.check.method.page import page
from benchmark.check.method.report import run, table

__all__ = ["QUESTIONS", "Answer", "examine", "page", "run", "table"]
