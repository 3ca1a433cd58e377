"""The engine behind ``benchmark.explain.explain``: one forward pass, with all inputs of methods computed once."""

from benchmark.engine.forward import defer, gather
from benchmark.engine.memory import prepare
from benchmark.engine.run import run_method, run_methods

__all__ = ["VERSION", "defer", "gather", "prepare", "run_method", "run_methods"]

VERSION = 1
"""Incremented whenever the maps of the same model, image and method change; invalidates maps of earlier versions."""
