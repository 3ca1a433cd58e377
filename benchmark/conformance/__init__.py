"""The questions that every heat-map method answers, those of the tree and anyone's: see ``examine`` and ``run``."""

from benchmark.conformance.examine import QUESTIONS, Answer, examine
from benchmark.conformance.page import page
from benchmark.conformance.report import run, table

__all__ = ["QUESTIONS", "Answer", "examine", "page", "run", "table"]
