"""Measure the time of Integrated Gradients on the networks of the suite ``nih``."""

import os
import time
from typing import Any

from benchmark.explain import explain
from benchmark.training.machine import configure_torch, cpu_model
from datasets.io import limits
from tools.scale.estimate import NETWORKS, SIZE
from tools.speed.methods.contenders import network

FINDINGS, ROUNDS = 8, 3


def measure() -> dict[str, Any]:
    """Return the seconds per image of 224 x 224 pixels and finding: the fastest of three calls with eight findings."""
    configure_torch(None)
    seconds = {}
    for name in NETWORKS:
        model, images = network({"backbone": name, "size": SIZE, "batch": 1}, FINDINGS)
        seconds[name] = round(min(_seconds(model, images) for _ in range(ROUNDS)) / FINDINGS, 3)
    machine = f"{cpu_model()}, {limits.cpus()} cores"
    return {"machine": machine, "load": round(os.getloadavg()[0], 1), "findings": FINDINGS, "seconds": seconds}


def _seconds(model: Any, images: Any) -> float:
    begun = time.perf_counter()
    explain(model, images, ("integrated_gradients",), range(FINDINGS))
    return time.perf_counter() - begun
