"""What the phantom is asked to be: its options, checked."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.errors import BadValueError, UnknownNameError
from datasets.phantom.findings import LOOKS

FINDINGS = tuple(LOOKS)
DRAWING = 2
"""Raised whenever the same patient gives other pixels: what was learnt from the old ones is told apart."""
Amount = float | Mapping[str, float]
"""One number for all findings, or one for some of them and the usual one for the rest."""
MOST = {"grain": 1, "clutter": 10, "shortcut_present": 1, "shortcut_absent": 1, "softness": 0.2}
"""The largest that an option can be; the smallest is 0."""


@dataclass(frozen=True)
class Recipe:
    """What the phantom is asked to be; shares lie in [0, 1]."""

    prevalence: Mapping[str, float]
    """finding -> share of the images that have it."""
    conspicuity: Mapping[str, float]
    """finding -> factor of its brightness."""
    grain: float
    """Standard deviation of the pixel noise, as a share of white."""
    clutter: float
    """How often tubes, electrodes and side markers are there; 1 is usual."""
    shortcut: str | None
    """The finding that the corner token goes with."""
    shortcut_present: float
    """Share of the images with that finding that have the token."""
    shortcut_absent: float
    """Share of the other images that have the token."""
    softness: float = 0
    """Standard deviation of the Gaussian that blurs what is drawn of a finding, as a share of the image's side."""

    @property
    def described(self) -> dict[str, Any]:
        """The fields by name; ``softness`` is there only where it is not 0: older descriptions hold."""
        return {name: value for name, value in asdict(self).items() if name != "softness" or value}


def recipe(prevalence: Amount, conspicuity: Amount, shortcut: str | None = None, **shares: float) -> Recipe:
    """The options as a ``Recipe``, those of ``MOST`` 0 where they are not among the ``shares``.

    Raises ``BadValueError`` or ``UnknownNameError`` for one that is not allowed.
    """
    return Recipe(
        prevalence=_each(prevalence, "prevalence", usual=0.18, most=1),
        conspicuity=_each(conspicuity, "conspicuity", usual=1, most=10),
        shortcut=None if shortcut is None else _finding(shortcut),
        **{option: _between(shares.get(option, 0), option, most) for option, most in MOST.items()},
    )


def check_size(img_size: int | None) -> int:
    """The side in pixels, 128 for None."""
    size = 128 if img_size is None else img_size
    if not 32 <= size <= 4096:
        raise BadValueError(f"img_size is {size}: the phantom is drawn at 32 to 4096 pixels a side")
    return size


def check_count(value: int, option: str) -> int:
    """A number of images; a word may state anything."""
    if not isinstance(value, int) or not 0 <= value <= 1_000_000:
        raise BadValueError(f"{option} is {value}: give a number of images from 0 to 1000000")
    return value


def _each(value: Amount, option: str, usual: float, most: float) -> dict[str, float]:
    given = {_finding(f): v for f, v in value.items()} if isinstance(value, Mapping) else dict.fromkeys(FINDINGS, value)
    return {f: _between(given.get(f, usual), option, most) for f in FINDINGS}


def _between(value: float, option: str, most: float) -> float:
    if isinstance(value, str) or not 0 <= value <= most:
        raise BadValueError(f"{option} is {value!r}: give a number from 0 to {most}")
    return float(value)


def _finding(name: str) -> str:
    if name not in FINDINGS:
        raise UnknownNameError("finding", name, FINDINGS)
    return name
