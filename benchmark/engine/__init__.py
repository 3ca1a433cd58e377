"""The engine behind ``benchmark.explain.explain``: one forward pass, and what methods need, once for all of them."""

from benchmark.engine.forward import defer, gather
from benchmark.engine.memory import prepare
from benchmark.engine.run import run_method, run_methods

__all__ = ["VERSION", "defer", "gather", "prepare", "run_method", "run_methods"]

VERSION = 1
"""Raised whenever the same model, image and method give other maps: stored ones of an earlier version are not read."""
