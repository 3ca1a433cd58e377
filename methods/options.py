"""Checks of method options."""

import math
from typing import Any

from core.errors import BadValueError


def require_whole_number(option: str, value: Any, least: int = 1) -> int:
    """Return ``value``. Raises ``BadValueError`` if the ``option`` is not a whole number of at least ``least``."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise BadValueError(f"{option} is {value!r}: give a whole number, {least} or more")
    return value


def require_positive(option: str, value: Any) -> float:
    """Return ``value``. Raises ``BadValueError`` if the ``option`` is not a finite number above 0."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < math.inf:
        raise BadValueError(f"{option} is {value!r}: give a number above 0")
    return value
