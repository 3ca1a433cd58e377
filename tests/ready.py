"""Imported by the server of ``tests.warm``: modules of the entry points, and caches that they fill on first use."""

import gc
import importlib

import numba
import numpy as np
import pydantic

from locus import config, datasets, methods
from locus.benchmark.maps import method_code
from locus.benchmark.training.metrics import areas, descending
from locus.flags.parser import parser_of
from locus.scoring import protocols
from locus.scoring.protocols.adaptive_threshold import AdaptiveThreshold
from locus.scoring.protocols.base import Case
from locus.scoring.protocols.single_box import SingleBox

ENTRY_POINTS = (
    "locus.benchmark.suite.external",
    "benchmark.gallery",
    "locus.benchmark.heatmaps.overlay",
    "locus.benchmark.heatmaps.pictures",
    "locus.benchmark.report.page",
    "locus.benchmark.report.tables",
    "locus.benchmark.suite.comparison",
    "locus.benchmark.executors._local",
    "locus.benchmark.executors",
    "locus.benchmark.suite.run",
    "locus.benchmark.suite.score",
    "locus.benchmark.suite.cells",
    "locus.benchmark.training.run",
    "locus.datasets.phantom",
)
"""What they import; not they themselves, which run as ``__main__``."""
for name in ENTRY_POINTS:
    importlib.import_module(name)
MAPS = np.random.default_rng(0).random((8, 6, 6))
CASES = [Case(str(n), str(n), "mass", values, "conventional", (30, 30), np.array([[5.0, 5, 20, 20]])) for n, values in enumerate(MAPS)]
for protocol in (SingleBox(), AdaptiveThreshold()):  # their compiled kernels
    protocol.evaluate(CASES, ("mass",))
order, positive, closes = descending(np.zeros(2), np.array([True, False]))
areas(np.zeros_like(order), positive, closes, np.ones((1, 1), np.uint8))
numba.njit(lambda number: number)(1)
pydantic.create_model("Ready", number=(int, ...))
FLAGS = {
    config.RunConfig: "python -m benchmark.run",
    config.ScoreConfig: "python -m benchmark.score",
    config.HeatmapConfig: "python heatmap.py",
    config.TrainConfig: "main.py",
}
for kind, program in FLAGS.items():  # whose words are read from the text of many files
    parser_of(kind, program), parser_of(kind, "")
for registry in (datasets.REGISTRY, protocols.registry, methods.registry):  # whose words are read from the text of their files
    registry.names()
for word in ("cam", "gradcam", "gradcampp", "layercam", "center", "noise"):
    method_code(word)
gc.freeze()  # no command looks through the libraries for garbage
