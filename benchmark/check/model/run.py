"""Examines one network and reports the table."""

from collections.abc import Callable
from pathlib import Path

from tabulate import tabulate

import datasets
from benchmark.check import conclude
from benchmark.check.model import labelled, questions
from benchmark.models.load import SIDE, LoadedNetwork, load, load_run
from benchmark.training import machine
from config import ModelCheckConfig
from core.flags.network import network_flags


def run(config: ModelCheckConfig, report: Callable[[str], None]) -> list[str]:
    """Ask the network that ``config`` names every question and ``report`` the table; the questions answered wrong.

    Raises ``LocusError`` for a network that cannot be built, given its weights or wired.
    """
    machine.configure_torch(config.threads)
    side = config.img_size or SIDE
    data = None if config.data is None else datasets.load(config.data, config.data_root_dir, img_size=side)
    network = network_flags(config)
    usual = () if data is None else data.findings
    loaded: LoadedNetwork = load_run(Path(str(config.model)), config.trust) if network is None else load(network, usual)
    answers = questions.answers(loaded)
    answers += [] if data is None else labelled.answers(loaded, data, config.images)
    report(tabulate(answers, headers=("question", "verdict", "seen"), maxcolwidths=[None, None, 100]))
    return conclude(str(config.model), answers, report)
