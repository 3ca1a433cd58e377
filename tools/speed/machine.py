"""Describe the machine for the record."""

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from benchmark.training import devices
from core.errors import NotAvailableError
from datasets.io import limits
from tools.speed.record import Machine


def describe(threads: int, packages: Sequence[str], gpu: str = "") -> Machine:
    """Return the machine, the versions of ``packages`` and the ``gpu`` that is timed.

    Raises ``NotAvailableError`` if a package is not installed.
    """
    return Machine(
        cpu=devices.cpu_model() or platform.processor() or platform.machine(),
        cores=limits.cpus(),
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        system=f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        python=platform.python_version(),
        threads=threads,
        load=round(os.getloadavg()[0], 2),
        packages={name: _version(name) for name in packages},
        gpu=gpu,
    )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError as error:
        install = "pip install -e '.[test]' --constraint constraints.txt"
        raise NotAvailableError(f"{package} is not installed and cannot be timed: {install}") from error
