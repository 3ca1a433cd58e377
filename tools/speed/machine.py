"""Measure the rows of a run and describe the machine."""

import datetime
import os
import platform
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version

from benchmark.training.machine import cpu_model
from core.errors import NotAvailableError
from datasets.io import limits
from tools.speed.record import Machine, Row, SpeedRecord
from tools.speed.subject import SHARED, SpeedConfig


def measured(
    config: SpeedConfig, packages: Sequence[str], rows: Iterable[Row], threads: int = 1, gpu: str = "", note: str = ""
) -> SpeedRecord:
    """Measure all ``rows`` and return their record, with the machine as it was before.

    ``packages`` are those whose versions are recorded, ``gpu`` is the name of the GPU that is timed. Raises
    ``NotAvailableError`` if a package is not installed.
    """
    begun = time.perf_counter()
    machine = Machine(
        cpu=cpu_model() or platform.processor() or platform.machine(),
        cores=limits.cpus(),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        python=platform.python_version(),
        threads=threads,
        load=round(os.getloadavg()[0], 2),
        packages={name: _version(name) for name in packages},
        gpu=gpu,
    )
    all_rows = tuple(rows)
    flags = {name: value for name, value in asdict(config).items() if name not in SHARED}
    return SpeedRecord(
        schema_version=2,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        seconds=round(time.perf_counter() - begun, 1),
        machine=machine,
        settings={name: list(value) if isinstance(value, tuple) else value for name, value in flags.items()},
        note=note,
        rows=all_rows,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError as error:
        install = "pip install -e '.[test]' --constraint constraints.txt"
        raise NotAvailableError(f"{package} is not installed and cannot be timed: {install}") from error
