"""Measure the time of Integrated Gradients on the networks of the suite ``nih``."""

import os
from typing import Any

from benchmark.training.machine import configure_torch, cpu_model
from datasets.io import limits
from tools.scale.estimate import NETWORKS, SIZE
from tools.speed.methods.contenders import locus, network
from tools.speed.timing import Times

METHOD, FINDINGS, ROUNDS = "integrated_gradients", 8, 3


def measure() -> dict[str, Any]:
    """Return the seconds per image of 224 x 224 pixels and finding: the fastest of three calls with eight findings."""
    configure_torch(None)
    seconds = {}
    for name in NETWORKS:
        call = locus(METHOD)(*network({"backbone": name, "size": SIZE, "batch": 1}, FINDINGS), range(FINDINGS))
        times = Times()
        for _ in range(ROUNDS):
            times.add(call)
        seconds[name] = round(min(times.wall) / FINDINGS, 3)
    machine = f"{cpu_model()}, {limits.cpus()} cores"
    return {"machine": machine, "load": round(os.getloadavg()[0], 1), "findings": FINDINGS, "seconds": seconds}
