"""Explain a batch: one forward pass gives the evidence from which all methods compute their maps."""

from benchmark.explain.batch import Maps, build_methods, explain, explain_anything, named
from benchmark.explain.forward import defer, gather
from benchmark.explain.memory import prepare
from benchmark.explain.run import MethodMaps, run_method, run_methods

__all__ = [
    "VERSION", "Maps", "MethodMaps", "build_methods", "defer", "explain", "explain_anything", "gather", "named",
    "prepare", "run_method", "run_methods",
]  # fmt: skip

VERSION = 1
"""Incremented whenever the maps of the same model, image and method change; invalidates maps of earlier versions."""
