"""Check a heat-map method, built-in or user-defined: see ``examine`` and ``run``."""

from benchmark.check.method.examine import QUESTIONS, examine, run, table
from benchmark.check.method.page import page

__all__ = ["QUESTIONS", "examine", "page", "run", "table"]
