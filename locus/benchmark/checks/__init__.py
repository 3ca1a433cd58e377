"""Validity checks of the maps and the tables, with one suite per check. A new file adds a check without other edits.

Each file defines one check, which needs the networks, and names its report, which makes tables and an answer from the
records alone. ``base`` has what they share. A suite with the field ``check: NAME`` is scored only by that check. It has
one record per model and method, with the name of the check as its protocol. These are no checks of a user's input: see
``locus.benchmark.inspect`` (before use) and ``locus.explaining``.
"""

from typing import Any

from locus.benchmark.report.section import CheckReport
from locus.core.registry import CHECKS

registry = CHECKS


def names() -> list[str]:
    """Return the names of all checks, sorted."""
    return registry.names()


def get(name: str) -> type[Any]:
    """Return the class of a check. Raises ``locus.core.errors.UnknownNameError``."""
    return registry.get(name)


def reports() -> dict[str, type[CheckReport]]:
    """Return check -> its report, which suites hand to ``locus.benchmark.report``."""
    return {name: get(name).report for name in names()}
