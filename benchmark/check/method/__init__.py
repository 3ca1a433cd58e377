"""Check a heat-map method, built-in or user-defined: see ``examine`` and ``run``."""

from benchmark.check.method.examine import QUESTIONS, Answer, examine, run, table
from benchmark.check.method.page import page

__all__ = ["QUESTIONS", "Answer", "examine", "page", "run", "table"]
