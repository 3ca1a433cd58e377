"""Validity checks of the maps and the tables, with two files and one suite per check.

``NAME.py`` scores a method and needs the networks; ``NAME_report.py`` makes tables and an answer from the records
alone. A suite with the field ``check: NAME`` is scored only by that check. It has one record per model and method, with
the name of the check as its protocol. Checks are imported on first use. ``base`` has what they share.
"""

import importlib
from typing import Any


def get(name: str) -> type[Any]:
    """Return the class of a check: ``Protocols`` for ``protocols``."""
    part: type[Any] = getattr(importlib.import_module(f"locus.benchmark.validity.{name}"), name.capitalize())
    return part
